"""Problem matchers: messages of tools about files, as file, line and message.

To add a tool, write a function from lines to problems in a module here, and add it to `MATCHERS` with the words that
identify its command line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from seatrial.preflight.problem_matchers import javascript, line, python
from seatrial.preflight.problem_matchers.line import Matcher, Problem, by_line
from seatrial.reports import words

__all__ = ["MATCHERS", "Problem", "find", "useful"]


MATCHERS: Mapping[str, tuple[Matcher, tuple[str, ...]]] = {
    "tsc": (line.tsc, ("tsc",)),
    "eslint": (javascript.eslint, ("eslint",)),
    "biome": (javascript.biome, ("biome",)),
    "arrows": (line.arrows, ("ty", "cargo", "rustc")),
    "shellcheck": (line.shellcheck, ("shellcheck",)),
    "bandit": (python.bandit, ("bandit",)),
    "pytest": (python.pytest, ("pytest", "py.test")),
    "vitest": (javascript.stacks, ("vitest",)),
    "jest": (javascript.stacks, ("jest",)),
    "mocha": (javascript.stacks, ("mocha",)),
    "python": (python.traceback, ("python", "python3")),
    "ruff": (python.ruff, ("ruff",)),
    "mypy": (python.mypy, ("mypy", "dmypy")),
    "generic": (by_line, ()),
}
"""Each tool with the parser of its messages, and the programs that identify its commands. For other commands, they are
tried in this order: the strict ones first."""

ERROR = re.compile(
    r"(?<![\w./-])(?:[A-Za-z]*(?:Error|Exception)|ERROR|error|fatal|FATAL|FAIL|FAILED|FAILURE|[Ff]ailed|panic|ERR!"
    r"|not ok)"
    r"(?![\w-])|[\u2717\u2716\u00d7\u25cf]\s"
)
"""The words of a line about an error."""

NO_ERROR = re.compile(r"(?<![\w.])0 (?:errors?|failed|failures?)\b|(?:errors?|failures?|failed):? 0\b", re.IGNORECASE)

SHOWN = 20
"""Lines of output shown if no problem with a place was found."""

LONGEST = 1000
"""Characters searched of a line: longer ones are not messages, and must not take forever."""


def find(text: str, command: Sequence[str] | str = (), wanted: str = "") -> list[Problem]:
    """The distinct problems in a command's output: by the requested matcher, else by the command's own one, else by any
    with a match: behind `npm run build` is any tool."""
    lines = [text[:LONGEST] for text in words.plain(text).splitlines()]
    parts = command.split() if isinstance(command, str) else command
    programs = {PurePath(part).name for part in parts}
    own = [name for name, (_, called) in MATCHERS.items() if programs.intersection(called) and name != "python"]
    for name in dict.fromkeys([*([wanted] if wanted else own), *MATCHERS]):
        if found := list(dict.fromkeys(MATCHERS[name][0](lines))):
            return found
    return []


def useful(text: str, most: int = SHOWN) -> list[str]:
    """The useful lines of an output, for a failure without a place: the first errors, then the end, in their order."""
    lines = [line.rstrip() for line in words.plain(text).splitlines() if line.strip(" \t=-_*~.|+#^\u2500\u23af")]
    errors = [
        at for at, line in enumerate(lines) if ERROR.search(line[:LONGEST]) and not NO_ERROR.search(line[:LONGEST])
    ]
    last = range(max(0, len(lines) - max(1, most // 4)), len(lines))
    first = errors[: most - len(last)]
    rest = [at for at in range(len(lines) - 1, -1, -1) if at not in {*first, *last}] if not errors else []
    shown = sorted({*first, *last, *rest[: most - len(last)]})
    return [lines[at] for at in shown]


def _is_error(line: str) -> bool:
    return ERROR.search(line) is not None and NO_ERROR.search(line) is None
