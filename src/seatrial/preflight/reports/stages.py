"""A pipeline's result as stages and checks: one view, so the console, the JSON and the short form agree.

A check is `passed`, `failed`, `unknown` or `skipped` (or `running`, `pending` during the run); with an allowed failure
it is `allowed`. A stage has the worst status of its checks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from seatrial.model.fold import Fold
from seatrial.preflight.job import log_of
from seatrial.reports import words
from seatrial.reports.words import Row

CUT_OFF = "it was interrupted"
"""Why a started check has no verdict: the run was stopped, by you or at the first failure."""

ERROR = 1000
"""Characters of an error: what an engine says, and the hint behind it."""

LINE = 300
"""Characters of a line."""

_STOPPED = re.compile(r"fail_fast: (pipeline_check|stage) '(.+)' did not pass")

_RESULTS = {
    0: "passed",
    1: "failed",
    4: "left behind",
    5: "nothing ran",
    **dict.fromkeys((129, 130, 143), "interrupted"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckView:
    """One check."""

    id: str
    """`stage/check`, as for `--only`."""
    name: str
    title: str
    status: str
    duration: float
    error: str = ""
    reason: str = ""
    """Why it was skipped."""
    note: str = ""
    """The meaning of its passing exit code."""
    cached: bool = False
    cached_by: str = ""
    """The executor, if its result is from the executor's cache: then the check did not run either."""
    explained: Sequence[str] = ()
    """Why it came, or did not come, from the cache; empty unless requested."""
    attempts: int = 1
    problems: Sequence[Mapping[str, Any]] = ()
    count: int = 0
    """Number of problems; fewer may be listed."""
    lines: Sequence[str] = ()
    """Useful lines of a check that did not pass, the problems first."""
    log: str = ""
    """The file with its complete output, relative to the run's folder."""
    again: str = ""
    """The command to run it alone."""

    @property
    def red(self) -> bool:
        """Whether it keeps the pipeline from passing."""
        return self.status in ("failed", "unknown")

    @property
    def origin(self) -> str:
        """Where its result comes from, if it did not run; empty: it ran."""
        return "cached" if self.cached else f"cached by {self.cached_by}" if self.cached_by else ""

    @property
    def explanation(self) -> list[str]:
        """Lines about its cache hit or miss."""
        return [f"{'from the cache' if self.cached else 'not from the cache'}: {line}" for line in self.explained]

    def more(self, shown: int) -> int:
        """Number of problems or lines beyond those shown."""
        return max(0, (self.count or len(self.lines)) - shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageView:
    """One stage with its checks."""

    name: str
    title: str
    status: str
    duration: float
    checks: tuple[CheckView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineView:
    """The whole pipeline."""

    name: str
    result: str
    exit_code: int
    duration: float
    whole: bool
    """Whether all checks of the document were selected."""
    stages: tuple[StageView, ...]
    error: str
    """An error outside the checks; empty if a check reports it."""
    left: tuple[str, ...]

    @property
    def decides_nothing(self) -> bool:
        """Whether checks ran, and none of them decides: each may fail."""
        return self.exit_code == 5 and any(check.status in ("allowed", "passed") for check in self.checks())

    def checks(self) -> Iterator[CheckView]:
        """All checks, in the order of the document."""
        return (check for stage in self.stages for check in stage.checks)

    def counts(self) -> dict[str, int]:
        """The number of checks for each status of any check, the best status first."""
        counts = Counter(check.status for check in self.checks())
        statuses = ("passed", "failed", "unknown", "allowed", "skipped", "pending")
        return {status: counts[status] for status in statuses if counts[status]}


def pipeline_of(fold: Fold) -> PipelineView:
    """The pipeline of a run, in its current state."""
    run = fold.results()
    row: Row = run["results"][0] if run["results"] else {"name": "", "workflow_steps": [], "error": "", "folder": ""}
    stages = tuple(stage_of(step, row) for step in stage_rows(row))
    left = [*run["left_behind"], *(one for each in run["results"] for one in each["left_behind"])]
    red = any(check.red for stage in stages for check in stage.checks)
    code = int(run["exit_code"])
    return PipelineView(
        name=words.one_line(row["name"], 80),
        result=_RESULTS.get(code, "unknown"),
        exit_code=code,
        duration=run["duration"],
        whole=bool(row.get("provenance", {}).get("parameters", {}).get("whole", True)),
        stages=stages,
        error="" if red else words.one_line(row["error"] or row.get("reason", ""), 600),
        left=tuple(words.left_line(one) for one in left),
    )


def stage_rows(suite: Row) -> list[Row]:
    """The rows of the stages, in the order of the document."""
    return [step for _, step in words.walk(suite["workflow_steps"]) if step["step_type"] == "stage"]


def stage_of(step: Row, suite: Row) -> StageView:
    """One stage."""
    outer = step["reason"] if step["status"] == "skipped" else ""
    checks = tuple(_check(one, suite, step["id"], outer) for one in step["steps"])
    return StageView(
        name=step["id"],
        title=words.one_line(step["description"] or step["id"], 80),
        status=_stage_status(step, checks),
        duration=step["duration"],
        checks=checks,
    )


def _stage_status(step: Row, checks: Sequence[CheckView]) -> str:
    if step["status"] in ("pending", "running") and not step.get("interrupted"):
        return str(step["status"])
    statuses = {check.status for check in checks}
    red = [status for status in ("failed", "unknown") if status in statuses]
    if red or step["verdict"] in ("failed", "unknown"):
        return red[0] if red else str(step["verdict"])
    if statuses <= {"skipped", "allowed"}:
        return "allowed" if "allowed" in statuses else "skipped"
    return "passed"


def _check(row: Row, suite: Row, stage: str, outer: str) -> CheckView:
    status, reason = _status(row)
    if status == "skipped" and outer:
        reason = outer
    told = row.get("problems") or {}
    problems = told.get("problems") or ()
    wrong = status in ("failed", "unknown", "allowed")
    cut_off = status == "skipped" and reason == CUT_OFF
    outputs = row["outputs"] if isinstance(row["outputs"], Mapping) else {}
    running = f"artifacts/logs/{log_of(row['id'])}.log" if status == "running" else ""
    log = words.plain(told.get("log") or running)
    return CheckView(
        id=row["id"],
        name=row["id"].partition("/")[2] or row["id"],
        title=words.one_line(row["description"] or row["id"], 80),
        status=status,
        duration=row["duration"],
        error=words.one_line(row["error"], 600) if wrong else "",
        reason=_short(reason, stage),
        note=words.word(status, row["verdict"]) if status == "allowed" else words.one_line(outputs.get("note", ""), 80),
        cached=outputs.get("cached") is True,
        cached_by=words.one_line(outputs.get("cached_by", ""), 40),
        explained=tuple(words.one_line(one, 300) for one in (row.get("cache") or {}).get("why") or ()),
        attempts=row["attempts"],
        problems=problems if wrong else (),
        count=int(told.get("count") or 0),
        lines=tuple(_lines(row, problems, told)) if wrong else (),
        log=str(PurePath(suite["folder"]) / log) if log and (wrong or cut_off or running) else "",
        again=words.one_line(told.get("again") or "") if wrong else "",
    )


def _status(row: Row) -> tuple[str, str]:
    """The status of a check, and the reason if it did not run to its end."""
    state = words.state(row)
    if state == "unknown" and row["error"] == "interrupted":
        return "skipped", CUT_OFF
    if state == "interrupted":
        return "unknown", ""
    return state, row["reason"]


def _short(reason: str, stage: str) -> str:
    """A reason for people: checks of the same stage are called by their own names."""
    text = words.one_line(reason, 200).replace(f"{stage}/", "")
    return _STOPPED.sub(r"fail-fast, \2 did not pass", text)


def _lines(row: Row, problems: Sequence[Mapping[str, Any]], told: Mapping[str, Any]) -> Iterator[str]:
    """The useful lines: problems with their places; else the error, and the end of the output."""
    for one in problems:
        where = one["file"] + (f":{one['line']}" if one["line"] else "")
        yield words.one_line(f"{where}: {one['message']}", LINE)
    if problems:
        return
    said = told.get("lines") or ()
    error, cut = (words.one_line(row["error"], most) for most in (ERROR, LINE))
    lines = [line for each in said if (line := words.one_line(each, LINE)) == error or line != cut]
    if error and error not in lines:
        # The last line is in the error, which may go on with a hint: tell it once, in its place below.
        last = f": {words.one_line(said[-1], ERROR)}" if said else ""
        if len(lines) == 1 and last in error:
            yield error
            return
        yield error.replace(last, "", 1)
    yield from lines
