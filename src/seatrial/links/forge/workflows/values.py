"""Values in GitHub's expressions: truth, numbers, texts, equality and order."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.links.forge.workflows.syntax import ExpressionError, number


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value unknown here: expressions may look into it, and using it raises UnknownValue."""

    name: str
    why: str = ""


class UnknownValue(ExpressionError):
    """An expression needs an unknown value."""

    def __init__(self, unknown: Unknown) -> None:
        super().__init__(f"`{unknown.name}` cannot be known here{f': {unknown.why}' if unknown.why else ''}")
        self.unknown = unknown


class Filtered(list[Any]):
    """The result of `*`: an index into it applies to each of its elements."""


class CaseSensitive(dict[str, Any]):
    """A context with case-sensitive names, as the environment has on Linux; all others ignore case."""


def known(value: Any) -> Any:
    """The value; UnknownValue if it is unknown."""
    if isinstance(value, Unknown):
        raise UnknownValue(value)
    return value


_KINDS: Sequence[tuple[Any, str]] = (
    (type(None), "null"), (bool, "boolean"), (int | float, "number"), (str, "string"), (Mapping, "object"),
    (Sequence, "array"),
)  # fmt: skip


def kind(value: Any) -> str:
    """`null`, `boolean`, `number`, `string`, `object` or `array`."""
    for types, name in _KINDS:
        if isinstance(known(value), types):
            return name
    raise ExpressionError(f"a value of Python's type {type(value).__name__} means nothing to GitHub's expressions")


def truth(value: Any) -> bool:
    """False, 0, NaN, the empty text and null are false; all else is true."""
    if kind(value) == "number":
        return value != 0 and not math.isnan(value)
    return kind(value) in ("object", "array") or bool(value)


def as_number(value: Any) -> float:
    """A value where a number is needed; NaN when it is not a number."""
    match kind(value):
        case "null":
            return 0.0
        case "boolean" | "number":
            return float(value)
        case "string":
            return number(value)
        case _:
            return math.nan


def as_text(value: Any) -> str:
    """A value used as text; lists and mappings become only the name of their type."""
    match kind(value):
        case "null":
            return ""
        case "boolean":
            return "true" if value else "false"
        case "number":
            return _number_text(value)
        case "string":
            return str(value)
        case other:
            return other.capitalize()


def _number_text(value: float) -> str:
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else _number_text(float(value))
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return format(value, ".15G") if value else "0"


def primitive(value: Any) -> bool:
    """Whether it is neither a list nor a mapping."""
    return kind(value) not in ("object", "array")


def _comparable(left: Any, right: Any) -> tuple[Any, Any] | None:
    """Both as one kind, as GitHub makes them; None: they have no order."""
    if not (primitive(left) and primitive(right)):
        return None
    if kind(left) != kind(right) or left is None:
        return as_number(left), as_number(right)
    return (_upper(left), _upper(right)) if isinstance(left, str) else (left, right)


def equal(left: Any, right: Any) -> bool:
    """Loose equality: texts without their case, different kinds as numbers, lists and mappings only if they are one."""
    pair = _comparable(left, right)
    return left is right if pair is None else bool(pair[0] == pair[1])


def less(left: Any, right: Any) -> bool:
    """Whether the left is before the right; values without an order are not."""
    pair = _comparable(left, right)
    return pair is not None and bool(pair[0] < pair[1])


def _upper(text: str) -> str:
    # Character by character, so that no text gets longer: `ß` is not `SS` to GitHub, and `ı` is not `I`.
    return (
        text.upper()
        if text.isascii()
        else "".join(one.upper() if len(one.upper()) == 1 and one not in "ıſ" else one for one in text)
    )


def look(value: Any, key: Any) -> Any:
    """An element by name or number; null when it does not exist."""
    if isinstance(value, Unknown):
        return Unknown(f"{value.name}.{as_text(key)}", value.why)
    if isinstance(value, Filtered):
        return Filtered(found for one in value if (found := look(one, key)) is not None)
    match kind(value):
        case "object":
            return _member(value, as_text(key)) if primitive(key) else None
        case "array":
            at = as_number(key)
            return value[int(at)] if 0 <= at < len(value) else None
        case _:
            return None


def _member(value: Mapping[str, Any], name: str) -> Any:
    if name in value:
        return value[name]
    if isinstance(value, CaseSensitive):
        return None
    folded = _upper(name)
    return next((one for key, one in value.items() if _upper(str(key)) == folded), None)


def elements(value: Any) -> Any:
    """`*`: all elements of a list, all values of a mapping; applied to an earlier `*`, those of each element."""
    if isinstance(value, Unknown):
        return Unknown(f"{value.name}.*", value.why)
    if isinstance(value, Filtered):
        return Filtered(one for part in value if not primitive(part) for one in elements(part))
    match kind(value):
        case "object":
            return Filtered(value.values())
        case "array":
            return Filtered(value)
        case _:
            return Filtered()


def to_json(value: Any) -> str:
    """JSON as GitHub prints it: two spaces, numbers without a needless `.0`."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False)


def _plain(value: Any) -> Any:
    match kind(value):
        case "object":
            return {str(key): _plain(one) for key, one in value.items()}
        case "array":
            return [_plain(one) for one in value]
        case "number" if isinstance(value, float):
            return int(value) if value.is_integer() and abs(value) < 10**15 else value if math.isfinite(value) else None
        case _:
            return value


def _constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def from_json(text: str) -> Any:
    """The value of a JSON text; ExpressionError when it is not JSON."""
    if not text.strip():
        raise ExpressionError("fromJSON was given an empty text")
    try:
        return json.loads(text, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise ExpressionError(f"fromJSON was given invalid JSON: {error}") from None
