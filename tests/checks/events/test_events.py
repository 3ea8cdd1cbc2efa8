"""The check `events`: eventually all of them, then exactly these."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.checks.fakes import OK, FakeContext, look, verdict, well
from tests.links.web_server import serving

from seatrial.checks.events import Events
from seatrial.checks.events.matching import ExpectedEvent
from seatrial.checks.events.payload import Payload
from seatrial.checks.events.sources import HttpEvents, LogEvents, SqlEvents
from seatrial.model.result import Observation
from seatrial.model.values import Expression, Timeout

ONE = ExpectedEvent(type="created")
SHORT: dict[str, Any] = {"within": 0.3, "settle": 0.0}


class Log:
    """A log of JSON lines that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.path, self.ctx = folder / "events.jsonl", FakeContext(folder)

    def has(self, *events: Any) -> None:
        self.path.write_text("".join(f"{json.dumps(one)}\n" for one in events))

    def look(self, *expect: ExpectedEvent, **keys: Any) -> Observation:
        return look(self.check(*expect, **keys), self.ctx)

    def verdict(self, *expect: ExpectedEvent, **keys: Any) -> str:
        return verdict(self.check(*expect, **keys), self.ctx)

    def check(self, *expect: ExpectedEvent, **keys: Any) -> Events:
        return Events(expect=expect, **{**SHORT, "log": LogEvents(path="events.jsonl"), **keys})


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, **more}


def test_the_expected_events_pass_in_any_order(log: Log) -> None:
    log.has(event("deleted"), event("created"), event("created"))
    passed = log.look(replace(ONE, count=2), ExpectedEvent(type="deleted"))
    assert (passed.verdict, passed.seen) == ("passed", {"deleted": 1, "created": 2})


def test_a_missing_event_is_named_with_the_nearest_one(log: Log) -> None:
    log.has(event("created", user={"name": "anna"}), event("created", user={"name": "ana"}, at="12:00"))
    wanted = ExpectedEvent(type="created", fields={"user.name": "anna"}, count=2)
    missing = log.look(wanted, time_field="at")
    assert missing.verdict == "failed"
    assert "created(user.name='anna') is missing (1 of 2 came)" in missing.why
    assert "event 2 is nearest: user.name is 'ana', expected 'anna'" in missing.why
    assert "2 events came, the last one at 12:00" in missing.why


def test_an_event_too_many_is_shown_unless_others_are_allowed(log: Log) -> None:
    log.has(event("created"), event("audited", by="root"))
    extra = log.look(ONE)
    assert extra.verdict == "failed"
    assert 'event 2 is one too many: {"type": "audited", "by": "root"}' in extra.why
    assert log.look(ONE, others="allow").verdict == "passed"


def test_counts_are_exact_even_where_others_are_allowed(log: Log) -> None:
    log.has(event("created"), event("created"), event("audited"))
    assert "event 2 is one too many" in log.look(ONE, others="allow").why
    assert log.look(replace(ONE, count=3), others="allow").verdict == "failed"
    none = log.look(replace(ONE, count=2), ExpectedEvent(type="audited", count=0), others="allow")
    assert (none.verdict, "event 3 is one too many" in none.why) == ("failed", True)


def test_each_event_counts_for_one_expectation_and_as_many_as_possible_are_met(log: Log) -> None:
    log.has(event("created", n=1), event("created", n=2))
    wide, narrow = ONE, ExpectedEvent(type="created", fields={"n": 1})
    assert log.look(wide, narrow).verdict == "passed"
    assert log.look(narrow, narrow).verdict == "failed"


def test_thousands_of_equal_events_are_counted(log: Log) -> None:
    log.has(*[event("created")] * 3000, event("created", id=1))
    both = ExpectedEvent(type="created", count=3000), ExpectedEvent(fields={"id": 1})
    assert log.look(*both).verdict == "passed"
    assert "is missing" in log.look(replace(both[0], count=3001), both[1]).why


def test_no_event_is_expected(log: Log) -> None:
    log.has()
    assert log.look().verdict == "passed"
    log.has(event("created"))
    assert "one too many" in log.look().why


def test_the_order_matters_where_the_document_says_so(log: Log) -> None:
    log.has(event("created"), event("changed"), event("deleted"))
    kinds = [ExpectedEvent(type=kind) for kind in ("created", "deleted", "changed")]
    assert log.look(*kinds).verdict == "passed"
    wrong = log.look(*kinds, ordered=True)
    assert "wrong order: changed did not come after event 3; the order is created, changed, deleted" in wrong.why
    assert log.look(kinds[0], kinds[2], kinds[1], ordered=True).verdict == "passed"


def test_only_events_of_this_trial_count_and_duplicates_are_named(log: Log) -> None:
    log.has(event("created", run="t1", id=1), event("created", run="t2", id=1), event("created", run="t1", id=1))
    assert log.look(ONE, where={"run": "t2"}).verdict == "passed"
    doubled = log.look(replace(ONE, count=2), where={"run": "t1"}, unique="id")
    assert "event 2 is a duplicate of event 1: id is 1 in both" in doubled.why


def test_content_is_judged_by_an_expression(log: Log) -> None:
    log.has(event("created", items=[1, 2]))
    assert log.look(replace(ONE, that=Expression("event.items.all(i, i > 0)"))).verdict == "passed"
    wrong = log.look(replace(ONE, that=Expression("event.items.size() == 3")))
    assert "event 1 is nearest: `event.items.size() == 3` is false" in wrong.why
    assert log.look(replace(ONE, that=Expression("event.nowhere == 3"))).verdict == "unknown"
    assert log.look(replace(ONE, that=Expression("event.items.size()"))).verdict == "unknown"


def test_true_is_not_1_and_a_missing_field_is_said(log: Log) -> None:
    log.has(event("created", ok=True))
    assert "ok is True, expected 1" in log.look(replace(ONE, fields={"ok": 1})).why
    assert "a.b is missing, expected 1" in log.look(replace(ONE, fields={"a.b": 1})).why


def later(seconds: float, do: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, do)
    timer.start()
    return timer


def test_events_that_come_later_pass_and_one_that_comes_while_it_settles_fails(log: Log) -> None:
    log.has()
    timer = later(0.2, lambda: log.has(event("created")))
    assert log.look(ONE, within=20.0).verdict == "passed"
    timer.join()
    timer = later(0.2, lambda: log.has(event("created"), event("created")))
    late = log.look(ONE, settle=20.0)
    timer.join()
    assert (late.verdict, "event 2 is one too many" in late.why) == ("failed", True)


def test_a_log_that_cannot_be_judged_is_unknown(log: Log) -> None:
    assert log.look(ONE).verdict == "failed"  # there is no file: the program never wrote one
    log.path.write_text('{"type": "created"}\nnot JSON\n')
    assert "line 2 of events.jsonl is not a JSON object" in log.look(ONE).why
    assert log.look(ONE).verdict == "unknown"
    assert log.look(ONE, log=LogEvents(path="events.jsonl", other_lines=True)).verdict == "passed"
    log.path.write_text('{"type": "created"}\n{"type": "cre')  # not finished yet
    assert log.look(ONE).verdict == "passed"
    log.path.write_text('{"type": "created"}\n{"type": "failed"}')  # the whole event, without the end of its line
    assert log.look(ONE).verdict == "failed"
    log.has(event("created"))
    timer = later(0.2, lambda: log.path.write_text(""))
    cut = log.look(ONE, settle=1.0)
    timer.join()
    assert (cut.verdict, "cut or rotated" in cut.why) == ("unknown", True)


def test_a_log_on_a_node_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"type": "created"}\n')
    ctx = FakeContext(tmp_path, n11=well(), n12=well(ssh=OK))
    source = LogEvents(path=str(tmp_path / "a.jsonl"), on="n11")
    check = Events(expect=(ONE,), log=source, **SHORT)
    assert look(check, ctx).verdict == "passed"
    assert look(replace(check, log=replace(source, on="*")), ctx).verdict == "unknown"
    assert look(replace(check, log=replace(source, path="/nowhere/a")), ctx).verdict == "failed"


def test_rows_of_a_database_are_events(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "t.db")) as database:
        database.executescript(
            """create table e (type text, body text); insert into e values ('created', '{"n": 1}')"""
        )
    source = SqlEvents(url="sqlite:///t.db", query="select * from e", json="body")
    check = Events(expect=(replace(ONE, fields={"body.n": 1}),), sql=source, **SHORT)
    assert look(check, FakeContext(tmp_path)).verdict == "passed"
    misspelt = look(replace(check, sql=replace(source, json="bdy")), FakeContext(tmp_path))
    assert (misspelt.verdict, "no column 'bdy'" in misspelt.why) == ("unknown", True)
    assert look(replace(check, sql=replace(source, json="type")), FakeContext(tmp_path)).verdict == "unknown"
    assert (
        look(replace(check, sql=replace(source, query="select * from x")), FakeContext(tmp_path)).verdict == "unknown"
    )


@contextmanager
def store(pages: dict[str, tuple[int, Any, dict[str, str]]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = pages[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


TWO = (replace(ONE, count=2),)


def http(pages: dict[str, Any], **keys: Any) -> Observation:
    with store(pages) as url:
        source = HttpEvents(url=f"{url}/1", **keys)
        return look(Events(expect=TWO, http=source, **SHORT), FakeContext())


def test_pages_of_an_api_are_followed() -> None:
    some = [event("created")]
    linked: dict[str, Any] = {"/1": (200, some, {"Link": '</2>; rel="next"'}), "/2": (200, some, {})}
    assert http(linked).verdict == "passed"
    inside: dict[str, Any] = {
        "/1": (200, {"items": some, "next": "/2", "total": 2}, {}),
        "/2": (200, {"items": some, "next": None, "total": 2}, {}),
    }
    keys = {"items": "json.items", "next": "json.next"}
    assert http(inside, **keys, total="json.total").verdict == "passed"
    short = http(inside, **keys, total="json.total + 1")
    assert (short.verdict, "has 3 events by its own count, and shows 2" in short.why) == ("unknown", True)
    assert http(inside, items="json.items").verdict == "failed"  # the document follows no page


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ((500, b"", {}), "page 2 of"), ((200, b"<html>", {}), "is not JSON"),
        ((200, {"a": 1}, {}), "not a list of maps"),
        ((200, [1], {}), "not a list of maps"), ((200, [], {"Link": '</1>; rel="next"'}), "leads back"),
        ((200, [], {"Link": '<http://other.example/3>; rel="next"'}), "on another server"),
    ],
)  # fmt: skip
def test_a_list_that_breaks_off_is_unknown(page: Any, says: str) -> None:
    first = (200, [event("created"), event("created")], {"Link": '</2>; rel="next"'})
    broken = http({"/1": first, "/2": page})
    assert (broken.verdict, says in broken.why) == ("unknown", True), broken.why
    cut = http({"/1": first, "/2": (200, [], {})}, most_pages=1)
    assert (cut.verdict, "more than 1 pages" in cut.why) == ("unknown", True)


def test_a_server_that_never_answers_is_unknown_even_if_no_look_ends_in_time(tmp_path: Path) -> None:
    with serving() as server:
        server.release.clear()
        source = HttpEvents(url=f"{server.url}/slow", timeout=Timeout(0.3))
        for expect in ((ONE,), ()):
            silent = look(Events(expect=expect, http=source, **SHORT | {"within": 0.05}), FakeContext())
            assert (silent.verdict, "did not answer" in silent.why) == ("unknown", True)
        server.release.set()


def test_a_server_that_is_away_is_unknown() -> None:
    check = Events(expect=TWO, http=HttpEvents(url="http://127.0.0.1:1/"), **SHORT)
    assert look(check, FakeContext()).verdict == "unknown"


def test_secrets_are_hidden_in_differences(log: Log) -> None:
    log.ctx.secret("tops3cret")
    log.has(event("created", token="tops3cret"), event("other", token="x" * 180 + "tops3cret"))
    wrong = log.look(replace(ONE, fields={"token": "a"}))
    assert "token is '***', expected 'a'" in wrong.why
    assert "tops3" not in wrong.why


OPENAPI = """
openapi: {version}
info: {{title: t, version: "1"}}
paths: {{}}
components:
  schemas:
    Event:
      oneOf: [{{$ref: '#/components/schemas/Created'}}, {{$ref: '#/components/schemas/Deleted'}}]
      discriminator:
        propertyName: type
        mapping: {{created: '#/components/schemas/Created', deleted: '#/components/schemas/Deleted'}}
    Created:
      type: object
      required: [type, level]
      properties:
        type: {{type: string}}
        level: {{type: string, enum: [low, high]}}
        note: {note}
      additionalProperties: false
    Deleted: {{type: object, required: [type, by], properties: {{type: {{type: string}}, by: {{type: string}}}}}}
"""
NOTE = {"3.0.3": "{type: string, nullable: true}", "3.1.0": "{type: [string, 'null']}"}


@pytest.mark.parametrize("version", list(NOTE))
def test_payloads_are_valid_against_openapi_with_discriminators_and_enums(log: Log, version: str) -> None:
    (log.path.parent / "api.yaml").write_text(OPENAPI.format(version=version, note=NOTE[version]))
    payload = Payload(schema="api.yaml", component="Event")
    log.has(event("created", level="low", note=None), event("deleted", by="anna"))
    both = (ONE, ExpectedEvent(type="deleted"))
    assert log.look(*both, payloads=payload).verdict == "passed"
    log.has(event("created", level="middle"), event("deleted"))
    wrong = log.look(*both, payloads=payload)
    assert wrong.verdict == "failed"
    assert "event 1: level: 'middle' is not one of ['low', 'high']" in wrong.why
    assert "event 2: the payload: 'by' is a required property" in wrong.why
    log.has(event("deleted", level="low"))  # what fits another type
    assert "event 1: the payload: 'by' is a required" in log.look(both[1], payloads=payload).why
    log.has(event("sunk"))
    assert (
        "the discriminator type is 'sunk', expected one of"
        in log.look(ExpectedEvent(type="sunk"), payloads=payload).why
    )
    assert log.look(ExpectedEvent(type="sunk"), payloads=payload).verdict == "failed"
    assert log.look(ExpectedEvent(type="sunk"), payloads=replace(payload, types=("created",))).verdict == "passed"


def test_payloads_are_valid_against_json_schema_and_a_bad_schema_is_unknown(log: Log) -> None:
    schema = log.path.parent / "s.json"
    schema.write_text(json.dumps({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}))
    payload = Payload(schema="s.json", field="data")
    log.has(event("created", data={"n": 1}))
    assert log.look(ONE, payloads=payload).verdict == "passed"
    log.has(event("created", data={"n": "1"}))
    assert "event 1: n: '1' is not of type 'integer'" in log.look(ONE, payloads=payload).why
    log.has(event("created"))
    assert "has no payload at 'data'" in log.look(ONE, payloads=payload).why
    log.has(event("created", data={"n": 1}))
    for text in (
        '{"type": "no such type"}',
        '{"$ref": "http://other.example/s.json"}',
        "{",
        "[]",
        '{"$ref": "#/nowhere"}',
    ):
        schema.write_text(text)
        assert log.verdict(ONE, payloads=payload) == "unknown", text
    assert log.verdict(ONE, payloads=replace(payload, schema="nowhere.json")) == "unknown"
    assert log.verdict(ONE, payloads=replace(payload, component="X")) == "unknown"


def test_a_pattern_of_a_schema_that_takes_for_ever_is_ended(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.checks.events.payload.SECONDS", 2.0)
    schema = {"properties": {"name": {"type": "string", "pattern": "^(a+)+$"}}}
    (log.path.parent / "s.json").write_text(json.dumps(schema))
    log.has(event("created", name="a" * 40 + "!"))
    begun = time.monotonic()
    assert log.verdict(ONE, payloads=Payload(schema="s.json")) == "unknown"
    assert time.monotonic() - begun < 20


def test_what_can_never_tell_is_refused() -> None:
    good = Events(expect=(ONE,), log=LogEvents(path="a"))
    assert list(good.check_fields()) == []
    for keys, says in (
        ({"log": None}, "exactly one of"), ({"sql": SqlEvents(url="sqlite:///t", query="q")}, "exactly one of"),
        ({"expect": (), "others": "allow"}, "nothing is expected"),
        ({"ordered": True, "expect": (replace(ONE, count=0),)}, "no place in an order"),
        ({"payloads": Payload(schema="s", types=("creatd",))}, "no event of type creatd is expected"),
    ):  # fmt: skip
        assert says in str(list(replace(good, **keys).check_fields()))
    assert "which event" in str(list(ExpectedEvent().check_fields()))
    assert "invalid URL" in str(list(HttpEvents(url="x").check_fields()))
