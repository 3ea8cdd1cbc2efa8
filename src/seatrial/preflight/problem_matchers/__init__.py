"""Problem matchers: messages of tools about files, as file, line and message.

To add a tool, write a function from lines to problems in a module here, and add it to `MATCHERS` with the words that
identify its command line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from seatrial.preflight.problem_matchers import line, python
from seatrial.preflight.problem_matchers.line import Matcher, Problem, by_line
from seatrial.reports import words

__all__ = ["MATCHERS", "Problem", "find", "useful"]


MATCHERS: Mapping[str, tuple[Matcher, tuple[str, ...]]] = {
    "ruff": (python.ruff, ("ruff",)),
    "mypy": (python.mypy, ("mypy", "dmypy")),
    "pytest": (python.pytest, ("pytest", "py.test")),
    "tsc": (line.tsc, ("tsc",)),
    "python": (python.traceback, ("python", "python3")),
    "generic": (by_line, ()),
}
"""Each tool with the parser of its messages, and the programs that identify its commands."""

SHOWN = 20
"""Lines of output shown if no problem with a place was found."""

LONGEST = 1000
"""Characters searched of a line: longer ones are not messages, and must not take forever."""


def find(text: str, command: Sequence[str] | str = (), wanted: str = "") -> list[Problem]:
    """The distinct problems in a command's output: by the requested matcher, else by the command's own one, else by any
    with a match."""
    lines = [text[:LONGEST] for text in words.plain(text).splitlines()]
    parts = command.split() if isinstance(command, str) else command
    programs = {PurePath(part).name for part in parts}
    own = [name for name, (_, called) in MATCHERS.items() if programs.intersection(called) and name != "python"]
    for name in [*([wanted] if wanted else [*own, "python"]), "generic"]:
        if found := list(dict.fromkeys(MATCHERS[name][0](lines))):
            return found
    return []


def useful(text: str, most: int = SHOWN) -> list[str]:
    """The last lines with text in an output; shown if no problem has a place."""
    lines = [line.rstrip() for line in words.plain(text).splitlines() if line.strip(" \t=-_*~.|+#")]
    return lines[-most:]
