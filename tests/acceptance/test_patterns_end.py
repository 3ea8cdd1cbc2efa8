"""A user's pattern or expression over a product's text never holds up a run, and is never the product's fault."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.acceptance.harness import Document, Project, only, suite, validate

LINE = "a" * 60
DAEMON = {
    "step": "custom_command", "on": "n11",
    "custom_command": f"setsid sh -c 'touch up; sleep 600; : {LINE}!' >/dev/null 2>&1 & until test -e up; do :; done",
}  # fmt: skip
ROWS: dict[str, tuple[Document, str]] = {
    "a pattern over command lines": ({"check": "process", "on": "n11", "matching": "(a+)+$", "count": 0}, "(a+)+$"),
    "loops over an output": (
        {"check": "command", "command": ["python3", "-c", "print(list(range(2000)))"],
         "that": "json.all(a, json.all(b, json.all(c, a + b + c >= 0)))"}, "json.all(a, "),
    "loops in a value": (
        {"check": "command", "command": "true ${{ vars.l.map(a, vars.l.map(b, vars.l.map(c, a))).size() }}"},
        "vars.l.map(a, "),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_time_limit_ends_it_and_the_check_is_unknown(name: str, project: Project) -> None:
    check, words = ROWS[name]
    numbers: dict[str, Any] = {"step": "set", "values": {"l": list(range(2000))}}
    deployed: list[Any] = [{"step": "deploy"}, DAEMON] if "process" in check["check"] else []
    document = suite(numbers, *deployed, {**validate(check), "timeout": "6s"})
    start = time.monotonic()
    done = project.seatrial("run", project.write("trial.json", document), "--format", "json")
    row = only(json.loads(done.stdout)["results"])
    assert row["verdict"] == "unknown", done.stdout + done.stderr
    assert done.returncode == 3
    assert words in done.stdout
    assert "trial.json:" in row["workflow_steps"][-1]["error"] or "limit" in name
    assert time.monotonic() - start < 200


@pytest.mark.parametrize(
    "check, words",
    [
        ({"check": "process", "matching": "(x"}, "missing ), unterminated subpattern (character 1)"),
        ({"check": "process", "matching": 5}, "5 is not a regular expression"),
        ({"check": "command", "command": "true", "that": "stdout.matches('[')"}, "unclosed character class"),
    ],
)
def test_an_invalid_pattern_is_refused_with_its_place(check: Document, words: str, project: Project) -> None:
    done = project.seatrial("check", project.write("trial.json", suite(validate(check))))
    assert done.returncode == 2
    assert words in done.stderr
    assert "trial.json:1:" in done.stderr
