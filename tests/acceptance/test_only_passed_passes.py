"""Only a deciding measurement that passed makes a suite green; accidents, allowances and empty values do not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.acceptance.harness import Document, Project, only, suite, validate


def command(text: str | list[str], **more: Any) -> Document:
    return {"step": "custom_command", "custom_command": text, **more}


def looks(text: str | list[str], **more: Any) -> Document:
    return {"check": "command", "command": text, **more}


def group(*steps: Document, last: Document, **more: Any) -> Document:
    return {"step": "group", "steps": list(steps), "finally": [last], **more}


def beside(*steps: Document, **more: Any) -> Document:
    return {"step": "parallel", "steps": list(steps), **more}


EMPTY = {"step": "set", "values": {"w": ""}}
MISSING = ["no-such-program-of-ours"]

ROWS: dict[str, tuple[Document, str, str]] = {
    "only a step that may fail": (suite(command(MISSING, allow_failure=True)), "", "nothing that decides"),
    "only checks that may fail": (
        suite({**validate(looks("true")), "allow_failures": ["command"]}), "", "nothing that decides"),
    "only values": (suite({"step": "set", "values": {"x": 1}}), "", "nothing that decides"),
    "only a pause": (suite({"step": "wait", "for": 0}), "", "nothing that decides"),
    "a group that may fail": (
        suite({"step": "group", "allow_failure": True, "steps": [command("true")]}), "", "nothing that decides"),
    "a group in which only a command of `finally` ran": (
        suite(group(command("true", **{"if": "false"}), last=command("true"))), "", "nothing that decides"),
    "the same, deeper": (
        suite(group(command("true", **{"if": "false"}), last={"step": "group", "steps": [command("true")]})),
        "", "nothing that decides"),
    "a group in which only a check of `finally` ran": (
        suite(group(command("true", **{"if": "false"}), last=validate("command:true"))), "passed", ""),
    "a group in which a command ran": (suite(group(command("true"), last=command("true"))), "passed", ""),
    "a command of `finally` that fails": (
        suite(group(command("true", **{"if": "false"}), last=command("false"))), "failed", ""),
    "a command": (suite(command("true")), "passed", ""),
    "an allowance for a named check": (
        suite({**validate(looks("false", name="may"), looks("true", name="must")), "allow_failures": ["may"]}),
        "passed", ""),
    "an allowance takes no check of another name": (
        suite({**validate(looks("true", name="may"), looks("false", name="must")), "allow_failures": ["may"]}),
        "failed", "must"),
    "a failure that was expected": (suite(command("false", expect="failure")), "passed", ""),
    "a check failed as expected": (suite({**validate("command:false"), "expect": "failure"}), "passed", ""),
    "a group failed as expected": (
        suite({"step": "group", "steps": [command("false")], "expect": "failure"}), "passed", ""),
    "killed, and a failure was expected": (suite(command("kill -9 $$", expect="failure")), "unknown", "SIGKILL"),
    "late, and a failure was expected": (
        suite(command("sleep 30", timeout=0.2, expect="failure")), "unknown", "within 0.2 s"),
    "missing, and a failure was expected": (suite(command(MISSING, expect="failure")), "unknown", MISSING[0]),
    "failed and unknown, and a failure was expected": (
        suite({**validate("command:false", looks(MISSING)), "expect": "failure"}), "unknown", MISSING[0]),
    "failed beside a late one, and a failure was expected": (
        suite(beside(command("false"), command("sleep 30", timeout=0.2), expect="failure")), "unknown", "within 0.2 s"),
    "late beside a failed one, and a failure was expected": (
        suite(beside(command("sleep 30", timeout=0.2), command("false"), expect="failure")), "unknown", "within 0.2 s"),
    "failed beside a passed one, and a failure was expected": (
        suite(beside(command("true"), command("false"), expect="failure")), "passed", ""),
    "a check failed beside a late one, and a failure was expected": (
        suite({**validate("command:false", looks("sleep 30", timeout=0.2)), "expect": "failure"}),
        "unknown", "within 0.2 s"),
    "a check failed beside one without an answer, and a failure was expected": (
        suite({**validate("command:false", looks("sleep 30", retry={"timeout": 0.2})), "expect": "failure"}),
        "unknown", "within 0.2 s"),
    "ended by somebody": (suite(command("kill -TERM $$")), "unknown", "SIGTERM"),
    "crashed by itself": (suite(command("kill -SEGV $$")), "failed", "139"),
    "the first line fails": (suite(command("false\necho done")), "failed", ""),
    "the first line of a check fails": (suite(validate(looks("false\necho done"))), "failed", ""),
    "the first line fails, in a shell that goes on": (
        suite(command("false\necho done", shell="sh")), "passed", ""),
    "a text in another shell": (
        suite(command("set -o | grep -q pipefail.*on", shell="bash -eo pipefail")), "passed", ""),
    "a deadline is one for the attempt under way": (
        suite(validate(looks("sleep 30", retry={"timeout": "200ms"}))), "failed", "within 0.2 s"),
    "a deadline of a step is one too": (
        suite(command("sleep 30", retry={"timeout": "200ms"})), "failed", "within 0.2 s"),
    "a timeout that came out as 0": (
        suite({"step": "set", "values": {"t": 0}}, command("true", timeout="${{ vars.t }}")), "unknown", "no time"),
    "an expectation that came out empty": (
        suite(EMPTY, validate({"check": "file", "path": "trial.json", "sha256": "${{ vars.w }}"})),
        "unknown", "`sha256` is empty"),
    "an expectation inside of another came out empty": (
        suite(EMPTY, validate({"check": "http", "url": "http://a.b:1/", "answer_headers": {"etag": "${{ vars.w }}"}})),
        "unknown", "`answer_headers.etag` is empty"),
    "a variable of a command may be empty": (
        suite(EMPTY, validate(looks('test -z "$X"', env={"X": "${{ vars.w }}"}))), "passed", ""),
    "a node that came out empty": (
        suite(EMPTY, validate(looks("true", on="${{ vars.w }}"))), "unknown", "`on` is empty"),
    "a value of a query that is null": (
        suite(validate({"check": "sql", "url": "sqlite://", "query": "select 1", "value": None})), "failed", ""),
    "null as it was expected": (
        suite(validate({"check": "sql", "url": "sqlite://", "query": "select null", "value": None})), "passed", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_only_passed_passes(name: str, project: Project) -> None:
    document, verdict, words = ROWS[name]
    done = project.seatrial("run", project.write("trial.json", document), "--format", "json")
    row = only(json.loads(done.stdout)["results"])
    assert row["verdict"] == verdict, done.stdout + done.stderr
    assert done.returncode == {"passed": 0, "failed": 1, "unknown": 3, "": 5}[verdict]
    assert words in done.stdout


@pytest.mark.parametrize("key, value", [("contains", ""), ("contains", [""]), ("sha256", ""), ("on", "")])
def test_an_expectation_that_is_empty_as_written_is_refused_with_its_place(
    key: str, value: object, project: Project
) -> None:
    document = suite(validate({"check": "file", "path": "x", key: value}))
    done = project.seatrial("check", project.write("trial.json", document))
    assert done.returncode == 2
    assert f"`{key}` is empty" in done.stderr
