"""A reporter is a fold over the events of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from seatrial.model.event import Event


class Reporter(Protocol):
    """A fold over the events. An exception removes it, and the run cannot be passed afterwards."""

    def __init__(self, folder: Any, options: Mapping[str, Any]) -> None:
        """`folder` is the report folder (built-ins get a stream or a file, too). `options["fold"]` has the results so
        far, `options["root"]` is the project's folder."""

    def on(self, event: Event) -> None:
        """Take one event, already written to the journal."""

    def close(self) -> None:
        """No more events follow."""
