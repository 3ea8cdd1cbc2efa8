"""The position of a key in a TOML text: tomllib gives none, so the lines are searched, only for an error."""

from __future__ import annotations

import re

from seatrial.loading.read.positions import Place, Position

_HEADER = re.compile(r"\s*\[\[?\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.|$)""")
_KEY = re.compile(r"""\s*((?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_.-]|\s*\.\s*)+?)\s*=\s*""")
_AT = re.compile(r"\(at line (\d+), column (\d+)\)")


def locate(text: str, place: Place, *, key: bool = False) -> Position:
    """Line and column of a key (or of its value); of the nearest enclosing table if it is not found."""
    wanted = [part for part in place if isinstance(part, str)]
    for length in range(len(wanted), 0, -1):
        found = _find(text, wanted[:length], key or length < len(wanted))
        if found:
            return found
    return (1, 1)


def _find(text: str, wanted: list[str], key: bool) -> Position | None:
    table: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        header = _HEADER.match(line)
        if header and "=" not in line.split("#")[0]:
            table = _parts(header.group(1))
            if table == wanted:
                return number, line.index("[") + 1
            continue
        match = _KEY.match(line)
        if match and [*table, *_parts(match.group(1))] == wanted:
            return number, (match.start(1) if key else match.end()) + 1
        if match and wanted[: len(table) + 1] == [*table, *_parts(match.group(1))] and len(wanted) > len(table) + 1:
            inner = re.search(rf"(?<![\w-])[\"']?{re.escape(wanted[-1])}[\"']?\s*=\s*", line[match.end() :])
            if inner:
                return number, match.end() + (inner.start() if key else inner.end()) + 1
    return None


def _parts(text: str) -> list[str]:
    return [double or single or bare for double, single, bare, _ in _PART.findall(text)]


def syntax(error: Exception) -> tuple[Position, str]:
    """Position and message of a tomllib error."""
    found = _AT.search(str(error))
    at = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    return at, _AT.sub("", str(error)).strip()
