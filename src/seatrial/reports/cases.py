"""Suites as lists of test cases, for formats without steps. Rule: no failure looks green.

There is a case for each step without children, and one for each parent with its own failure. A failed or unknown
suite without a red step gets a case `verdict` with the reason; resources left behind are a case `clean-up`; a failed
run without a red case gets a separate suite `run`. So counting failures gives 0 only if the exit code is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.model.frozen import frozen
from seatrial.reports import words
from seatrial.reports.words import Row

RED = ("failed", "unknown", "interrupted", "left behind")


@frozen
class Case:
    """One test case; `state` is a key of words.MARKS."""

    name: str
    state: str
    message: str = ""
    category: str = ""
    body: str = ""
    started_at: float = 0.0
    duration: float = 0.0
    attempts: int = 1
    file: str = ""
    """The source file of its first problem; empty: unknown."""
    line: int = 0
    verdict: bool = False
    """Whether it represents the suite or run instead of a step."""


@frozen
class CaseSuite:
    """A suite with its cases; `row` is the suite's result, empty for the run itself."""

    name: str
    cases: tuple[Case, ...]
    row: Mapping[str, Any]


def suites_of(run: Row) -> list[CaseSuite]:
    """All suites of a run as cases."""
    suites = [CaseSuite(name=words.plain(row["name"]), cases=tuple(_cases(row)), row=row) for row in run["results"]]
    red = any(case.state in RED for suite in suites for case in suite.cases)
    left = [words.left_line(resource) for resource in run["left_behind"]]
    if left or not (run["success"] or red):
        why = words.EXIT_CODES.get(run["exit_code"], "") if run["finished"] else "the run did not finish"
        state, category = ("left behind", "clean-up") if left else ("unknown", "")
        message = "\n".join([why, *left])
        case = Case(name="run", state=state, message=message, category=category, verdict=True)
        suites.append(CaseSuite(name="run", cases=(case,), row={}))
    return suites


def _cases(row: Row) -> list[Case]:
    cases = [_case(step) for _, step in words.walk(row["workflow_steps"]) if not step["steps"] or _own_trouble(step)]
    state = words.state(row)
    red = any(case.state in RED for case in cases)
    if not red and state in ("failed", "unknown", "interrupted", "pending"):
        message = words.plain(row["error"] or row["reason"] or "planned, but never ran")
        state, body = "unknown" if state == "pending" else state, words.plain(row["evidence"])
        cases.append(
            Case(name="verdict", state=state, message=message, category=row["category"], body=body, verdict=True)
        )
    if row["left_behind"]:
        message = "\n".join(map(words.left_line, row["left_behind"]))
        cases.append(Case(name="clean-up", state="left behind", message=message, category="clean-up"))
    return cases


def _own_trouble(step: Row) -> bool:
    children = (words.state(child) for _, child in words.walk(step["steps"]))
    return words.state(step) in RED and not any(state in RED for state in children)


def _case(step: Row) -> Case:
    lines = []
    for check in step["validation_results"]:
        verdict = words.check_state(check)
        lines.append(f"{words.one_line(check['check'])}: {words.word(verdict, check['verdict'])}")
        if verdict != "passed":
            lines += [f"    {line}" for line in words.details(check, 2000)]
    if step["evidence"]:
        lines.append(words.plain(step["evidence"]))
    first: Mapping[str, Any] = next(iter((step.get("problems") or {}).get("problems") or ()), {})
    # The name of a pipeline check does not depend on its position.
    name = step["id"] if "/" in step["id"] else f"{step['step']} {words.title(step)}"
    return Case(
        name=name, state=words.state(step), message=words.plain(step["error"] or step["reason"]),
        category=step["category"], body="\n".join(lines),
        started_at=step["started_at"], duration=step["duration"], attempts=max(1, step["attempts"]),
        file=first.get("file", ""), line=first.get("line", 0),
    )  # fmt: skip
