#!/usr/bin/env python3
"""A store of audit events over HTTP: `PUT /events/ID` keeps one, `GET /events?run=RUN&after=N` has them by pages."""

from __future__ import annotations

import argparse
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PAGE = 50
LARGEST = 100_000


class Store:
    """Events by id, in the order in which they came; a file has them, so that a restart loses none."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, dict[str, object]] = {}
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                event = json.loads(line)
                self._events[event["id"]] = event
        self._file = file.open("a", encoding="utf-8")

    def keep(self, event: dict[str, object]) -> None:
        """Keep an event; one that is there already stays as it was."""
        with self._lock:
            if str(event["id"]) not in self._events:
                self._events[str(event["id"])] = event
                self._file.write(json.dumps(event) + "\n")
                self._file.flush()

    def of(self, run: str) -> list[dict[str, object]]:
        """The events of a run, or all of them."""
        with self._lock:
            return [event for event in self._events.values() if run in ("", event.get("run_id"))]


class Handler(BaseHTTPRequestHandler):
    """The two requests; everything else is refused."""

    protocol_version = "HTTP/1.1"
    store: Store

    def do_GET(self) -> None:
        """A page of events."""
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/":
            self._answer(200, {"store": "audit events"})
        elif url.path == "/events":
            run, after = query.get("run", ""), int(query.get("after", "0"))
            found = self.store.of(run)
            rest = f"/events?run={run}&after={after + PAGE}" if len(found) > after + PAGE else None
            self._answer(200, {"items": found[after : after + PAGE], "next": rest, "total": len(found)})
        else:
            self._answer(404, {"error": "unknown path"})

    def do_PUT(self) -> None:
        """Keep an event under its id."""
        size = int(self.headers.get("Content-Length", "0"))
        event = json.loads(self.rfile.read(size)) if size <= LARGEST else None
        if not isinstance(event, dict) or self.path != f"/events/{event.get('id')}" or not event.get("run_id"):
            self._answer(400, {"error": "an event has its id, which is in the path too, and the run_id"})
            return
        self.store.keep(event)
        self._answer(200, event)

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet: the events are the log."""


def main() -> None:
    """Serve until the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, default=Path("events.jsonl"))
    options = parser.parse_args()
    Handler.store = Store(options.file)
    # Pods reach it by the address of this machine in the cluster's network.
    with ThreadingHTTPServer(("0.0.0.0", options.port), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
