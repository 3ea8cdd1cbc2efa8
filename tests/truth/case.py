"""One row of the truth table: a small project, what is planted in it, and what Seatrial has to say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.acceptance.harness import Document, Project


class Outcome(StrEnum):
    """How a command ended, by its exit code and by the verdict in its results."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOTHING = "nothing ran"
    LEFT = "left behind"
    REFUSED = "refused"
    BROKEN = "broken"
    """Exit code and verdict do not belong together, or there is no result."""


class Planted(StrEnum):
    """What is wrong in the project."""

    CLEAN = "clean"
    PRODUCT = "product fault"
    TOOL = "tool fault"
    NOTHING = "nothing measured"
    LEAK = "something stays"


RIGHT = {
    Planted.CLEAN: (Outcome.PASSED,),
    Planted.PRODUCT: (Outcome.FAILED,),
    Planted.TOOL: (Outcome.UNKNOWN,),
    Planted.NOTHING: (Outcome.NOTHING,),
    Planted.LEAK: (Outcome.LEFT,),
}
"""The right outcome of each, unless its row says otherwise."""


@contextmanager
def nothing_around(project: Project) -> Any:
    """No server, no program: the project as it is."""
    yield {}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A project with one suite (or pipeline), and its right outcome."""

    system: str
    """Where it runs: `local`, `containers`, `ssh`, `command`, `github-actions`, `pipeline`, `pytest` (the test is
    in its files)."""
    what: str
    """What is planted, in words."""
    look: str
    """The check or step that looks."""
    planted: Planted
    document: Document | Callable[[Any], Document]
    """The document; a function gets what `around` gives."""
    right: tuple[Outcome, ...] = ()
    """The right outcomes; empty: the usual one of what is planted. Two only where the promise leaves a choice."""
    around: Callable[[Project], AbstractContextManager[Any]] = nothing_around
    """What stands beside the project while the command runs: servers, machines, programs on PATH."""
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    leaves: bool = False
    """Whether something stays, and Seatrial has to say so, beside its verdict."""
    category: str = ""
    words: str = ""
    """Words that a reader needs; they must be in the output."""
    backend: str = ""
    """A back end without which the row is skipped."""
    known: str = ""
    """Why the row comes out wrong today; only with an entry in the docs."""

    @property
    def id(self) -> str:
        return f"{self.system}: {self.what}: {self.look}"

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        return self.right or RIGHT[self.planted]

    @property
    def leak(self) -> bool:
        return self.leaves or self.planted is Planted.LEAK
