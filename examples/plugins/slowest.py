"""A reporter of your own: a fold over the events. This one writes the ten slowest steps into the report folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import seatrial
from seatrial.model.event import Event


@seatrial.reporter("slowest")
class Slowest:
    """The ten slowest steps, in `slowest.txt`."""

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        self._file = folder / "slowest.txt"
        self._steps: list[tuple[float, str]] = []

    def on(self, event: Event) -> None:
        """Take one event; it is in the journal already."""
        if event.kind == "step_finished":
            seconds = float(str(event.data.get("duration", 0.0)))
            self._steps.append((seconds, f"{event.data['step']} {event.data['type']}"))

    def close(self) -> None:
        """The last event is in."""
        slowest = sorted(self._steps, reverse=True)[:10]
        self._file.write_text("".join(f"{seconds:8.3f} s  {step}\n" for seconds, step in slowest))
