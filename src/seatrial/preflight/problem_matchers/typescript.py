"""The TypeScript compiler, plain and pretty."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from seatrial.preflight.problem_matchers.line import Problem, problem

_PLAIN = re.compile(r"(?P<file>\S.*?)\((?P<line>\d+),(?P<column>\d+)\): (?P<message>(?:error|warning) TS\d+: .+)")
_PRETTY = re.compile(r"(?P<file>\S+?):(?P<line>\d+):(?P<column>\d+) - (?P<message>(?:error|warning) TS\d+: .+)")
_GLOBAL = re.compile(r"(?P<message>error TS\d+: .+)")


def tsc(lines: Sequence[str]) -> Iterator[Problem]:
    """Its errors; one without a file belongs to the configuration."""
    for line in lines:
        text = line.strip()
        found = _PLAIN.fullmatch(text) or _PRETTY.fullmatch(text)
        if found:
            yield problem(found)
        elif whole := _GLOBAL.fullmatch(text):
            yield Problem("tsconfig.json", 0, whole["message"])
