"""Plain scalars of YAML 1.2: null, true, false and numbers in the core schema."""

from __future__ import annotations

import re

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_ENDLESS = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_BASES = {"0o": 8, "0x": 16}


def core_value(text: str) -> str | bool | int | float | None:
    """The value of a plain scalar. ValueError when a number is too large or not finite."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INT.fullmatch(text):
        try:
            return int(text[2:], _BASES[text[:2]]) if text[:2] in _BASES else int(text)
        except ValueError:
            raise ValueError(f"the number {text[:40]}… has too many digits") from None
    if _FLOAT.fullmatch(text):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise ValueError(f"the number {text[:40]} is too large")
        return value
    if _ENDLESS.fullmatch(text):
        raise ValueError(f"{text} is not a finite number")
    return text
