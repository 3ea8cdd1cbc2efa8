"""Sites of values, and the problems of all documents, with positions computed at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from seatrial.errors import DocumentError, PowersMissing, Problem, SuitesOverBudget
from seatrial.loading.read.positions import Place, Position
from seatrial.model.record import record
from seatrial.model.scenario import CheckPlan, StepPlan

Plans = tuple[StepPlan, ...] | tuple[CheckPlan, ...]


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


class Site:
    """The site of a value: takes its problems, and compiles parts unknown to a shape. This one ignores all of them."""

    bound = False
    """Whether `${{ }}` is already filled in: then text in the form of a number is one."""

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        """Record a problem."""

    def formula(self, text: str, place: Place, names: tuple[str, ...] | None = None) -> None:
        """Check an expression; `names`: its additional names, if not those of the class."""

    def plans(self, kind: str, value: object, place: Place) -> Plans:
        """Compile child steps, or checks."""
        return ()


@record
class DocumentSite(Site):
    """The site of values in one document."""

    problems: Problems
    document: Located

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        self.problems.add(self.document, place, message, hint, key=key)


class Trial(Site):
    """Holds problems and expressions back until it is known whether the value fits."""

    def __init__(self, site: Site) -> None:
        self.site, self.bound = site, site.bound
        self.problems: list[tuple[Place, str, str, bool]] = []
        self.formulas: list[tuple[str, Place, tuple[str, ...] | None]] = []

    def replay(self) -> None:
        """Hand them to the site."""
        for place, message, hint, key in self.problems:
            self.site.problem(place, message, hint, key=key)
        for text, place, names in self.formulas:
            self.site.formula(text, place, names)

    def formula(self, text: str, place: Place, names: tuple[str, ...] | None = None) -> None:
        self.formulas.append((text, place, names))

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        self.problems.append((place, message, hint, key))

    def plans(self, kind: str, value: object, place: Place) -> Plans:
        return self.site.plans(kind, value, place)


def shown(value: object) -> str:
    """A value for an error: short, and spelled as in a document."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…'"
