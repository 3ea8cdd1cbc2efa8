"""The shortest complete report of a pipeline, for readers who pay per token: only problems, and the next step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seatrial.preflight.reports.preflight import closing, log_path
from seatrial.preflight.reports.stages import CheckView, pipeline_of
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
        counts = " ".join(f"{status}={number}" for status, number in view.counts().items())
        lines = [f"{view.result.upper()} exit={view.exit_code} {counts} {words.seconds(view.duration)}"]
        for check in view.checks():
            if check.red or check.explained:
                lines.append(f"{check.status} {check.id} ({words.seconds(check.duration)})")
                lines += [f"  {line}" for line in check.explanation]
            if check.red:
                lines += self._red(check)
            if check.status == "running":
                lines += [f"running {check.id}", f"  log: {log_path(check, self.options)}"]
        skipped = [check.id for check in view.checks() if check.status == "skipped"]
        if skipped and view.exit_code:
            lines.append(f"skipped: {', '.join(skipped)}")
        lines += closing(view) if not any(check.red for check in view.checks()) else []
        return "".join(f"{line}\n" for line in lines)

    def _red(self, check: CheckView) -> Iterator[str]:
        yield from (f"  {line}" for line in _useful(check)[:USEFUL])
        if more := check.more(USEFUL):
            yield f"  ... {more} more"
        if check.log:
            yield f"  log: {log_path(check, self.options)}"
        if check.again:
            yield f"  again: {check.again}"


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
