"""A server for tests of shared services: it writes down when it starts and ends, and answers with a word."""

from __future__ import annotations

import http.server
import os
import signal
import sys
from pathlib import Path


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"{os.environ.get('WORD', 'ours')} {os.getpid()}\n".encode()
        self.send_response(int(os.environ.get("STATUS", "200")))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def note(word: str) -> None:
    with Path(sys.argv[2]).open("a") as journal:
        journal.write(f"{word} {os.getpid()}\n")


def end(*_: object) -> None:
    note("stopped")
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)  # first: whoever reads that it has started may end it
    note("started")
    print("opening the harbour", flush=True)
    if os.environ.get("DEAF"):
        print("cannot open the sea chart", flush=True)
        signal.pause()
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
