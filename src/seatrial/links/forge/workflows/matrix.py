"""The jobs made from one job by `strategy.matrix`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from seatrial.links.forge.workflows import values
from seatrial.links.forge.workflows.syntax import ExpressionError

MOST = 256
"""GitHub's limit of jobs from one matrix."""


def expand(matrix: Any) -> list[dict[str, Any]]:
    """Every combination, without those of `exclude`, with those of `include`, merged as GitHub merges them.

    An entry of `include` is added to each combination whose original values it does not overwrite; if there is none, it
    is a combination of its own. No matrix is one job without values. ExpressionError for an invalid matrix.
    """
    if matrix is None:
        return [{}]
    if not isinstance(matrix, Mapping):
        raise ExpressionError(f"a matrix must be a mapping, not a {values.kind(matrix)}")
    axes = {str(key): one for key, one in matrix.items() if key not in ("include", "exclude")}
    for key, one in axes.items():
        if not isinstance(one, list) or not one:
            raise ExpressionError(f"the matrix key {key!r} must be a list with at least one value")
    include, exclude = (_entries(matrix, key) for key in ("include", "exclude"))
    plain = [dict(zip(axes, found, strict=True)) for found in itertools.product(*axes.values())] if axes else []
    plain = [one for one in plain if not any(_matches(one, entry) for entry in exclude)]
    made = [dict(one) for one in plain]
    for entry in include:
        hit = False
        for original, one in zip(plain, made, strict=False):
            if all(key not in original or _same(original[key], value) for key, value in entry.items()):
                one.update(entry)
                hit = True
        if not hit:
            made.append(dict(entry))
    if not made:
        raise ExpressionError("the matrix has no combination left")
    if len(made) > MOST:
        raise ExpressionError(f"the matrix makes {len(made)} jobs; GitHub makes at most {MOST}")
    return made


def title(combination: Mapping[str, Any]) -> str:
    """How GitHub names a job of a matrix: its values in brackets."""
    shown = [_shown(one) for one in combination.values()]
    return f"({', '.join(shown)})" if shown else ""


def _shown(value: Any) -> str:
    if values.primitive(value):
        return values.as_text(value)
    parts = value.values() if isinstance(value, Mapping) else value
    return ", ".join(map(_shown, parts))


def _entries(matrix: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = matrix.get(key) or []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise ExpressionError(f"`{key}` of a matrix must be a list of mappings")
    return found


def _matches(combination: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    return bool(entry) and all(key in combination and _same(combination[key], one) for key, one in entry.items())


def _same(left: Any, right: Any) -> bool:
    if values.primitive(left) and values.primitive(right):
        return values.equal(left, right)
    return bool(left == right)
