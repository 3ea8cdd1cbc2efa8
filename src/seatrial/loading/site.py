"""Where values are read: takes what is wrong, and compiles what a shape cannot know of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from seatrial.loading.read.positions import Place
from seatrial.model.scenario import CheckPlan, StepPlan


class Site(Protocol):
    """Where values are read: takes the problems, and compiles what a shape cannot know of."""

    bound: bool
    """Whether `${{ }}` is filled in already: then text that reads as a number is one."""

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        """Write down something wrong."""

    def formula(self, text: str, place: Place) -> None:
        """Check an expression."""

    def steps(self, value: object, place: Place) -> tuple[StepPlan, ...]:
        """Compile child steps."""

    def checks(self, value: object, place: Place) -> tuple[CheckPlan, ...]:
        """Compile checks."""


class SilentSite:
    """Where values are read that hold neither steps nor checks nor expressions; what is wrong counts only."""

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
    """A value in an error: short, and in the words of a document."""
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
