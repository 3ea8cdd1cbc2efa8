"""The output of running programs, on its way into a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

LOG = "test.log"
"""The file in a suite's folder with the output of all its commands."""


SEARCHED = 32 * 1024 * 1024
"""Bytes of an output that are searched: the last ones."""


def lines_with(pattern: str, folder: Path) -> Iterator[str]:
    """The lines of a suite's output in which an expression matches; none without an output."""
    wanted = re.compile(pattern)
    try:
        with (folder / LOG).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - SEARCHED))
            for line in file:
                text = line.decode("utf-8", "replace").strip()
                if not text.startswith("==> ") and wanted.search(text):  # a command is no answer
                    yield text
    except OSError:
        return


class Output(Protocol):
    """Takes the output of a running program, masks its secrets and writes it to a file as it comes."""

    file: Path
    """The file with all of it."""

    def add(self, data: bytes) -> None:
        """Take whole lines."""

    def masked(self, text: str) -> str:
        """The text with every secret masked. Mask before you take a line of it: a secret may go on over several."""


class Nowhere:
    """Drops all output."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def add(self, data: bytes) -> None:
        """Drop it."""

    def masked(self, text: str) -> str:
        """The text as it is: the journal masks it."""
        return text


def nowhere(file: Path) -> AbstractContextManager[Output]:
    """Keep no output."""
    return nullcontext(Nowhere(file))


cleanup_output: ContextVar[Callable[[Path], AbstractContextManager[Output]]] = ContextVar(
    "cleanup_output", default=nowhere
)
"""Where a cleanup from the ledger keeps the output of its programs: in the given file or in a better one, set by the
engine."""
