"""One problem, and the tools with one line for each: `file:line:column: message`, and the TypeScript compiler's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A message about a place; line and column count from 1, 0 if unknown."""

    file: str
    line: int
    message: str
    column: int = 0
    severity: str = "error"
    """error, warning or notice."""

    def __str__(self) -> str:
        where = self.file + (f":{self.line}" if self.line else "")
        return f"{where}: {self.message}"


Matcher = Callable[[Sequence[str]], Iterable[Problem]]
"""From the lines of an output, without terminal escapes, to its problems in their order."""

# Possessive, for time linear in the line's length.
_PLACE = re.compile(
    r"(?P<file>(?:[A-Za-z]:(?=[\\/]))?[\w@+~.\-/\\\[\]()]++)"
    r":(?P<line>\d++)(?::(?P<column>\d++))?:?\s++(?P<message>\S.*)"
)
_SEVERITY = re.compile(r"(?:fatal )?(error|warning|note|info|notice)\b", re.IGNORECASE)
_TSC = re.compile(r"(?P<file>\S.*?)\((?P<line>\d+),(?P<column>\d+)\): (?P<message>(?:error|warning) TS\d+: .+)")
_TSC_PRETTY = re.compile(r"(?P<file>\S+?):(?P<line>\d+):(?P<column>\d+) - (?P<message>(?:error|warning) TS\d+: .+)")
_TSC_GLOBAL = re.compile(r"(?P<message>error TS\d+: .+)")
_ARROW = re.compile(r"\s*-->\s+(?P<file>[^\s:]+):(?P<line>\d+):(?P<column>\d+)\s*")
_HEAD = re.compile(r"(?P<severity>error|warning)(?:\[[\w-]+\])?: (?P<message>\S.*)")
_IN_FILE = re.compile(r"In (?P<file>\S+) line (?P<line>\d+):")
_CODE = re.compile(r"\^-*\^? (?P<code>SC\d+) \((?P<severity>error|warning|info|style)\): (?P<message>\S.*)")
_WORDS = {"warning": "warning", "note": "notice", "info": "notice", "notice": "notice"}


def by_line(lines: Sequence[str]) -> Iterator[Problem]:
    """Every line with a place in a file at its start."""
    for line in lines:
        found = _PLACE.match(line.strip())
        if found and _is_path(found["file"]):
            yield _problem(found)


def tsc(lines: Sequence[str]) -> Iterator[Problem]:
    """The TypeScript compiler, plain and pretty; an error without a file belongs to the configuration."""
    for line in lines:
        text = line.strip()
        found = _TSC.fullmatch(text) or _TSC_PRETTY.fullmatch(text)
        if found:
            yield _problem(found)
        elif whole := _TSC_GLOBAL.fullmatch(text):
            yield Problem("tsconfig.json", 0, whole["message"])


def arrows(lines: Sequence[str]) -> Iterator[Problem]:
    """`error[E1]: message`, then `--> file:line:column` on the next line: rustc, cargo, ty."""
    for before, line in zip(("", *lines), lines, strict=False):
        arrow, head = _ARROW.fullmatch(line), _HEAD.fullmatch(before.strip())
        if arrow and head:
            severity = "warning" if head["severity"] == "warning" else "error"
            yield Problem(arrow["file"], int(arrow["line"]), head["message"], int(arrow["column"]), severity)


def shellcheck(lines: Sequence[str]) -> Iterator[Problem]:
    """`In FILE line N:`, then the code and the message below the line of the script."""
    place: re.Match[str] | None = None
    for line in lines:
        if found := _IN_FILE.fullmatch(line.strip()):
            place = found
        elif place and (said := _CODE.search(line)):
            severity = _WORDS.get(said["severity"], "error") if said["severity"] != "style" else "notice"
            yield Problem(place["file"], int(place["line"]), f"{said['code']} {said['message']}", 0, severity)


def _is_path(text: str) -> bool:
    """A path has a dot or a slash in it; otherwise `12:30: the message` would match."""
    return text[-1:].isalnum() and any(mark in text[:-1] for mark in "./\\")


def _problem(found: re.Match[str]) -> Problem:
    """A problem from a match with the groups file, line, column and message."""
    groups = found.groupdict()
    message = groups["message"].strip()
    word = _SEVERITY.match(message)
    return Problem(
        file=groups["file"].removeprefix("./"),
        line=int(groups.get("line") or 0),
        message=message,
        column=int(groups.get("column") or 0),
        severity=_WORDS.get(word[1].lower(), "error") if word else "error",
    )
