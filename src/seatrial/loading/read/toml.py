"""The position of a key in a TOML text: tomllib gives none, so the text is read again, only for an error."""

from __future__ import annotations

import re

from seatrial.loading.read.positions import Place, Position

_SPACE = re.compile(r"(?:\s|#[^\n]*)*")
_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")
_SCALAR = re.compile(r'"{3}(?:[^\\]|\\.)*?"{3,5}|\'{3}.*?\'{3,5}|"(?:[^"\\]|\\.)*"|\'[^\']*\'|[^,\]}#\n]*', re.DOTALL)
_AT = re.compile(r"\(at line (\d+), column (\d+)\)")


def locate(text: str, place: Place, *, key: bool = False) -> Position:
    """Line and column of a key (or of its value); of the nearest enclosing table if it is not found."""
    found = _Reader(text).places()
    for length in range(len(place), 0, -1):
        if (ends := found.get(tuple(place[:length]))) is not None:
            at = ends[0 if key or length < len(place) else 1]
            return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return (1, 1)


class _Reader:
    """Reads a valid text from its start to its end."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._found: dict[Place, tuple[int, int]] = {}
        self._tables: dict[Place, int] = {}
        """The number of tables so far, by the place of their array."""

    def places(self) -> dict[Place, tuple[int, int]]:
        """Where each key begins, and its value."""
        table: Place = ()
        while self._next():
            before = self._at
            if self._next() == "[":
                table = self._header()
            else:
                self._pair(table)
            if self._at == before:
                break  # no TOML after all
        return self._found

    def _next(self) -> str:
        """The next character that means something; empty at the end."""
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._text[self._at : self._at + 1]

    def _key(self) -> Place:
        parts: list[str | int] = []
        while part := _PART.match(self._text, self._at):
            parts.append(next((word for word in part.groups() if word is not None), ""))
            self._at = part.end()
            if self._text[self._at : self._at + 1] != ".":
                break
            self._at += 1
        return tuple(parts)

    def _header(self) -> Place:
        begin = self._at
        is_array = self._text.startswith("[[", begin)
        self._at += 2 if is_array else 1
        place: Place = ()
        for part in self._key():
            place = (*place, part)
            if place in self._tables:
                place = (*place, self._tables[place] - 1)
        if is_array:
            place = place[:-1] if place and isinstance(place[-1], int) else place
            self._tables[place] = self._tables.get(place, 0) + 1
            self._found.setdefault(place, (begin, begin))
            place = (*place, self._tables[place] - 1)
        self._at += 2 if is_array else 1
        self._found.setdefault(place, (begin, begin))
        return place

    def _pair(self, table: Place) -> None:
        begin = self._at
        place = (*table, *self._key())
        for end in range(len(table) + 1, len(place)):
            self._found.setdefault(place[:end], (begin, begin))
        if self._next() == "=":
            self._at += 1
            self._next()
        self._found.setdefault(place, (begin, self._at))
        self._value(place)

    def _value(self, place: Place) -> None:
        opening = self._next()
        if opening not in ("[", "{"):
            scalar = _SCALAR.match(self._text, self._at)
            self._at = scalar.end() if scalar else len(self._text)
            return
        self._at += 1
        index = 0
        while (sign := self._next()) and sign not in "]}":
            before = self._at
            if sign == ",":
                self._at += 1
                index += 1
            elif opening == "{":
                self._pair(place)
            else:
                self._found.setdefault((*place, index), (self._at, self._at))
                self._value((*place, index))
            if self._at == before:
                return
        self._at += 1


def syntax(error: Exception) -> tuple[Position, str]:
    """Position and message of a tomllib error."""
    found = _AT.search(str(error))
    at = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    return at, _AT.sub("", str(error)).strip()
