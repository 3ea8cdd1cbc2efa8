"""The shortest true report of a pipeline, for who pays by the word: only what did not pass, and what to do."""

from __future__ import annotations

from pathlib import Path

from seatrial.registry import reporter
from seatrial.reports import words
from seatrial.reports.document import Document
from seatrial.reports.preflight import closing
from seatrial.reports.stages import CheckView, PipelineView, pipeline_of

USEFUL = 10
"""Lines of a check that did not pass."""


@reporter("compact")
class Compact(Document):
    """What failed, the first useful lines, where the log is, and the command that runs it alone."""

    file = "compact.txt"

    def text(self) -> str:
        """Plain lines without marks or columns."""
        view = pipeline_of(self.fold)
        lines = [f"{view.result.upper()} exit={view.exit_code} {_counts(view)} {words.seconds(view.duration)}"]
        for check in view.checks():
            if check.red:
                lines += self._red(check)
        skipped = [check for check in view.checks() if check.status == "skipped"]
        if skipped and view.exit_code:
            lines.append("skipped: " + ", ".join(check.id for check in skipped))
        lines += closing(view) if not any(check.red for check in view.checks()) else []
        return "".join(f"{line}\n" for line in lines)

    def _red(self, check: CheckView) -> list[str]:
        lines = [f"{check.status} {check.id} ({words.seconds(check.duration)})"]
        lines += [f"  {line}" for line in check.lines[:USEFUL]]
        more = (check.count or len(check.lines)) - USEFUL
        if more > 0:
            lines.append(f"  ... {more} more")
        if check.log:
            reports = self.options.get("reports") or ()
            lines.append(f"  log: {Path(reports[0]).parent / check.log if reports else check.log}")
        if check.again:
            lines.append(f"  again: {check.again}")
        return lines


def _counts(view: PipelineView) -> str:
    kinds = ("passed", "failed", "unknown", "allowed", "skipped", "pending")
    return " ".join(f"{kind}={count}" for kind in kinds if (count := view.count(kind)))
