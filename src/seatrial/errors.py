"""The exceptions of Seatrial and the exit code of each.

SeatrialError                  3  Seatrial or the infrastructure broke: unknown
├── UsageError                 2  the request is invalid
│   ├── DocumentError          2  invalid documents, with all their problems
│   │   ├── PowersMissing      2  documents with no problem except missing powers (also NotSupported)
│   │   └── SuitesOverBudget   2  documents with no problem except too large suites (also OverBudget)
│   ├── NotSupported           2  a power missing from the provider or system (also a NotImplementedError)
│   ├── OverBudget             2  a suite larger than its budget
│   └── ExtraMissing           2  an optional dependency is not installed
├── NothingSelected            5  no suite was left to run
├── StepFailed                 1  the product did wrong
│   ├── Overrun                1  the product did not finish within its deadline
│   └── ProductFailed          1  a step or check called from Python failed (also an AssertionError)
├── CannotTell                 3  a step or check could not be judged
│   ├── LinkLost               3  the connection to a node was interrupted
│   ├── LinkDown               3  a node does not answer
│   ├── LinkRefused            3  a node answers and refuses the connection
│   ├── NodeFailed             3  a node broke down at its provider: waiting cannot help
│   ├── NeverTold              3  nothing that is declared can ever tell it
│   ├── ToolMissing            3  a required program is missing
│   ├── LimitReached           3  a pattern or an expression needed too much time or memory
│   └── LeaseTaken             3  a port, address or environment is already taken
├── StepStopped                   a child step did not pass: carries its verdict upward
└── LeftBehind                 4  a resource could not be removed
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = [
    "CannotTell", "DocumentError", "ExtraMissing", "LeaseTaken", "LeftBehind", "LimitReached", "LinkDown", "LinkLost",
    "LinkRefused", "NeverTold", "NodeFailed", "NotSupported", "NothingSelected", "OverBudget", "Overrun",
    "PowersMissing", "Problem", "ProductFailed", "SeatrialError", "StepFailed", "StepStopped", "SuitesOverBudget",
    "ToolMissing", "UsageError", "nearest",
]  # fmt: skip


class SeatrialError(Exception):
    """The base of all exceptions of Seatrial."""

    exit_code = 3
    category = "infrastructure"

    def __init__(self, message: str, *, evidence: str = "") -> None:
        super().__init__(message)
        self.evidence = evidence
        """More lines for reports: the output or state seen."""


class UsageError(SeatrialError):
    """The request is invalid; nothing was started."""

    exit_code = 2
    category = "test"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One problem in one place of a file. Lines and columns count from 1; 0 stands for the whole file."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{where}: {self.message}"
        return f"{text}\n    {self.hint}" if self.hint else text


class DocumentError(UsageError):
    """All problems of the documents."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


class NotSupported(UsageError, NotImplementedError):
    """A step needs a power missing from its provider or system."""

    category = "unsupported"


class OverBudget(UsageError):
    """A suite is larger than its budget."""


class PowersMissing(DocumentError, NotSupported):
    """Documents need powers missing from their provider or system, and have no other problem."""


class SuitesOverBudget(DocumentError, OverBudget):
    """Documents have suites larger than their budget, and no other problem."""


class ExtraMissing(UsageError):
    """An optional dependency is not installed; the message names the extra."""

    category = "unsupported"


class NothingSelected(SeatrialError):
    """No suite was left to run: none was selected, or all were skipped."""

    exit_code = 5
    category = "test"


class StepFailed(SeatrialError):
    """The product did wrong: the step's verdict is failed."""

    exit_code = 1
    category = "product"

    def __init__(self, message: str, *, category: str = "", evidence: str = "", unclear: str = "") -> None:
        super().__init__(message, evidence=evidence)
        if category:
            self.category = category
        self.unclear = unclear
        """The part that could not be measured: a step that is expected to fail is unknown then."""


class Overrun(StepFailed):
    """The product, or a step, did not finish within its deadline."""

    category = "timeout"


class ProductFailed(StepFailed, AssertionError):
    """A step or check called from Python failed: for a test it is an assertion."""


class CannotTell(SeatrialError):
    """A step or check could not be judged: the verdict is unknown."""


class LinkLost(CannotTell):
    """The connection to a node was interrupted, so the exit code of the command is unknown."""


class LinkDown(CannotTell):
    """A node does not answer: nothing listens, or no answer arrived in time."""


class LinkRefused(CannotTell):
    """A node answers, but refuses the key or has another identity than the recorded one."""


class NodeFailed(CannotTell):
    """A node broke down at its provider and cannot answer: every wait for it ends immediately."""


class NeverTold(CannotTell):
    """Nothing that is declared can ever tell it: every wait for it ends immediately."""


class ToolMissing(CannotTell):
    """A program needed by a step or check is missing; the message has the command to install it."""


class LimitReached(CannotTell):
    """A pattern or an expression of a document needed too much time or memory."""

    category = "test"

    def __init__(self, message: str, *, written: str) -> None:
        super().__init__(message)
        self.written = written
        """The pattern or expression, to find its place."""
        self.placed = False

    def place(self, where: str) -> None:
        """Say where it is written: `FILE:LINE`."""
        self.args, self.placed = (f"{where}: {self}",), True


class LeaseTaken(CannotTell):
    """A port, address or exclusive environment is already taken; the message names the holder."""


class StepStopped(SeatrialError):
    """A child step did not pass; its parent ends with the same verdict unless it decides otherwise."""

    def __init__(self, message: str, *, failed: bool, category: str, evidence: str = "", unclear: str = "") -> None:
        super().__init__(message, evidence=evidence)
        self.failed = failed
        self.category = category
        self.unclear = unclear
        """What else was not measured or not cleaned up: a step that is expected to fail is unknown then."""


class LeftBehind(SeatrialError):
    """A resource of a run could not be removed."""

    exit_code = 4
    category = "clean-up"


def closest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The known word that is meant; empty: none is near. `cutoff`: how near, up to 1."""
    import difflib  # not needed until something is wrong

    return next(iter(difflib.get_close_matches(word, sorted(known), n=1, cutoff=cutoff)), "")


def nearest(word: str, known: Iterable[str], *, what: str = "") -> str:
    """A hint: the nearest known word, and all allowed ones."""
    names: Sequence[str] = sorted(known)
    close = closest(word, names)
    suggestion = f"did you mean {close!r}? " if close else ""
    listed = ", ".join(names) if names else "none"
    return f"{suggestion}{what or 'allowed'}: {listed}"
