"""Tools of JavaScript: eslint and stylelint, vitest and jest, biome, and stacks of mocha and `node --test`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from seatrial.preflight.problem_matchers.line import Problem

_FILE = re.compile(r"(?P<file>\S.*\.(?:[cm]?[jt]sx?|vue|svelte|astro|s?css|less|json))")
_ROW = re.compile(
    r"\s+(?P<line>\d+):(?P<column>\d+)\s+(?P<severity>error|warning|\u2716|\u00d7|\u26a0)\s+(?P<message>\S.*)"
)
_TEST = re.compile(r"\s*(?:FAIL|\u25cf|\u00d7|\u2717|not ok \d+ -|\d+\))\s+(?P<name>\S.*?)\s*")
_RAISED = re.compile(r"\s*(?:Uncaught )?(?P<message>(?:[A-Z]\w*(?:Error|Exception)\b.*|expect\(.*|expected .*))")
_POINTER = re.compile(
    r"\s*(?:\u276f|at)\s+(?:.*\()?(?:file://)?(?P<file>[^\s():]+\.\w+):(?P<line>\d+):(?P<column>\d+)\)?.*"
)
_BIOME = re.compile(
    r"(?P<file>\S+\.\w+)(?::(?P<line>\d+):(?P<column>\d+))? (?P<rule>[a-z]\w*(?:/\w+)*)\s.*?[\u2501\u2500]{3,}"
)
_CROSS = re.compile(r"\s*[\u00d7\u2716] (?P<message>\S.*)")
_LIBRARY = ("node_modules/", "node:")


def eslint(lines: Sequence[str]) -> Iterator[Problem]:
    """The name of a file on a line of its own, then its problems (`stylish`; stylelint, too)."""
    file = ""
    for line in lines:
        if named := _FILE.fullmatch(line.rstrip()):
            file = named["file"]
        elif file and (row := _ROW.fullmatch(line.rstrip())):
            severity = "warning" if row["severity"] in ("warning", "\u26a0") else "error"
            message = re.sub(r"\s{2,}", "  ", row["message"])
            yield Problem(file, int(row["line"]), message, int(row["column"]), severity)


def stacks(lines: Sequence[str]) -> Iterator[Problem]:
    """Each error with the first line of its stack outside of libraries, and the test above it: vitest, jest, mocha."""
    test = message = ""
    for line in lines:
        if (named := _TEST.fullmatch(line)) and not _POINTER.fullmatch(line):
            test, message = named["name"], ""
        elif raised := _RAISED.fullmatch(line):
            message = message or raised["message"]
        elif (place := _POINTER.fullmatch(line)) and not any(part in line for part in _LIBRARY) and (message or test):
            text = f"{test}: {message}" if test and message else message or test
            yield Problem(place["file"], int(place["line"]), text, int(place["column"]))
            test = message = ""


def biome(lines: Sequence[str]) -> Iterator[Problem]:
    """The place and the rule on a ruled line, then the message after a cross."""
    place: re.Match[str] | None = None
    for line in lines:
        if found := _BIOME.fullmatch(line.strip()):
            place = found
        elif place and (cross := _CROSS.fullmatch(line)):
            text = f"{place['rule']}: {cross['message']}"
            yield Problem(place["file"], int(place["line"] or 0), text, int(place["column"] or 0))
            place = None
