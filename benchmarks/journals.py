"""Journals of a million events, as a long soak test, many suites or a talkative step write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

RUN = "r1growth0000000000000000"
BEGAN = 1_750_000_000.0

Line = tuple[str, str, Mapping[str, Any]]
"""Kind, trial and data of an event."""


def write(file: Path, lines: Callable[[int], Iterator[Line]], count: int) -> None:
    """Write about this number of events."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as journal:
        for at, (kind, trial, data) in enumerate(lines(count)):
            record = {"kind": kind, "at": BEGAN + at / 1000, "run": RUN, "trial": trial, "data": data}
            journal.write(json.dumps(record, separators=(",", ":")) + "\n")


def soak(count: int) -> Iterator[Line]:
    """One suite that repeats two steps, one of them with a check."""
    yield _begun()
    children = [{"step": "1.1", "type": "set"}, {"step": "1.2", "type": "validate"}]
    yield _planned("t1", [{"step": "1", "type": "repeat", "steps": children}])
    yield "step_started", "t1", {"step": "1", "type": "repeat", "attempt": 1}
    for number in range(1, count // 5 + 1):
        yield from _passed("t1", f"1#{number}.1", "set")
        yield "step_started", "t1", {"step": f"1#{number}.2", "type": "validate", "attempt": 1}
        yield _checked("t1", f"1#{number}.2", "cluster_status")
        yield _ended("t1", f"1#{number}.2", "validate")
    yield _ended("t1", "1", "repeat")
    yield from _over("t1")


def suites(count: int) -> Iterator[Line]:
    """Many suites of ten steps."""
    yield _begun()
    steps = [{"step": str(n), "type": "wait"} for n in range(1, 11)]
    number = max(1, count // 23)
    for at in range(number):
        yield _planned(f"t{at}", steps)
    for at in range(number):
        yield "suite_started", f"t{at}", {"folder": f"suite-{at}"}
        for step in steps:
            yield from _passed(f"t{at}", step["step"], "wait")
        yield _suite_ended(f"t{at}")
    yield _run_ended()


def talk(count: int) -> Iterator[Line]:
    """One step with hundreds of thousands of checks, logs, outputs and resources."""
    yield _begun()
    yield _planned("t1", [{"step": "1", "type": "validate"}])
    yield "step_started", "t1", {"step": "1", "type": "validate", "attempt": 1}
    for number in range(count // 5):
        yield _checked("t1", "1", f"http: page {number}")
        yield "log", "t1", {"level": "info", "text": f"looked at page {number}", "step": "1"}
        yield "output", "t1", {"step": "1", "source": f"page {number}", "text": "x" * 100, "file": "test.log"}
        for op in ("intended", "given_back"):
            yield "resource", "t1", {"op": op, "kind": "port", "name": f"127.0.0.1:{number}", "owner": "engine:lease"}
    yield _ended("t1", "1", "validate")
    yield from _over("t1")


KINDS: Mapping[str, Callable[[int], Iterator[Line]]] = {"soak": soak, "suites": suites, "talk": talk}


def _begun() -> Line:
    return "run_started", "", {"version": "0", "project": "/p", "documents": ["a.yaml"], "host": "h"}


def _planned(trial: str, steps: list[dict[str, Any]]) -> Line:
    data = {"test_id": f"local-workflow-{trial}", "name": trial, "provider": "local", "deployment_id": trial}
    return "suite_planned", trial, {**data, "document": "a.yaml", "line": 1, "parameters": {}, "steps": steps}


def _passed(trial: str, step: str, type_: str) -> Iterator[Line]:
    yield "step_started", trial, {"step": step, "type": type_, "attempt": 1}
    yield _ended(trial, step, type_)


def _ended(trial: str, step: str, type_: str) -> Line:
    data = {"status": "completed", "verdict": "passed", "duration": 0.001}
    return "step_finished", trial, {"step": step, "type": type_, **data}


def _checked(trial: str, step: str, check: str) -> Line:
    data = {"verdict": "passed", "passed": True, "seen": "running", "expected": "running", "why": "", "category": ""}
    more = {"attempts": 1, "duration": 0.001, "allowed_failure": False}
    return "check_observed", trial, {"step": step, "check": check, **data, **more}


def _suite_ended(trial: str) -> Line:
    data = {"verdict": "passed", "status": "completed", "duration": 1.0, "left": 0}
    return "suite_finished", trial, data


def _run_ended() -> Line:
    return "run_finished", "", {"verdict": "passed", "exit_code": 0, "duration": 9.0, "interrupted": "", "left": 0}


def _over(trial: str) -> Iterator[Line]:
    yield _suite_ended(trial)
    yield _run_ended()
