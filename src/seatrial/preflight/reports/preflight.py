"""The console of a pipeline: a block for each stage, in the order of the document, and a final line with the result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from seatrial.model.event import Event
from seatrial.preflight.reports.stages import CheckView, PipelineView, StageView, pipeline_of, stage_of, stage_rows
from seatrial.registry import reporter
from seatrial.reports import words
from seatrial.reports.console import Console

STAGE_TIME = 50
"""The column where the time of a stage begins."""

CHECK_TIME = 48
"""The column where the times of checks, and the total, begin."""

BANNER = 60
"""Characters of the lines around the banner."""

USEFUL = 5
"""Lines shown of a check that did not pass; its log has all."""


@reporter("preflight")
class Preflight(Console):
    """Stages and checks: the same lines on a terminal, in a pipe and in a file."""

    file = "preflight.txt"

    def __init__(self, out: TextIO | Path, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(out, options)
        self._told = 0
        """Number of stages already printed."""
        self._held: list[CheckView] = []
        """Ended checks whose block may be due at once."""
        self._handlers = {
            "suite_planned": self._planned,
            "step_started": self._tell_held,
            "step_finished": self._ended,
            "log": self._log,
            "printed": self._printed,
            "suite_finished": self._ended,
            "run_finished": self._run_finished,
        }

    def _planned(self, event: Event, data: Mapping[str, Any]) -> None:
        line = self._marks["line"] * BANNER
        self.say(line)
        self.say(f"  Preflight: {words.one_line(data.get('name', ''), 80)}")
        self.say(line)

    def _ended(self, event: Event, data: Mapping[str, Any]) -> None:
        """Print the blocks that are due: a stage that ended early waits for those before it."""
        suite = self.fold.suites[event.trial]
        for row in stage_rows(suite)[self._told :]:
            if row["status"] in ("pending", "running") and event.kind != "suite_finished":
                break
            self._told += 1
            self._block(stage_of(row, suite))
        rows = stage_rows(suite)[self._told :]
        checks = {check.id: check for row in rows for check in stage_of(row, suite).checks}
        self._held = [check for check in self._held if check.id in checks]
        ended = checks.get(str(data.get("id"))) if event.kind == "step_finished" else None
        if ended is not None and ended.status != "skipped":
            self._held.append(ended)
        if any(check.status == "running" for check in checks.values()):
            self._tell_held(event, data)

    def _tell_held(self, event: Event, data: Mapping[str, Any]) -> None:
        """The block of an ended check is not due yet, because other checks go on."""
        while self._held:
            self._at_once(self._held.pop(0))

    def _at_once(self, check: CheckView) -> None:
        """A line for a check that ended before its block is due: long before, beside a slow check."""
        first = f": {check.lines[0]}" if check.lines else ""
        self.say(f"{self._mark(check.status)} {check.id} {_how(check)}{first}", check.status)

    def _block(self, stage: StageView) -> None:
        head = f"{stage.title} {self._mark(stage.status)}"
        if stage.status == "skipped":
            self.say(head, "skipped")
        else:
            self.say(f"{_until(head, STAGE_TIME)}[{words.seconds(stage.duration)}]", stage.status)
        for check in stage.checks:
            self._check(check)

    def _check(self, check: CheckView) -> None:
        mark = self._mark(check.status)
        if check.status in ("skipped", "pending", "running"):
            self.say(f"  {mark} {check.title} ({_why_not(check)})", "skipped")
            return
        more = check.note or check.origin or {"unknown": "could not be judged"}.get(check.status)
        if check.attempts > 1:
            more = f"{more}, attempt {check.attempts}" if more else f"attempt {check.attempts}"
        text = f"  {mark} {check.title}" + (f" ({more})" if more else "")
        self.say(f"{_until(text, CHECK_TIME)}({words.seconds(check.duration)})", check.status)
        for line in check.explanation:
            self.say(f"    {line}")
        arrow = "→" if self._marks is words.MARKS else "->"
        for line in check.lines[:USEFUL]:
            self.say(f"    {arrow} {line}")
        if hidden := check.more(USEFUL):
            self.say(f"    {arrow} {self._marks['more']} {words.count(hidden, 'more line')}")

    def _mark(self, status: str) -> str:
        return self._marks.get(status, self._marks["unknown"])

    def _log(self, event: Event, data: Mapping[str, Any]) -> None:
        if data.get("level") in ("warning", "error"):
            self.say(f"{data['level']}: {words.one_line(data.get('text', ''), 600)}")

    def _printed(self, event: Event, data: Mapping[str, Any]) -> None:
        """Output of a check, as it comes."""
        row = self.fold.step(event.trial, str(data.get("step", "")))
        if self._verbose and row is not None:
            for line in words.plain(data.get("text", "")).splitlines():
                self.say(f"{row['id']} | {line}")

    def _summary(self) -> None:
        view = pipeline_of(self.fold)
        state = "passed" if view.exit_code == 0 else "failed" if view.exit_code in (1, 4) else "unknown"
        result = _until(f"RESULT: {view.result.upper()}", CHECK_TIME)
        self.say(f"{result}Total: {words.seconds(view.duration)}", state)
        for line in closing(view):
            self.say(line)
        for check in (check for check in view.checks() if check.red or (check.status == "skipped" and check.log)):
            self.say()
            self.say(check.id)
            if check.again:
                self.say(f"  again: {check.again}")
            if check.log:
                self.say(f"  log:   {log_path(check, self.options)}")


def closing(view: PipelineView) -> list[str]:
    """The meaning of the result, in words."""
    failed, unknown = (view.counts().get(status, 0) for status in ("failed", "unknown"))
    lines = [f"left behind: {one}" for one in view.left]
    if view.exit_code == 0:
        done = "Ready to deploy!" if view.whole else "The selected checks passed; all of them decide about a deploy."
        return [*lines, done]
    if view.error:
        lines.append(view.error)
    if failed:
        lines.append(f"{failed} check(s) failed. Fix issues and retry.")
    if unknown:
        lines.append(f"{unknown} check(s) could not be judged: it is unknown whether a deploy would succeed.")
    if view.decides_nothing:
        return [*lines[: len(view.left)], "Nothing that decides was measured: every check that ran may fail."]
    if view.exit_code == 5:
        reasons = {check.reason for check in view.checks()}
        why = reasons.pop() if len(reasons) == 1 else "every check was skipped"
        return [*lines[: len(view.left)], f"Nothing ran: {why}."]
    if not (failed or unknown):
        meaning = words.EXIT_CODES.get(view.exit_code, "")
        lines.append(f"{meaning[:1].upper()}{meaning[1:]}: it is unknown whether a deploy would succeed.")
    return lines


def _how(check: CheckView) -> str:
    word = "could not be judged" if check.status == "unknown" else check.note or check.status
    told = [word, *([check.origin] if check.origin else []), words.seconds(check.duration)]
    return f"{told[0]} ({', '.join(told[1:])})"


def _until(text: str, column: int) -> str:
    """The text up to a column; a longer one is still separated from the next."""
    return f"{text:<{column - 1}} "


def _why_not(check: CheckView) -> str:
    if check.status != "skipped":
        return "did not run"
    if check.reason.startswith("needs "):
        return f"skipped: {check.reason.partition(',')[0]}"
    return f"skipped: {check.reason}" if check.reason else "skipped"


def log_path(check: CheckView, options: Mapping[str, Any]) -> str:
    """The log of a check, relative to the current folder."""
    if not (reports := options.get("reports")):
        return check.log
    path, here = Path(reports[0]).parent / check.log, Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
