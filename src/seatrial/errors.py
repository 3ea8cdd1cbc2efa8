"""The exceptions of Seatrial and the exit code of each.

SeatrialError                  3  something of ours or of the infrastructure broke: unknown
├── UsageError                 2  the caller asked for what cannot be
│   ├── DocumentError          2  wrong documents: all their problems at once
│   │   ├── PowersMissing      2  documents whose only fault is that they ask for missing powers (also NotSupported)
│   │   └── SuitesOverBudget   2  documents whose only fault is that suites can never fit (also OverBudget)
│   ├── NotSupported           2  a power that the provider or system does not have (also a NotImplementedError)
│   ├── OverBudget             2  a suite that can never fit
│   └── ExtraMissing           2  an optional dependency that is not installed
├── NothingSelected            5  no suite was left to run
├── StepFailed                 1  the product did wrong
│   └── Overrun                1  the product did not finish within its deadline
├── CannotTell                 3  a step or check could not be judged
│   ├── LinkLost               3  the connection to a node broke while it was in use
│   ├── LinkDown               3  a node does not answer
│   ├── LinkRefused            3  a node answers, and does not let us in
│   ├── NodeFailed             3  a node broke down at its provider: no wait can help
│   ├── ToolMissing            3  a program that we need is not there
│   └── LeaseTaken             3  a port, address or environment belongs to another
├── StepStopped                   a child step did not pass: carries its verdict upward
└── LeftBehind                 4  something could not be given back
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class SeatrialError(Exception):
    """Anything that Seatrial raises on purpose."""

    exit_code = 3
    category = "infrastructure"

    def __init__(self, message: str, *, evidence: str = "") -> None:
        super().__init__(message)
        self.evidence = evidence
        """More lines that show what was seen, for reports."""


class UsageError(SeatrialError):
    """The caller asked for what cannot be; nothing was started."""

    exit_code = 2
    category = "test"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in one place of one file; lines and columns count from 1, 0 when the whole file is meant."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        # The environment has no lines.
        where = self.file if self.file.startswith("environment ") else f"{self.file}:{self.line}:{self.column}"
        text = f"{where}: {self.message}"
        return f"{text}\n    {self.hint}" if self.hint else text


class DocumentError(UsageError):
    """All that is wrong in the documents that were read."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


class NotSupported(UsageError, NotImplementedError):
    """A step asks for a power that the provider or the system does not have."""

    category = "unsupported"


class OverBudget(UsageError):
    """A suite is larger than the budget that it would have to fit in."""


class PowersMissing(DocumentError, NotSupported):
    """Documents that ask for powers that the provider or the system does not have, and nothing else is wrong."""


class SuitesOverBudget(DocumentError, OverBudget):
    """Documents with suites that can never fit, and nothing else is wrong."""


class ExtraMissing(UsageError):
    """An optional dependency is not installed; the message names the extra."""

    category = "unsupported"


class NothingSelected(SeatrialError):
    """No suite was left to run: nothing was selected, or all was skipped."""

    exit_code = 5
    category = "test"


class StepFailed(SeatrialError):
    """The product did wrong: the step's verdict is failed."""

    exit_code = 1
    category = "product"

    def __init__(self, message: str, *, category: str = "", evidence: str = "") -> None:
        super().__init__(message, evidence=evidence)
        if category:
            self.category = category


class Overrun(StepFailed):
    """The product, or a step, did not finish within its deadline."""

    category = "timeout"


class CannotTell(SeatrialError):
    """A step or check could not be judged: the verdict is unknown."""


class LinkLost(CannotTell):
    """The connection to a node broke while it was in use: it is no exit code."""


class LinkDown(CannotTell):
    """A node does not answer: nothing listens there, or no answer came in time."""


class LinkRefused(CannotTell):
    """A node answers, and refuses our key or shows another identity than was recorded."""


class NodeFailed(CannotTell):
    """A node broke down at its provider and cannot answer any more: every wait for it ends at once."""


class ToolMissing(CannotTell):
    """A program that a step or check needs is not there; the message says what brings it."""


class LeaseTaken(CannotTell):
    """A port, address or exclusive environment is held by somebody else; the message names the holder."""


class StepStopped(SeatrialError):
    """A child step did not pass; the parent ends with the same verdict unless it says otherwise."""

    def __init__(self, message: str, *, failed: bool, category: str, evidence: str = "") -> None:
        super().__init__(message, evidence=evidence)
        self.failed = failed
        self.category = category


class LeftBehind(SeatrialError):
    """Something that a run made could not be given back."""

    exit_code = 4
    category = "clean-up"


def nearest(word: str, known: Iterable[str], *, what: str = "") -> str:
    """Say which known word was probably meant, and which are allowed."""
    names: Sequence[str] = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    meant = f"did you mean {close[0]!r}? " if close else ""
    listed = ", ".join(names) if names else "none"
    return f"{meant}{what or 'allowed'}: {listed}"
