"""A watched pipeline, run again after each change: a stopped round gets no summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seatrial.model.event import Event
from seatrial.preflight.reports.preflight_live import PreflightLive
from seatrial.registry import reporter


@reporter("preflight_watch")
class PreflightWatch(PreflightLive):
    """One round: live on a terminal, plain lines in a pipe."""

    hushed = False

    def hush(self) -> None:
        """The round is stopped: ignore its later events."""
        self.hushed = True
        self._stop()

    def on(self, event: Event) -> None:
        """Take one event."""
        if event.kind == "run_started":
            runs = self.options.get("runs")
            shared: dict[str, Any] = dict(self.options)
            self.options = {**shared, "reports": [Path(str(runs)) / event.run / "report.html"]} if runs else shared
        if not self.hushed:
            super().on(event)

    def close(self) -> None:
        """After the last event."""
        if not self.hushed:
            super().close()
