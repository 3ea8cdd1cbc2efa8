"""The shortest complete report of a pipeline, for readers who pay per token: only problems, and the next step."""

from __future__ import annotations

from pathlib import Path

from seatrial.preflight.reports.preflight import closing, shown
from seatrial.preflight.reports.stages import CheckView, PipelineView, pipeline_of
from seatrial.registry import reporter
from seatrial.reports import words
from seatrial.reports.document import Document

USEFUL = 10
"""Lines of a check that did not pass."""


@reporter("compact")
class Compact(Document):
    """The failures with their first useful lines, their logs, and the commands to run them alone."""

    file = "compact.txt"

    def text(self) -> str:
        """Plain lines without marks or columns."""
        view = pipeline_of(self.fold)
        lines = [f"{view.result.upper()} exit={view.exit_code} {_counts(view)} {words.seconds(view.duration)}"]
        for check in view.checks():
            if check.red:
                lines += self._red(check)
            elif check.explained:
                lines.append(f"{check.status} {check.id} ({words.seconds(check.duration)})")
                lines += _explained(check)
        skipped = [check for check in view.checks() if check.status == "skipped"]
        if skipped and view.exit_code:
            lines.append("skipped: " + ", ".join(check.id for check in skipped))
        lines += closing(view) if not any(check.red for check in view.checks()) else []
        return "".join(f"{line}\n" for line in lines)

    def _red(self, check: CheckView) -> list[str]:
        lines = [f"{check.status} {check.id} ({words.seconds(check.duration)})"]
        lines += _explained(check)
        lines += [f"  {line}" for line in _useful(check)[:USEFUL]]
        more = (check.count or len(check.lines)) - USEFUL
        if more > 0:
            lines.append(f"  ... {more} more")
        if check.log:
            reports = self.options.get("reports") or ()
            lines.append(f"  log: {shown(Path(reports[0]).parent / check.log) if reports else check.log}")
        if check.again:
            lines.append(f"  again: {check.again}")
        return lines


def _explained(check: CheckView) -> list[str]:
    taken = "from the cache" if check.cached else "not from the cache"
    return [f"  {taken}: {line}" for line in check.explained]


def _useful(check: CheckView) -> list[str]:
    """Its lines, with paths relative to the reader's folder instead of the tool's."""
    if not check.problems:
        return list(check.lines)
    here = f"{Path.cwd()}/"
    lines = []
    for one, line in zip(check.problems, check.lines, strict=False):
        path = str(one.get("path") or "")
        near = path.removeprefix(here) if path.startswith(here) else one["file"]
        lines.append(near + line.removeprefix(words.one_line(one["file"], 300)) if near != one["file"] else line)
    return lines


def _counts(view: PipelineView) -> str:
    kinds = ("passed", "failed", "unknown", "allowed", "skipped", "pending")
    return " ".join(f"{kind}={count}" for kind in kinds if (count := view.count(kind)))
