"""JSON that another program printed or sent."""

from __future__ import annotations

import json
from typing import Any


def loads(text: str | bytes, **options: Any) -> Any:
    """The value; `options` are those of `json.loads`. ValueError when it is not JSON, when it has NaN, which no
    comparison measures, or when a name stands twice in one object, since either value may be the true one."""
    return json.loads(text, object_pairs_hook=_once, **{"parse_constant": _constant, **options})


def _constant(name: str) -> float:
    if name == "NaN":
        raise ValueError("NaN is not a value of JSON")
    return float(name)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in found if names.count(name) > 1)!r} stands twice in one object")
    return found
