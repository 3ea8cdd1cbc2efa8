"""A real HTTP server of the tests, on loopback, in a thread."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl


class Handler(BaseHTTPRequestHandler):
    """Answers by path: see `do_GET`."""

    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        self.server.seen.append((self.client_address, self.path, dict(self.headers)))
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        path, _, rest = self.path.partition("?")
        if path.startswith("/status/"):
            self._send(int(path.rpartition("/")[2]), b"as asked", location="/ok")
        elif path == "/json":
            self._send(200, json.dumps({"items": [1, 2, 3], "name": "ship"}).encode(), kind="application/json")
        elif path == "/as":  # the body in hexadecimal, its headers and its status: `/as?HEX&content-encoding=br`
            given, _, headers = rest.partition("&")
            wanted = {"kind": "text/html", "status": "200", **dict(parse_qsl(headers))}
            self._send(int(wanted.pop("status")), bytes.fromhex(given), **wanted)
        elif path in self.server.bodies:
            content, more = self.server.bodies[path]
            self._send(200, content, **more)
        elif path == "/echo":
            said = {"method": self.command, "body": body.decode(), "type": self.headers.get("content-type", "")}
            self._send(200, json.dumps(said).encode(), kind="application/json")
        elif path == "/cookies":
            self.send_response(200)
            for one in ("a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2099 07:28:00 GMT"):
                self.send_header("set-cookie", one)
            self.send_header("content-length", "0")
            self.end_headers()
        elif path == "/big":
            self._send(200, b"x" * int(rest))
        elif path == "/slow":
            self.server.release.wait(10)
            self.close_connection = True
        elif path == "/broken":
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
            self.close_connection = True
        else:
            self._send(200, b"hello from the ship")

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815  the names that http.server asks for

    def _send(self, status: int, body: bytes, *, kind: str = "text/plain", **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Loopback(ThreadingHTTPServer):
    """A server of a free port on loopback, with TLS where it is given."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are part of the tests."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"


@contextlib.contextmanager
def up(server: Loopback) -> Iterator[None]:
    """It serves in a thread, and is down at the end."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Server(Loopback):
    """Knows what was asked."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(Handler, tls)
        self.seen: list[Any] = []
        self.bodies: dict[str, tuple[bytes, dict[str, str]]] = {}
        """Path to a body with its headers."""
        self.release = threading.Event()


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server that is up, and down at the end."""
    server = Server(tls)
    with up(server):
        try:
            yield server
        finally:
            server.release.set()
