"""All problems of all documents, with positions computed at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from seatrial.errors import DocumentError, PowersMissing, Problem, SuitesOverBudget
from seatrial.loading.read.positions import Place, Position


class Located(Protocol):
    """A document, or the settings: names and finds places."""

    @property
    def file(self) -> str:
        """Its name as the user gave it."""

    @property
    def locate(self) -> Callable[..., Position]:
        """Line and column of a place."""


class Problems:
    """Collects problems; `done` raises them all at once."""

    def __init__(self) -> None:
        self._found: list[tuple[Located, Place, str, str, bool]] = []
        self._ready: list[Problem] = []
        self._kinds: set[str] = set()
        self.count = 0
        """The number of problems so far."""
        self.warnings: list[str] = []

    def add(
        self, document: Located, place: Place, message: str, hint: str = "", *, key: bool = False, kind: str = ""
    ) -> None:
        """Record a problem; `kind` is `power` or `budget` for those with an exception of their own."""
        self.count += 1
        self._kinds.add(kind)
        self._found.append((document, place, message, hint, key))

    def take(self, problems: Sequence[Problem]) -> None:
        """Record problems with a known position, for example those of an unreadable document."""
        if problems:
            self._kinds.add("")
        self.count += len(problems)
        self._ready += problems

    def warn(self, document: Located, place: Place, message: str) -> None:
        """Record something odd without stopping."""
        line, column = document.locate(place, key=True)
        text = f"{document.file}:{line}:{column}: {message}"
        if text not in self.warnings:
            self.warnings.append(text)

    def done(self) -> None:
        """Raise if there are any problems."""
        if not self.count:
            return
        made = [
            Problem(document.file, *document.locate(place, key=key), message, hint)
            for document, place, message, hint, key in self._found
        ]
        special = {frozenset({"power"}): PowersMissing, frozenset({"budget"}): SuitesOverBudget}
        raise special.get(frozenset(self._kinds), DocumentError)([*self._ready, *made])
