"""Progress on a terminal: the console's lines, and the running steps below them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from seatrial.model.event import Event
from seatrial.registry import reporter
from seatrial.reports import words
from seatrial.reports.console import Console

if TYPE_CHECKING:
    from rich.console import Console as Terminal
    from rich.live import Live as Region
    from rich.text import Text

TICK = 0.125
"""Seconds between two updates."""

SPIN = "⠋⠙⠹⠸⠼⠴⠦⠧"
SHOWN = 8
"""Maximum number of running suites to show."""


@reporter("live")
class Live(Console):
    """Live progress; plain lines if the output is not a terminal."""

    def __init__(self, out: TextIO | Path, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(out, options)
        self._region: Region | None = None
        self._terminal: Terminal | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._logged: dict[str, str] = {}
        self._shown_at = 0.0
        self._anchor = (0.0, 0.0)
        self._picture = 0
        if isinstance(out, Path) or not out.isatty() or os.environ.get("TERM") == "dumb" or self.options.get("plain"):
            return
        from rich.console import Console as Terminal
        from rich.live import Live as Region

        self._colour = bool(self.options.get("colour", not os.environ.get("NO_COLOR")))
        self._terminal = Terminal(file=out, no_color=not self._colour, highlight=False, markup=False, emoji=False)
        # No thread: the timer of the event loop redraws, or every event if there is no loop.
        self._region = Region(
            console=self._terminal, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._region.start()

    def on(self, event: Event) -> None:
        if event.kind in ("log", "output", "printed"):
            lines = str(event.data.get("text", "")).strip().splitlines()
            if lines:
                self._logged[event.trial] = words.one_line(lines[-1], 200)
        if event.kind == "run_finished":
            self._stop()
        super().on(event)
        if self._region is None:
            return
        if self._timer is None and not self._schedule() and event.at - self._shown_at >= TICK:
            self._shown_at = event.at
            self._draw()

    def _print(self, line: str) -> None:
        """Write one line above the running steps."""
        if self._terminal is None:
            super()._print(line)
            return
        from rich.text import Text

        self._terminal.print(Text.from_ansi(line), soft_wrap=True)

    def close(self) -> None:
        """Remove the running steps, and write the summary of an unfinished run."""
        self._stop()
        super().close()

    def _schedule(self) -> bool:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        self._timer = loop.call_later(TICK, self._tick)
        return True

    def _tick(self) -> None:
        self._timer = None
        if self._region is not None:
            self._draw()
            self._schedule()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._region is not None:
            self._region.stop()
            self._region = None

    def _draw(self) -> None:
        assert self._region is not None
        self._picture += 1
        self._region.update(self._running_now(), refresh=True)

    def _running_now(self) -> Text:
        """The running steps, one line each, as many as fit on the terminal."""
        fold = self.fold
        running = [trial for trial in fold.suites if trial in self._running]
        now = self._now()
        lines: list[tuple[str, str]] = []
        for trial in running[:SHOWN]:
            row = fold.suites[trial]
            lines.append((f"{self._spinner()} {words.one_line(row['name'], 60)}  {since(now, row)}", "bold cyan"))
            for depth, step in words.walk(row["workflow_steps"]):
                if step["status"] == "running":
                    lines.append((f"{'  ' * (depth + 1)}{words.title(step)}  {since(now, step)}", ""))
            if self._logged.get(trial):
                lines.append((f"    {self._logged[trial]}", "dim"))
        waiting = sum(1 for row in fold.suites.values() if row["status"] == "pending")
        return self._region_text(lines, len(fold.suites) - waiting - len(running), len(running), waiting)

    def _spinner(self) -> str:
        pictures = SPIN if self._marks is words.MARKS else "-\\|/"
        return pictures[self._picture % len(pictures)]

    def _region_text(self, lines: Iterable[tuple[str, str]], done: int, running: int, waiting: int) -> Text:
        """As many lines with their styles as fit on the terminal, and the counts."""
        from rich.text import Text

        assert self._terminal is not None
        text = Text(no_wrap=True, overflow="ellipsis")
        for line, style in islice(lines, max(2, self._terminal.height - 4) - 1):
            text.append(f"{line}\n", style=style)
        return text.append(f"{done} done, {running} running, {waiting} waiting", style="dim")

    def _now(self) -> float:
        """The current time: the last event's, plus the time since then."""
        try:
            clock = asyncio.get_running_loop().time()
        except RuntimeError:
            return self.fold.at
        if self.fold.at != self._anchor[0]:
            self._anchor = (self.fold.at, clock)
        return self.fold.at + clock - self._anchor[1]


def since(now: float, row: Mapping[str, Any]) -> str:
    """The duration of a running suite or step until now."""
    return words.seconds(max(0.0, now - float(row["started_at"])))
