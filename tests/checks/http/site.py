"""A small web site of the tests, on loopback: notes behind a form that is protected as Django's are, and uploads."""

from __future__ import annotations

import contextlib
import email
import email.policy
import hashlib
import html
import json
import secrets
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.links.web_server import Loopback, up

FORM = """<!doctype html><title>Notes</title>
<form action="/search"><input name="q"></form>
<form method="post" action="/notes/"{multipart}>
<input type="hidden" name="csrfmiddlewaretoken" value="{token}">
<textarea name="text"></textarea> <select name="colour"><option>red<option selected>blue</select>
<input type="checkbox" name="pinned" checked> <input type="checkbox" name="loud">
<input type="file" name="photo"> <input name="gone" disabled>
<button name="save" value="yes">Save</button><button name="drop">Drop</button></form>
<ul>{notes}</ul>"""


class Handler(BaseHTTPRequestHandler):
    """Answers by path."""

    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        site, parts = self.server, urlsplit(self.path)
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        match (self.command, *parts.path.strip("/").split("/")):
            case ("GET", "notes"):
                token = secrets.token_hex(16)
                notes = "".join(f"<li>{html.escape(note)}" for note in site.notes)
                multipart = ' enctype="multipart/form-data"' if parts.query == "multipart" else ""
                page = FORM.format(token=token, notes=notes, multipart=multipart)
                self._send(200, page.encode(), "text/html", [("Set-Cookie", f"csrftoken={token}; Path=/; HttpOnly")])
            case ("POST", "notes"):
                self._add_note(body)
            case ("GET", "health"):
                site.looks += 1
                well = site.looks > site.late
                self._send(200 if well else 503, json.dumps({"status": "ok" if well else "starting"}).encode())
            case ("GET", "lines"):
                site.looks += 1
                shown = site.notes if site.looks > site.late else []
                self._send(200, json.dumps({"lines": shown, "ready": site.looks > site.late}).encode())
            case ("POST", "upload"):
                content = self._parts(body)["photo"][1]
                name = hashlib.sha256(content).hexdigest()[:12]
                site.files[name] = content
                told = {"url": f"/files/{name}", "size": len(content), "name": self._parts(body)["photo"][0]}
                self._send(201, json.dumps(told).encode(), more=[("Location", f"/files/{name}")])
            case ("GET", "files", name):
                self._send(200, site.spoil(site.files[name]), "application/octet-stream")
            case ("GET", "hop", "0"):
                self._send(200, b"landed")
            case (_, "hop", number):
                self._send(302, b"", more=[("Location", f"/hop/{int(number) - 1}")])
            case (_, "circle", one):
                self._send(302, b"", more=[("Location", f"/circle/{'b' if one == 'a' else 'a'}")])
            case ("GET", "welcome"):
                known = "known=1" in (self.headers.get("cookie") or "")
                again = [("Set-Cookie", "known=1; Path=/"), ("Location", "/welcome")]
                self._send(200 if known else 302, b"welcome back" if known else b"", more=[] if known else again)
            case (_, "to"):
                self._send(int(parts.query[:3]), b"", more=[("Location", parts.query[4:])])
            case _:
                told = {"method": self.command, "headers": dict(self.headers), "body": body.decode(errors="replace")}
                self._send(200, json.dumps({**told, "path": self.path}).encode())

    do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815  the names that http.server asks for

    def _add_note(self, body: bytes) -> None:
        site = self.server
        if "multipart" in self.headers.get("content-type", ""):
            fields = {name: value.decode(errors="replace") for name, (_, value) in self._parts(body).items()}
        else:
            fields = {name: value[0] for name, value in parse_qs(body.decode(), keep_blank_values=True).items()}
        cookies = dict(one.strip().split("=", 1) for one in self.headers.get("cookie", "x=").split(";"))
        token = fields.pop("csrfmiddlewaretoken", "")
        referer = urlsplit(self.headers.get("referer", "")).netloc
        if not token or cookies.get("csrftoken") != token or referer != self.headers["host"]:
            self._send(403, b"CSRF verification failed. Request aborted.")
            return
        site.posted.append(fields)
        if not site.forgetful:
            site.notes.append(fields["text"])
        self._send(302, b"", more=[("Location", "/notes/")])

    def _parts(self, body: bytes) -> dict[str, tuple[str, bytes]]:
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        found = {}
        for part in email.message_from_bytes(head + body, policy=email.policy.HTTP).iter_parts():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            found[str(name)] = (part.get_filename() or "", content)
        return found

    def _send(self, status: int, body: bytes, kind: str = "application/json", more: Any = ()) -> None:
        self.send_response(status)
        for name, value in [("Content-Type", kind), ("Content-Length", str(len(body))), *more]:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Site(Loopback):
    """What the site knows, and how it is wrong."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(Handler, tls)
        self.notes: list[str] = []
        self.posted: list[dict[str, str]] = []
        self.files: dict[str, bytes] = {}
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.forgetful = False
        """Whether a note that was accepted is lost."""
        self.late = self.looks = 0
        """After how many looks `/lines` tells of notes, and how many there were."""
        self.spoil: Any = lambda content: content
        """What becomes of a file that is read back."""


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A site that is up, and down at the end."""
    site = Site(tls)
    with up(site):
        yield site
