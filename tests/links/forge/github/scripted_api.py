"""An HTTP server that gives the answers it was told to, in their order."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], Any]


@dataclass(frozen=True)
class Request:
    """What was asked."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Api:
    """What is to be answered, and what was asked."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    default: Answer = (500, {}, {"message": "nothing was planned"})
    seen: list[Request] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        api: Api = self.server.api
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        api.seen.append(Request(self.path, headers, json.loads(raw) if raw else None))
        status, more, told = api.answers.pop(0) if api.answers else api.default
        body = b"" if told is None else json.dumps(told).encode()
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  the name that http.server asks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def scripted_api() -> Iterator[Api]:
    """A server that is up, and down at the end."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.api = Api(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
