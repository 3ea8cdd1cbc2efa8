"""JSON with the json module; positions come from a scan of the text, done only for an error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from seatrial.loading.read.positions import Flawed, Mark, Place, Position
from seatrial.model.written import written

_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")\s*:|("(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s{}\[\],:"]+)', re.DOTALL)
"""A key with its colon, or the first token of a value, or the end of a container; commas tell nothing more."""
_LINE_END = re.compile("\n")
_CLOSING = ("}", "]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class _Oddity(Exception):
    """A flaw accepted by the json module but not by Seatrial: found while parsing, located afterwards."""


def parse(text: str) -> Any:
    """The data of a JSON text; Flawed for syntax errors, duplicate keys, NaN, half characters."""
    if not text.strip():
        raise Flawed(((1, 1), "the document is empty", 'write at least {"test_suites": {…}}'))
    try:
        data = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=number, parse_int=number
        )
    except json.JSONDecodeError as error:
        raise Flawed(((error.lineno, error.colno), f"invalid JSON: {error.msg}", _hint(text, error.pos))) from None
    except _Oddity:
        raise Flawed(*_flaws(text)) from None
    except ValueError as error:  # an integer with too many digits for Python
        raise Flawed(((1, 1), f"invalid JSON: {error}", "")) from None
    if "\\ud" in text or "\\uD" in text:
        flaws = [flaw for flaw in _flaws(text) if flaw[1].startswith("half")]
        if flaws:
            raise Flawed(*flaws)
    return data


def marks(text: str) -> Iterator[tuple[Place, Mark]]:
    """The position of every value and key of a valid JSON text."""
    return ((place, Mark(value, key)) for place, value, key, _ in _walk(text))


def number(text: str) -> Any:
    """A number with its writing. ValueError when it is too large."""
    value = int(text) if text.lstrip("-").isdigit() else float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:40]} is too large")
    return written(value, text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Oddity
    return made


def _constant(_name: str) -> Any:
    raise _Oddity


def _hint(text: str, at: int) -> str:
    here = text[at:].lstrip()
    if here.startswith(("//", "#", "/*")):
        return "JSON has no comments; use YAML if you need them"
    if here.startswith("'"):
        return "JSON uses double quotes only"
    if text[:at].rstrip().endswith(",") and here[:1] in ("", "]", "}"):
        return "JSON allows no comma after the last item"
    if re.match(r"(True|False|None)\b", here):
        return "JSON writes true, false and null"
    if not here:
        return "the text ends before every bracket is closed"
    return "is a `,` missing between two items?" if here[0] in '"{[' else ""


def _flaws(text: str) -> list[tuple[Position, str, str]]:
    """Duplicate keys, NaN and Infinity, and half surrogate pairs, each with its position."""
    flaws: list[tuple[Position, str, str]] = []
    seen: dict[Place, Position] = {}
    for place, value, key, token in _walk(text):
        if place in seen and isinstance(place[-1], str):
            flaws.append((key, f"duplicate key {place[-1]!r}", f"the first is on line {seen[place][0]}"))
        seen.setdefault(place, key)
        if token.lstrip("-") in ("NaN", "Infinity"):
            flaws.append((value, f"{token} is not a JSON number", "write a number, or null"))
        names = [place[-1]] if place and isinstance(place[-1], str) else []
        texts = [*names, json.loads(token)] if token.startswith('"') else names
        if any(_SURROGATE.search(str(one)) for one in texts):
            hint = "write both halves, or the character itself"
            flaws.append((value, "half a surrogate pair is not a character", hint))
    return flaws


def _walk(text: str) -> Iterator[tuple[Place, Position, Position, str]]:
    """Place, position, position of the key, and first token of every value, in the order of the text; it is JSON."""
    starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
    line, last = 0, len(starts) - 1
    stack: list[Any] = []  # for each open container the key or index of its last item
    keys: list[Position | None] = []  # and the position of its last key; None in a list
    for match in _TOKEN.finditer(text):
        key, token = match.groups()
        at = match.start()
        while line < last and starts[line + 1] <= at:
            line += 1
        here = (line + 1, at - starts[line] + 1)
        if key is not None:
            stack[-1], keys[-1] = json.loads(key) if "\\" in key else key[1:-1], here
        elif token in _CLOSING:
            stack.pop(), keys.pop()
        else:
            if keys and keys[-1] is None:
                stack[-1] += 1
            yield tuple(stack), here, (keys[-1] if keys else None) or here, token
            if token == "{":
                stack.append(None)
                keys.append((0, 0))
            elif token == "[":
                stack.append(-1)
                keys.append(None)
