"""A secret as a sequence of numbers or single characters: dumps of many lines, arrays of bytes, spaced characters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from seatrial.engine.secret_words import MASK
from seatrial.engine.spellings import cased, spellings

FEWEST = 6
"""Bytes of the shortest secret that is looked for: fewer numbers match by accident."""

PART = 4
"""Numbers of an incomplete secret at a cut."""

PIECE = 64
"""Bytes that are looked for together; a longer secret is looked for in pieces."""

_OFFSET = r"(?:[0-9a-fA-F]{6,8}:?[ \t]+)?"
"""The address at the beginning of a line of `xxd`, `hexdump` and `od`."""

_GUTTER = r"(?:[ \t]{2,}[^\n]{1,18})?"
"""The characters at its end."""

_LINE = rf"{_GUTTER}[ \t]*\r?\n{_OFFSET}[ \t]*"


Units = list[str]
"""Patterns of the numbers or characters of a secret, in their order."""


def _bytes(form: Callable[[int], str]) -> Callable[[str], Iterator[Units]]:
    """One unit a byte."""
    return lambda secret: iter([[form(byte) for byte in _raw(secret)]])


def _words(form: Callable[[int], str]) -> Callable[[str], Iterator[Units]]:
    """One unit for two bytes, the second one first, as `od` and `hexdump` print by themselves; at both alignments."""

    def units(secret: str) -> Iterator[Units]:
        for raw in (_raw(secret), _raw(secret)[1:]):
            yield [form(second << 8 | first) for first, second in zip(raw[::2], raw[1::2], strict=False)]

    return units


def _hexadecimal(digits: int) -> Callable[[int], str]:
    return lambda number: cased(f"{number:0{digits}x}")


def _raw(secret: str) -> bytes:
    return secret.encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Code:
    """A way to write bytes or characters one by one."""

    units: Callable[[str], Iterator[Units]]
    between: str
    """What may stand between two units, besides the end of a line."""
    looks: re.Pattern[str]
    """What every text with enough of them has: a quick look."""
    edges: tuple[str, str] = (r"(?<![0-9])", r"(?![0-9])")
    """What must not stand before the first and behind the last."""
    shows: bool = False
    """Whether a line ends with the characters themselves."""


CODES = (
    Code(  # a dump of several lines; one line is a word in hexadecimal digits
        _bytes(_hexadecimal(2)), "[ ]{0,2}", re.compile(r"(?m)^[0-9a-fA-F]{6,8}:?[ \t]+[0-9a-fA-F]{2}"), ("", ""), True
    ),
    Code(_words(_hexadecimal(4)), "[ ]+", re.compile(r"[0-9a-fA-F]{4}[ ]+[0-9a-fA-F]{4}[ ]+[0-9a-fA-F]{4}"), ("", "")),
    Code(_words("{:06o}".format), "[ ]+", re.compile("[0-7]{6}[ ]+[0-7]{6}[ ]+[0-7]{6}")),
    Code(_bytes("{:08b}".format), "[ ]+", re.compile("[01]{8}[ ]+[01]{8}[ ]+[01]{8}"), shows=True),
    Code(_bytes(str), r"[\s,;&#\\]+", re.compile(r"\d{2,3}[\s,;&#\\]+\d{2,3}[\s,;&#\\]+\d{2,3}")),
    Code(
        _bytes("(?:0o?)?{:03o}".format), r"[\s,;&#\\]+",
        re.compile(r"[0-7]{3}[\s,;&#\\]+(?:0o?)?[0-7]{3}[\s,;&#\\]+(?:0o?)?[0-7]{3}"),
    ),
    Code(
        lambda secret: iter([list(map(spellings, secret))]), r"[ '\",]{1,5}",
        re.compile(r"[ '\",](?:\S[ '\",]{1,5}){3}\S[ '\",]"), ("", ""),
    ),
)  # fmt: skip


CHARACTERS = len(CODES) - 1
NUMBERS = re.compile(r"[0-9a-fA-F]{2,8}[\s,;&#\\]+(?:0o?)?[0-9a-fA-F]{2,8}[\s,;&#\\]+(?:0o?)?[0-9a-fA-F]{2,8}")
"""What every text has in which one of the other codes is: three numbers in a row."""


class Coded:
    """One secret, or a piece of it, in one code."""

    def __init__(self, code: Code, units: Units) -> None:
        self._code, self._units = code, units

    def hide(self, text: str) -> str:
        """The text without it, nor the characters at the end of the last line of a dump."""

        def masked(found: re.Match[str]) -> str:
            return MASK if self._code.shows and "\n" in found["all"] else f"{MASK}{self.hide(found['rest'])}"

        return self._whole.sub(masked, text)

    def occurs_in(self, text: str) -> bool:
        return self._whole.search(text) is not None

    def hide_beginning(self, text: str) -> str:
        """A text without the beginning of it at its end."""
        start = self.begins_at(text)
        return f"{text[:start]}{MASK}" if start < len(text) else text

    def hide_end(self, text: str) -> str:
        """A text without the end of it at its beginning."""
        found = self._ended.match(text)
        return f"{MASK}{text[found.end('all') :]}" if found else text

    def begins_at(self, text: str) -> int:
        """Where its beginning starts at the end of a text; else the length of the text."""
        at = max(0, len(text) - 12 * (len(self._units) + 20))
        found = self._begun.search(text, at)
        return found.start() if found else len(text)

    @cached_property
    def _between(self) -> str:
        return f"(?:{_LINE}|{self._code.between})"

    @cached_property
    def _whole(self) -> re.Pattern[str]:
        before, behind = self._code.edges
        units = self._between.join(self._units)
        return re.compile(rf"(?P<all>{before}{units}{behind})(?P<rest>[^\n]*)")

    @cached_property
    def _begun(self) -> re.Pattern[str]:
        pattern = ""
        for number, unit in reversed([*enumerate(self._units[:-1])]):
            rest = f"(?:{self._between}{pattern})" if pattern else ""
            pattern = f"{unit}{rest}{'?' if rest and number >= PART - 1 else ''}"
        return re.compile(rf"{self._code.edges[0]}{pattern}(?:{self._between}\w{{0,2}})?{_GUTTER}\s*\Z")

    @cached_property
    def _ended(self) -> re.Pattern[str]:
        pattern = ""
        for number, unit in enumerate(self._units[1:], 1):
            rest = f"(?:{pattern}{self._between})" if pattern else ""
            pattern = f"{rest}{'?' if rest and len(self._units) - number >= PART else ''}{unit}"
        return re.compile(rf"[^\n]{{0,6}}?(?P<all>{pattern}){self._code.edges[1]}")


def codes_in(text: str) -> list[int]:
    """The codes that a text may have, by their numbers; most texts have none."""
    wanted = range(len(CODES)) if NUMBERS.search(text) else (CHARACTERS,)
    return [number for number in wanted if CODES[number].looks.search(text)]


def coded(secret: str) -> Iterator[tuple[int, Coded]]:
    """A secret in all codes, each with the code's number."""
    if len(secret.strip()) < FEWEST:
        return
    for number, code in enumerate(CODES):
        for units in code.units(secret.strip()):
            for at in range(0, max(len(units) - PART, 1), PIECE):
                end = at + PIECE if at + PIECE + PART <= len(units) else len(units)
                if end - at > 2:
                    yield number, Coded(code, units[at:end])
