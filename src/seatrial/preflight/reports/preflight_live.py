"""A pipeline on a terminal: the console's blocks, and below them the running checks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from seatrial.model.event import Event
from seatrial.preflight.reports.preflight import Preflight
from seatrial.preflight.reports.stages import stage_rows
from seatrial.registry import reporter
from seatrial.reports import words
from seatrial.reports.live import Live, since

if TYPE_CHECKING:
    from rich.text import Text


@reporter("preflight_live")
class PreflightLive(Preflight, Live):
    """Live progress; plain lines if the output is not a terminal."""

    def __init__(self, out: TextIO | Path, options: Mapping[str, Any] | None = None) -> None:
        self._last: dict[str, str] = {}
        """The last line of each running check."""
        super().__init__(out, options)

    def on(self, event: Event) -> None:
        """Take one event."""
        row = self.fold.step(event.trial, str(event.data.get("step", ""))) if event.kind == "printed" else None
        lines = words.plain(event.data.get("text", "")).strip().splitlines() if row is not None else ()
        if row is not None and lines:
            self._last[row["id"]] = words.one_line(lines[-1], 60)
        super().on(event)

    def _running_now(self) -> Text:
        """A line for each running check and one with counts; never more than the terminal has."""
        stages = [stage for suite in self.fold.suites.values() for stage in stage_rows(suite)]
        checks = [(stage, check) for stage in stages for check in stage["steps"]]
        lines = [
            (
                f"{self._spinner()} {words.one_line(stage['description'], 40)}: "
                f"{words.one_line(check['description'], 60)}  {since(self._now(), check)}"
                + (f"  {last}" if (last := self._last.get(check["id"])) else ""),
                "cyan",
            )
            for stage, check in checks
            if check["status"] == "running"
        ]
        waiting = sum(check["status"] == "pending" for _, check in checks)
        return self._region_text(lines, len(checks) - waiting - len(lines), len(lines), waiting)


@reporter("preflight_watch")
class PreflightWatch(PreflightLive):
    """One round of a watched pipeline: live on a terminal, plain lines in a pipe, and no summary if it is stopped."""

    hushed = False

    def hush(self) -> None:
        """The round is stopped: ignore its later events."""
        self.hushed = True
        self._stop()

    def on(self, event: Event) -> None:
        """Take one event."""
        if event.kind == "run_started" and (runs := self.options.get("runs")):
            self.options = {**self.options, "reports": [Path(str(runs)) / event.run / "report.html"]}
        if not self.hushed:
            super().on(event)

    def close(self) -> None:
        """After the last event."""
        if not self.hushed:
            super().close()
