"""Names of machines in inventories: host ranges, and errors with lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

MOST = 10_000
"""Most machines of one range: more is a typing error."""

_RANGE = re.compile(r"\[(\w+):(\w+)(?::(\d+))?\]")


class Wrong(ValueError):
    """A problem of an inventory; `line` counts from 1, 0 when unknown."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class Lined(dict[str, Any]):
    """A mapping with its line."""

    def __init__(self, values: Mapping[str, Any] | None = None, line: int = 0) -> None:
        super().__init__(values or {})
        self.line = line


Hosts = dict[str, Lined]


def expanded(name: str, line: int = 0) -> Iterator[str]:
    """The names of a range: `n[1:3]`, `n[01:10:3]`, `rack-[a:c]`; both ends are included."""
    match = _RANGE.search(name)
    if match is None:
        if "[" in name or "]" in name:
            raise Wrong(f"invalid host range {name!r}; allowed: n[1:3], n[01:10], n[1:9:2] and n[a:c]", line)
        yield name
        return
    begin, end, step = match[1], match[2], int(match[3] or 1)
    words: list[str] = []
    if begin.isdigit() and end.isdigit():
        numbers = range(int(begin), min(int(end), int(begin) + MOST * step) + 1, step or 1)
        words = [str(number).zfill(len(begin)) for number in numbers]
    elif len(begin) == len(end) == 1 and begin.isalpha() and end.isalpha():
        words = [chr(code) for code in range(ord(begin), ord(end) + 1, step or 1)]
    if not words or not step or len(words) > MOST:
        raise Wrong(f"the range {match[0]} in {name!r} has no hosts, or more than {MOST}", line)
    for word in words:
        yield from expanded(name[: match.start()] + word + name[match.end() :], line)
