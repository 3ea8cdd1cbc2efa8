"""The site of a value: takes its problems, and compiles parts unknown to a shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from seatrial.loading.read.positions import Place
from seatrial.model.scenario import CheckPlan, StepPlan


class Site(Protocol):
    """The site of a value: takes its problems, and compiles parts unknown to a shape."""

    bound: bool
    """Whether `${{ }}` is already filled in: then text in the form of a number is one."""

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        """Record a problem."""

    def formula(self, text: str, place: Place) -> None:
        """Check an expression."""

    def steps(self, value: object, place: Place) -> tuple[StepPlan, ...]:
        """Compile child steps."""

    def checks(self, value: object, place: Place) -> tuple[CheckPlan, ...]:
        """Compile checks."""


class SilentSite:
    """A site for values without steps, checks or expressions; it only counts problems."""

    bound = False

    def __init__(self) -> None:
        self.count = 0

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        """Count it."""
        self.count += 1

    def formula(self, text: str, place: Place) -> None:
        """Nothing is checked."""

    def steps(self, value: object, place: Place) -> tuple[StepPlan, ...]:
        """There are none here."""
        return ()

    def checks(self, value: object, place: Place) -> tuple[CheckPlan, ...]:
        """There are none here."""
        return ()


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
