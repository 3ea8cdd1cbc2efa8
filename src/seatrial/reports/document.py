"""A report in one document, written after the last event."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from seatrial.links.paths import write_whole
from seatrial.model.event import Event
from seatrial.model.fold import Fold


class Document(ABC):
    """A fold over events, with a text at the end."""

    file = "report.txt"
    """Its name in the report folder."""

    def __init__(self, out: TextIO | Path, options: Mapping[str, Any] | None = None) -> None:
        self.options = options or {}
        shared = self.options.get("fold")
        self.fold: Fold = shared if shared is not None else Fold(live=True)
        self._own = shared is None
        self.out = out / self.file if isinstance(out, Path) and out.is_dir() else out

    def on(self, event: Event) -> None:
        """Take one event."""
        if self._own:
            self.fold.on(event)

    def close(self) -> None:
        """Write the document."""
        write(self.out, self.text(), append=bool(self.options.get("append")))

    @abstractmethod
    def text(self) -> str:
        """The current document."""


def write(out: TextIO | Path, text: str, *, append: bool = False) -> None:
    """Write to a stream or file. A file is replaced as a whole, so no reader sees half of it."""
    if not isinstance(out, Path):
        out.write(text)
        out.flush()
    elif append:
        with out.open("a", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
    else:
        write_whole(out, text.encode("utf-8", "backslashreplace"))
