"""A report in one document, written after the last event; `render` makes any report from a run's events."""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, TextIO

from seatrial.links.paths import write_whole
from seatrial.model.event import Event
from seatrial.model.fold import Fold
from seatrial.registry import Registry


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
        if self._own:
            self.fold.on(event)

    def close(self) -> None:
        if not isinstance(self.out, Path):
            self.out.writelines(self.pieces())
            self.out.flush()
            return
        text = self.text()
        if self.options.get("append"):
            with self.out.open("a", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                file.write(text)
        else:  # as a whole, so no reader sees half of it
            write_whole(self.out, text.encode("utf-8", "backslashreplace"), 0o600)

    @abstractmethod
    def text(self) -> str:
        """The current document."""

    def pieces(self) -> Iterator[str]:
        """The same document, a part at a time if it may be larger than the memory."""
        yield self.text()

    def in_repository(self, document: str) -> str:
        """A document's path relative to the checkout, else to the project."""
        workspace, root = self.options.get("workspace"), self.options.get("root")
        if workspace:
            inside = os.path.relpath(os.path.realpath(document), os.path.realpath(workspace))
            if not inside.startswith(".."):
                return inside
        if root and PurePath(document).is_absolute():
            relative = os.path.relpath(document, root)
            return document if relative.startswith("..") else relative
        return document


def render(
    name: str, events: Iterable[Event], fold: Fold | None = None, *,
    options: Mapping[str, Any] | None = None, registry: Registry | None = None,
) -> str:  # fmt: skip
    """The report with this name as text; UsageError for an unknown name. `fold`: a fold without events."""
    out = io.StringIO()
    write(out, name, events, fold, options=options, registry=registry)
    return out.getvalue()


def write(
    out: TextIO, name: str, events: Iterable[Event], fold: Fold | None = None, *,
    options: Mapping[str, Any] | None = None, registry: Registry | None = None,
) -> None:  # fmt: skip
    """Write the report with this name; see `render`."""
    fold = fold if fold is not None else Fold()
    reporter = (registry or Registry()).get("reporter", name)(out, {**(options or {}), "fold": fold})
    for event in events:
        fold.on(event)
        reporter.on(event)
    reporter.close()
