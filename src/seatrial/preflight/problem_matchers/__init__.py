"""Problem matchers: messages of tools about files, as file, line and message.

To add a tool, write a function from lines to problems in a module here, and add it to `MATCHERS` with the words that
identify its command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from seatrial.preflight.problem_matchers import python, typescript
from seatrial.preflight.problem_matchers.line import Matcher, Problem, by_line
from seatrial.reports import words

__all__ = ["Problem", "find", "names", "useful"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One tool: the parser of its messages, and the programs that identify its commands."""

    match: Matcher
    programs: tuple[str, ...] = ()


MATCHERS: Mapping[str, Entry] = {
    "ruff": Entry(python.ruff, ("ruff",)),
    "mypy": Entry(python.mypy, ("mypy", "dmypy")),
    "pytest": Entry(python.pytest, ("pytest", "py.test")),
    "tsc": Entry(typescript.tsc, ("tsc",)),
    "python": Entry(python.traceback, ("python", "python3")),
    "generic": Entry(by_line),
}

SHOWN = 20
"""Lines of output shown if no problem with a place was found."""


LONGEST = 1000
"""Characters searched of a line: longer ones are not messages, and must not take forever."""


def names() -> list[str]:
    """All there are."""
    return list(MATCHERS)


def find(text: str, command: Sequence[str] | str = (), wanted: str = "") -> list[Problem]:
    """The distinct problems in a command's output: by the requested matcher, else by the command's own one, else by any
    with a match."""
    lines = [line[:LONGEST] for line in words.plain(text).splitlines()]
    told = [wanted] if wanted else [*_told(command), "python", "generic"]
    for name in dict.fromkeys(told):
        found = list(dict.fromkeys(MATCHERS[name].match(lines)))
        if found:
            return found
    return list(dict.fromkeys(by_line(lines))) if wanted else []


def useful(text: str, most: int = SHOWN) -> list[str]:
    """The last lines with text in an output; shown if no problem has a place."""
    lines = [line.rstrip() for line in words.plain(text).splitlines() if line.strip(" \t=-_*~.|+#")]
    return lines[-most:]


def _told(command: Sequence[str] | str) -> Iterable[str]:
    parts = command.split() if isinstance(command, str) else command
    programs = {PurePath(part).name for part in parts}
    return [name for name, entry in MATCHERS.items() if programs & set(entry.programs) and name != "python"]
