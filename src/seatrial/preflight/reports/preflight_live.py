"""A pipeline on a terminal: the console's blocks, and below them the running checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.preflight.reports.preflight import Preflight
from seatrial.preflight.reports.stages import stage_rows
from seatrial.registry import reporter
from seatrial.reports import words
from seatrial.reports.live import SPIN, Live, since

if TYPE_CHECKING:
    from rich.text import Text


@reporter("preflight_live")
class PreflightLive(Preflight, Live):
    """Live progress; plain lines if the output is not a terminal."""

    def _running_now(self) -> Text:
        """A line for each running check and one with counts; never more than the terminal has."""
        from rich.text import Text

        assert self._terminal is not None
        now = self._now()
        unicode = self._marks is words.MARKS
        spin = SPIN[self._picture % len(SPIN)] if unicode else "-\\|/"[self._picture % 4]
        checks = [
            (stage, check)
            for suite in self.fold.suites.values()
            for stage in stage_rows(suite)
            for check in stage["steps"]
        ]
        running = [one for one in checks if one[1]["status"] == "running"]
        room = max(2, self._terminal.height - 4)
        text = Text(no_wrap=True, overflow="ellipsis")
        for stage, check in running[: room - 1]:
            title = f"{words.one_line(stage['description'], 40)}: {words.one_line(check['description'], 60)}"
            text.append(f"{spin} {title}  {since(now, check)}\n", style="cyan")
        waiting = sum(check["status"] == "pending" for _, check in checks)
        done = len(checks) - waiting - len(running)
        text.append(f"{done} done, {len(running)} running, {waiting} waiting", style="dim")
        return text
