"""Suites as lists of test cases, for formats that know only those: one place for the rule that nothing red looks green.

A case per step that has no children, and one per parent whose failure is not a child's. A suite that is not a pass and
has no red step gets a case `verdict` that says why; what was left behind is a case `clean-up`; a run that is not a pass
and has no red case gets a suite `run` of its own. So a reader that only counts failures never sees green where the exit
code is not 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.reports import words
from seatrial.reports.words import Row

RED = ("failed", "unknown", "interrupted", "left behind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test case; `state` is a key of words.MARKS."""

    name: str
    kind: str
    state: str
    message: str = ""
    category: str = ""
    body: str = ""
    started_at: float = 0.0
    duration: float = 0.0
    attempts: int = 1
    file: str = ""
    """The file of the sources that its first problem is in; empty: none is known."""
    line: int = 0
    verdict: bool = False
    """Whether it stands for the suite or run, not for a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSuite:
    """A suite with its cases; `row` is the suite's result, empty for the run itself."""

    name: str
    cases: tuple[Case, ...]
    row: Mapping[str, Any]


def suites_of(run: Row) -> list[CaseSuite]:
    """All suites of a run as cases."""
    suites = [CaseSuite(name=words.plain(row["name"]), cases=tuple(_cases(row)), row=row) for row in run["results"]]
    red = any(case.state in RED for suite in suites for case in suite.cases)
    left = [_left(one) for one in run["left_behind"]]
    if left or not (run["success"] or red):
        why = words.EXIT_CODES.get(run["exit_code"], "")
        if not run["finished"]:
            why = "the run did not finish"
        state = "left behind" if left else "unknown"
        message = f"{why}" + "".join(f"\n{one}" for one in left)
        case = Case(
            name="run", kind="run", state=state, message=message, category="clean-up" if left else "", verdict=True
        )
        suites.append(CaseSuite(name="run", cases=(case,), row={}))
    return suites


def _left(one: Mapping[str, Any]) -> str:
    return words.left_line(one)


def _cases(row: Row) -> list[Case]:
    cases = [_case(step) for _, step in words.walk(row["workflow_steps"]) if not step["steps"] or _own_trouble(step)]
    state = words.state(row)
    red = any(case.state in RED for case in cases)
    if not red and state in ("failed", "unknown", "interrupted", "pending"):
        told = "unknown" if state == "pending" else state
        message = words.plain(row["error"] or row["reason"] or "it was planned and never ran")
        body = words.plain(row["evidence"])
        case = Case(
            name="verdict", kind="suite", state=told, message=message, category=row["category"], body=body, verdict=True
        )
        cases.append(case)
    if row["left_behind"]:
        message = "\n".join(words.left_line(one) for one in row["left_behind"])
        cases.append(Case(name="clean-up", kind="clean-up", state="left behind", message=message, category="clean-up"))
    return cases


def _own_trouble(step: Row) -> bool:
    state = words.state(step)
    if state not in RED:
        return False
    return not any(words.state(child) in RED for _, child in words.walk(step["steps"]))


def _case(step: Row) -> Case:
    state = words.state(step)
    lines = []
    for check in step["validation_results"]:
        told = words.check_state(check)
        lines.append(f"{words.one_line(check['check'])}: {words.word(told, check['verdict'])}")
        if told != "passed":
            lines += [f"    {line}" for line in words.details(check, 2000)]
    if step["evidence"]:
        lines.append(words.plain(step["evidence"]))
    first: Mapping[str, Any] = next(iter((step.get("problems") or {}).get("problems") or ()), {})
    return Case(
        # A check of a pipeline has a name of its own, which stays when others come before it.
        name=step["id"] if "/" in step["id"] else f"{step['step']} {words.title(step)}",
        kind=words.plain(step["step_type"]),
        state=state,
        message=words.plain(step["error"] or step["reason"]),
        category=step["category"],
        body="\n".join(lines),
        started_at=step["started_at"],
        duration=step["duration"],
        attempts=max(1, step["attempts"]),
        file=first.get("file", ""),
        line=first.get("line", 0),
    )
