"""Filling in: each expression is evaluated once, and its value is data from then on.

A plain path (`steps.deploy.outputs.web_ip`, `nodes['n11'].ports.client`) and `true` and `false` are evaluated here;
anything else is CEL. Its library is loaded only then. Expressions with a loop or a regular expression may take
for ever over other people's text: see `confined`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from enum import Enum
from pathlib import PurePath
from typing import Any, TypeVar

from seatrial.errors import CannotTell, nearest
from seatrial.expressions import confined
from seatrial.expressions.text import (
    DOLLAR,
    WORDS,
    Deferred,
    Hole,
    Path,
    plain_path,
    quoted,
    read,
    references,
    strip,
    templated,
    texts,
)
from seatrial.expressions.worker import cel_library
from seatrial.model.values import CutText
from seatrial.model.written import WrittenFloat, WrittenInt, plain_number

T = TypeVar("T")
OURS = ("E2E_", "SEATRIAL_")
"""How variables begin that a trial sets by itself."""
Names = Mapping[str, object]

SMALL = 100_000
"""Characters and values that an expression may join in Seatrial's own process."""

_SLOW = re.compile(r"\b(?:all|exists|exists_one|map|filter|matches)\s*\(")
"""The macros and the function of CEL whose time is more than a multiple of their values' size."""

_IPV6 = re.compile(r"[0-9A-Fa-f:]+(?:\.\d+){0,3}(?:%[\w.-]+)?")
_URL_BEGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/\s@\[]*@)?$")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_PORT = re.compile(r":\d*")


def bind(value: Any, names: Names) -> Any:
    """Fill in a string or a structure; CannotTell when a value is missing. One `${{ x }}` alone keeps its type."""
    if isinstance(value, Deferred):
        return _filled_but(value, names)
    if isinstance(value, str):
        return _bind_text(value, names) if "$" in value else value
    if isinstance(value, Mapping):
        return {bind(key, names): bind(one, names) for key, one in value.items()} if templated(value) else value
    if isinstance(value, list | tuple):
        return type(value)(bind(one, names) for one in value) if templated(value) else value
    return value


def fill_deferred(value: str, names: Names) -> str:
    """A deferred text with the rest of its expressions filled in; any other text is data and stays unchanged."""
    return as_text(_bind_text(str(value), names)) if isinstance(value, Deferred) else value


def fill_but(text: str, names: Names, stays: Callable[[Hole], bool], given: Callable[[str], str] = quoted) -> str:
    """The text with all but some of its expressions filled in: a text to fill in later, with everything else as data.
    `given` quotes the data."""
    made, data = "", ""  # neighbours are quoted as one: `$` and `{{` may come from two of them
    parts = read(text).parts
    for at, part in enumerate(parts):
        if isinstance(part, Hole) and stays(part):
            made, data = made + given(data) + part.written, ""
        else:
            data += _inside(parts, at, as_text(_value(part, names))) if isinstance(part, Hole) else part
    return made + given(data)


def _filled_but(text: Deferred, names: Names) -> Deferred:
    def stays(hole: Hole) -> bool:
        return hole.expression == DOLLAR or any(path[0] in text.names for path in references(hole.expression))

    made = Deferred(fill_but(text, names, stays))
    made.names = text.names
    return made


def _bind_text(text: str, names: Names) -> Any:
    written = read(text)
    if written.alone is not None:
        return evaluate(written.alone.expression, names)
    # A value is data: it is never evaluated as an expression.
    parts = written.parts
    return "".join(
        _inside(parts, at, as_text(_value(part, names))) if isinstance(part, Hole) else part
        for at, part in enumerate(parts)
    )


def _inside(parts: Sequence[str | Hole], at: int, value: str) -> str:
    """A value in its text: an IPv6 address as the host of a URL, or of a `HOST:PORT`, needs brackets there."""
    if value.count(":") < 2 or not _IPV6.fullmatch(value):
        return value
    before, after = (parts[side] if 0 <= side < len(parts) else "" for side in (at - 1, at + 1))
    if isinstance(before, str) and _URL_BEGIN.search(before):
        return f"[{value}]"
    alone = at == 0 and isinstance(after, str) and len(parts) == (3 if after == ":" else 2)
    return f"[{value}]" if alone and _PORT.fullmatch(str(after)) else value


def _value(hole: Hole, names: Names) -> Any:
    path = plain_path(hole.expression)
    if path and not hole.braced:
        return _follow(path, hole.written, names)
    return evaluate(hole.expression, names)


def as_text(value: object) -> str:
    """A value inside a longer text: JSON's words, an empty text for null, JSON for structures."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | Mapping | list | tuple):
        return _json(value)
    return str(value)


def _json(value: object) -> str:
    """A structure as JSON, its numbers as they were written."""
    if isinstance(value, WrittenInt | WrittenFloat):
        return value.text if _JSON_NUMBER.fullmatch(value.text) else json.dumps(plain(value))
    if isinstance(value, Mapping):
        items = (f"{json.dumps(str(key), ensure_ascii=False)}: {_json(one)}" for key, one in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_json, value))}]"
    return json.dumps(plain(value), ensure_ascii=False)


def plain(value: object) -> Any:
    """A structure of dicts, lists and scalars, as in JSON and CEL."""
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return plain_number(value)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | Set):
        return [plain(one) for one in value]
    return str(value) if isinstance(value, PurePath) else value


def evaluate(expression: str, names: Names) -> Any:
    """The value of an expression; CannotTell when it cannot be evaluated. A slow one holds up everything else until its
    limit: await `evaluate_apart` where you can."""
    text = strip(expression)
    if (known := _read_off(text, names)) is not None:
        return known[0]
    values = _values(text, names)
    with _no_value(text):
        return plain(program(text).execute(values) if _is_quick(text, values) else confined.evaluate_now(text, values))


async def evaluate_apart(expression: str, names: Names) -> Any:
    """As `evaluate`; whatever may take long runs in a process of its own, and everything else goes on."""
    text = strip(expression)
    if (known := _read_off(text, names)) is not None:
        return known[0]
    values = _values(text, names)
    with _no_value(text):
        if _is_quick(text, values):
            return plain(program(text).execute(values))
        return plain(await confined.evaluate(text, values))


async def fill_apart(given: object, fill: Callable[[], T]) -> T:
    """`fill()`, which evaluates the expressions in `given`: in a thread if one of them may take long."""
    return await confined.in_thread(fill) if slow_expressions(given) else fill()


def slow_expressions(given: object) -> list[str]:
    """Those in a text or a structure that may take long."""
    formulas = (hole.expression for text in texts(given) if "${{" in text for hole in read(text).holes)
    return [formula for formula in formulas if _loops(formula)]


def _read_off(text: str, names: Names) -> tuple[Any] | None:
    """The value of a word or a plain path; None for any other expression."""
    if text in WORDS:
        return (WORDS[text],)
    if text == DOLLAR:
        return ("$",)
    path = plain_path(text)
    return (_follow(path, text, names),) if path else None


def _values(text: str, names: Names) -> dict[str, Any]:
    for path in references(text):
        _require_whole(_reached(path, names), text)
    wanted = {str(one[0]) for one in references(text)}
    return {name: plain(names[name]) for name in wanted if name in names}


def _loops(text: str) -> bool:
    """Whether it has a loop or a regular expression."""
    return plain_path(text) is None and _SLOW.search(text) is not None


def _is_quick(text: str, values: object) -> bool:
    """Whether its time and memory can only be a small multiple of its values' size, and that is small where it joins
    them."""
    return not _loops(text) and ("+" not in text or _size(values) <= SMALL)


def _size(value: object) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_size, value.values())) + len(value)
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 1


@contextmanager
def _no_value(text: str) -> Iterator[None]:
    """The errors of CEL, as one that names the expression."""
    try:
        yield
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        why = str(error) if isinstance(error, confined.Refused) else f"{type(error).__name__}: {error}"
        raise _cannot(text, why) from error


def _follow(path: Path, text: str, names: Names) -> Any:
    value: Any = names
    for depth, part in enumerate(path):
        try:
            value = value[part]
        except (LookupError, TypeError):
            if path[:depth] == ("env",):
                raise _cannot(text, _unset(str(part))) from None
            held = ".".join(map(str, path[:depth]))
            there = sorted(map(str, value)) if isinstance(value, Mapping) else []
            why = f"{held or 'the scope'} has no {part!r}"
            close, _, _ = nearest(str(part), there, what=";").partition(";")
            raise _cannot(text, f"{why} ({close}it has: {', '.join(there) or 'nothing'})") from None
    _require_whole(value, text)
    return value


def _unset(name: str) -> str:
    """Why the environment has no variable of this name; the names of the others are not shown."""
    if name.startswith(OURS):
        return f"{name} is a variable of a trial, which has not begun here; a step `set` can use it"
    return f"the environment variable {name} is not set"


def _reached(path: Path, names: Names) -> object:
    """The value of a path as far as it goes."""
    value: Any = names
    for part in path:
        try:
            value = value[part]
        except (LookupError, TypeError):
            break
    return value if value is not names else None


def _require_whole(value: object, text: str) -> None:
    """CannotTell for a text that was cut, or a structure with one."""
    if isinstance(value, CutText):
        raise _cannot(text, f"of {value.whole} characters only the last ones were kept; print less, or write a file")
    for one in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        _require_whole(one, text)


def _cannot(text: str, why: str) -> CannotTell:
    error = CannotTell(f"the expression `{text}` has no value here: {why}")
    error.category = "test"
    return error


@functools.lru_cache(maxsize=4096)
def program(text: str) -> Any:
    """A compiled CEL expression; ValueError names the syntax error."""
    return cel_library(confined.cel_folder()).compile(text)
