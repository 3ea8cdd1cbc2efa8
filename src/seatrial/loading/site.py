"""The site of a value: takes its problems, and compiles parts unknown to a shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seatrial.loading.read.positions import Place
from seatrial.loading.read.problems import Located, Problems
from seatrial.model.scenario import CheckPlan, StepPlan

Plans = tuple[StepPlan, ...] | tuple[CheckPlan, ...]


class Site:
    """The site of a value: takes its problems, and compiles parts unknown to a shape. This one ignores all of them."""

    bound = False
    """Whether `${{ }}` is already filled in: then text in the form of a number is one."""

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        """Record a problem."""

    def formula(self, text: str, place: Place) -> None:
        """Check an expression."""

    def plans(self, kind: str, value: object, place: Place) -> Plans:
        """Compile child steps, or checks."""
        return ()


@dataclass(slots=True)
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
        self.formulas: list[tuple[str, Place]] = []

    def replay(self) -> None:
        """Hand them to the site."""
        for place, message, hint, key in self.problems:
            self.site.problem(place, message, hint, key=key)
        for text, place in self.formulas:
            self.site.formula(text, place)

    def formula(self, text: str, place: Place) -> None:
        self.formulas.append((text, place))

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
