"""A reporter is a fold over the events of a run."""

from __future__ import annotations

from typing import Protocol

from seatrial.model.event import Event


class Reporter(Protocol):
    """A fold over the events."""

    def on(self, event: Event) -> None:
        """Take one event; it is in the journal already."""

    def close(self) -> None:
        """The last event is in."""
