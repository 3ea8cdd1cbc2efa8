"""Problem matchers: what tools print about files, as file, line and message. One more tool is one more entry.

An entry is a function from lines to problems in a module here, and its name in `MATCHERS` with the words of a command
line that tell it.
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
    """One tool: how its messages are read, and the programs by which a command is known to be its."""

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
"""Lines of output that are shown where no message with a place was found."""


LONGEST = 1000
"""Characters of a line that are looked at: no place and message is longer, and none may take for ever."""


def names() -> list[str]:
    """All there are."""
    return list(MATCHERS)


def find(text: str, command: Sequence[str] | str = (), wanted: str = "") -> list[Problem]:
    """The problems in what a command printed, each once: by the matcher that is wanted, else by the one that the
    command's words tell, else by any that finds something."""
    lines = [line[:LONGEST] for line in words.plain(text).splitlines()]
    told = [wanted] if wanted else [*_told(command), "python", "generic"]
    for name in dict.fromkeys(told):
        found = list(dict.fromkeys(MATCHERS[name].match(lines)))
        if found:
            return found
    return list(dict.fromkeys(by_line(lines))) if wanted else []


def useful(text: str, most: int = SHOWN) -> list[str]:
    """The last lines of an output that say anything: what is shown of one in which no problem has a place."""
    lines = [line.rstrip() for line in words.plain(text).splitlines() if line.strip(" \t=-_*~.|+#")]
    return lines[-most:]


def _told(command: Sequence[str] | str) -> Iterable[str]:
    parts = command.split() if isinstance(command, str) else command
    programs = {PurePath(part).name for part in parts}
    return [name for name, entry in MATCHERS.items() if programs & set(entry.programs) and name != "python"]
