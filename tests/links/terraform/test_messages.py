"""What the tools say with `-json`."""

from __future__ import annotations

import json

import pytest

from seatrial.links.terraform.messages import Messages, in_words


def message(kind: str, text: str = "", **more: object) -> str:
    return json.dumps({"@level": "info", "@message": text, "type": kind, **more})


def error(summary: str, detail: str = "", line: int = 0, **more: object) -> str:
    place = {"range": {"filename": "main.tf", "start": {"line": line}}} if line else {}
    said = {"severity": "error", "summary": summary, "detail": detail, **place, **more}
    return message("diagnostic", f"Error: {summary}", diagnostic=said)


def change(action: str, address: str) -> str:
    return message("planned_change", change={"action": action, "resource": {"addr": address}})


def step(kind: str, address: str) -> str:
    return message(kind, f"{address}: ...", hook={"action": "create", "resource": {"addr": address}})


def test_a_plan_is_its_changes_and_apply_does_not_say_it_again() -> None:
    lines = [change("create", "a.b"), change("delete", "c.d[0]"), change("replace", "e.f"), change("new-word", "g.h")]
    planned = Messages("plan")
    assert [planned.read(line) for line in lines] == ["+ a.b", "- c.d[0]", "-/+ e.f", "? g.h"]
    assert [Messages("apply").read(line) for line in lines] == ["", "", "", ""]


def test_what_was_begun_and_never_ended_is_known() -> None:
    messages = Messages("apply")
    for line in (step("apply_start", "a"), step("apply_start", "b"), step("apply_start", "c"),
                 step("apply_complete", "a"), step("apply_errored", "b")):  # fmt: skip
        messages.read(line)
    assert messages.working == {"c": "create"}


def test_errors_have_their_place_and_no_box() -> None:
    messages = Messages("plan", "infra")
    messages.read(error("execution halted"))
    messages.read(error("No value for required variable", 'The variable\n  "x" has no value.', 3))
    messages.read(error("No value for required variable", 'The variable\n  "x" has no value.', 3))
    messages.read(error("Timeout", "while it was made", address="aws_instance.web"))
    headline = in_words(messages.errors)
    assert headline == 'infra/main.tf:3: No value for required variable: The variable "x" has no value. (and 1 more)'
    assert str(messages.errors[-1]) == "Timeout: while it was made (aws_instance.web)"


@pytest.mark.parametrize(
    "line", ["", "panic: runtime error", "[1, 2]", '"text"', "{", '{"type": "diagnostic"}', "null"]
)
def test_no_line_breaks_the_reader(line: str) -> None:
    Messages("apply").read(line)


@pytest.mark.parametrize(
    ("detail", "unreachable"),
    [
        ("could not connect to registry.terraform.io: lookup registry.terraform.io: no such host", True),
        ("Get https://x/: dial tcp 127.0.0.1:1: connect: connection refused", True),
        ("the registry answered 503 Service Unavailable", True),
        ("no available releases match the given constraints 5.0.2", False),
        ("provider registry.terraform.io does not have a provider named acme/nothing", False),
    ],
)
def test_a_registry_that_does_not_answer_says_nothing_of_the_configuration(detail: str, unreachable: bool) -> None:
    messages = Messages("init")
    messages.read(error("Failed to query available provider packages", detail))
    assert messages.errors[0].unreachable is unreachable
