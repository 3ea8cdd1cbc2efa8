"""Rows of the check `events`: a store that a test serves, and a log."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.acceptance.harness import Document, Project, suite, validate
from tests.truth.case import Case
from tests.truth.documents import LETTERS
from tests.truth.on_host import EMPTY, W

CREATED, CHANGED = {"type": "created", "name": "a"}, {"type": "changed", "name": "b"}

PAGES: dict[str, Any] = {
    "/all": {"items": [CREATED, CHANGED], "total": 2},
    "/first": {"items": [CREATED], "next": "/second"},
    "/second": {"items": [CHANGED]},
    "/broken": {"items": [CREATED, CHANGED], "next": "/nowhere"},
    "/cut": {"items": [CREATED, CHANGED], "total": 3},
    "/none": {"items": []},
}


@contextlib.contextmanager
def _store(project: Project) -> Iterator[Any]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(PAGES.get(self.path)).encode()
            self.send_response(200 if self.path in PAGES else 500)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    (project.folder / "schema.json").write_text(json.dumps({"properties": {"name": {"enum": ["a", "b"]}}}))
    (project.folder / "strict.json").write_text(json.dumps({"properties": {"name": {"enum": ["a"]}}}))
    (project.folder / "log.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in (CREATED, CHANGED)))
    (project.folder / "text.log").write_text("started\n")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield {"url": f"http://127.0.0.1:{server.server_port}", "away": f"http://127.0.0.1:{closed.getsockname()[1]}"}
        server.shutdown()


BOTH = [{"type": "created"}, {"type": "changed"}]


def _rows() -> Iterator[Case]:
    def row(what: str, letter: str, look: str, *, path: str = "/all", at: str = "url", words: str = "", more: Any = (),
            **keys: Any) -> Case:  # fmt: skip
        before = keys.pop("before", ())

        def document(given: Any) -> Document:
            http = {"url": f"{given[at]}{path}", "items": "json.items", "timeout": 5, **dict(more)}
            source = {} if "log" in keys else {"http": http}
            return suite(
                *before, validate({"check": "events", "expect": BOTH, "within": 1, "settle": 0.2, **source, **keys})
            )

        planted, right = LETTERS[letter]
        return Case(system="events", what=what, look=look, planted=planted, right=right, document=document,
                    around=_store, words=words)  # fmt: skip

    yield row("the expected type came out empty", "U", "expect", before=(EMPTY,), others="allow",
              expect=[{"type": W, "fields": {"name": "a"}}])  # fmt: skip
    yield row("the value to choose by came out empty", "U", "where", before=(EMPTY,), where={"name": W}, expect=[])
    follows = {"next": "has(json.next) ? json.next : ''"}
    yield row("nothing", "P", "http")
    yield row("nothing", "P", "http, pages", path="/first", more=follows)
    yield row("nothing", "P", "log", log={"path": "log.jsonl"})
    yield row("nothing", "P", "payloads", payloads={"schema": "schema.json"})
    yield row("one is missing", "F", "http", path="/second", words="created is missing (0 of 1 came)")
    yield row("one is too many", "F", "http", expect=BOTH[:1], words="event 2 is one too many")
    yield row("one has another field", "F", "fields", expect=[{"type": "created", "fields": {"name": "z"}}, BOTH[1]],
              words="name is 'a', expected 'z'")  # fmt: skip
    yield row("the order is another", "F", "ordered", expect=BOTH[::-1], ordered=True, words="wrong order")
    yield row("a payload is invalid", "F", "payloads", payloads={"schema": "strict.json"}, words="is not one of")
    yield row("there is no event", "F", "http", path="/none", words="no event came")
    yield row("there is no event", "P", "expect none", path="/none", expect=[])
    yield row("nobody listens", "U", "http", at="away")
    yield row("nobody listens", "U", "expect none", at="away", expect=[])
    yield row("it answers 500", "U", "http", path="/nowhere")
    yield row("a page breaks", "U", "http, pages", path="/broken", more=follows)
    yield row("the list is cut", "U", "http, total", path="/cut", more={"total": "json.total"}, words="incomplete")
    yield row("the log has other lines", "U", "log", log={"path": "text.log"}, expect=[])
    yield row("the schema is missing", "U", "payloads", payloads={"schema": "nowhere.json"})
    yield row("the expression has no value", "U", "that", expect=[{"that": "event.nowhere == 1"}])


CASES = list(_rows())
