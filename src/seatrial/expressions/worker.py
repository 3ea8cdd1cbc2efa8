"""The worker: a small program that applies patterns and expressions of a user to other people's text, one at a time.

It runs as `python -I -S worker.py`, beside Seatrial and without importing it, because neither `re` nor the CEL library
can be interrupted from within their process. The kernel ends it at its limits, also when Seatrial has gone.

Seatrial talks to it over its standard input and output: see `confined`.
"""

from __future__ import annotations

import marshal
import resource
import signal
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any

LENGTH = 8
"""Bytes of a message's length."""

MEMORY = 1024**3
"""Bytes of memory for a worker."""

Limits = tuple[float, float]
"""Seconds of processor time and of waiting."""

Job = tuple[str, str, Any]
"""Its kind, the pattern or expression, and what to apply it to."""


def cel_library(folder: str) -> Any:
    """The CEL library in a folder, without the command line that its package imports: that takes 30 times as long."""
    if "cel.cel" not in sys.modules:
        spec = PathFinder.find_spec("cel.cel", [folder])
        if spec is None or spec.loader is None:
            raise ImportError(f"there is no CEL library in {folder}")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules["cel.cel"] = module
    return sys.modules["cel.cel"]


def _search(pattern: str, texts: list[str]) -> list[tuple[int, int] | None]:
    import re

    search = re.compile(pattern).search
    return [match.span() if (match := search(text)) else None for text in texts]


def _evaluate(expression: str, given: tuple[str, dict[str, Any]]) -> Any:
    folder, values = given
    return cel_library(folder).compile(expression).execute(values)


def answer(job: Job) -> bytes:
    """The answer to a job: its value, or the kind and the text of an error."""
    import pickle

    kind, text, given = job
    try:
        value = _search(text, given) if kind == "search" else _evaluate(text, given)
        return pickle.dumps(("", value))
    except Exception as error:  # noqa: BLE001 - Seatrial judges it
        return pickle.dumps((type(error).__name__, str(error)))


def main() -> None:
    """Answer until Seatrial closes the door."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    door, out = sys.stdin.buffer, sys.stdout.buffer
    while length := door.read(LENGTH):
        limits, job = marshal.loads(door.read(int.from_bytes(length, "big")))
        # Without a handler in Python, which would wait for the end of the work, the kernel ends this process.
        _limit(limits)
        data = answer(job)
        _limit((0, 0))
        out.write(len(data).to_bytes(LENGTH, "big") + data)
        out.flush()


def _limit(limits: Limits) -> None:
    signal.setitimer(signal.ITIMER_PROF, limits[0])
    signal.setitimer(signal.ITIMER_REAL, limits[1])


if __name__ == "__main__":
    main()
