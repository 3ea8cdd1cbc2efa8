"""Lists in parameters: every combination, every pair of values, or every value at least once."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.expressions import as_text

MOST = 10_000
"""Maximum number of suites from one matrix."""


def expand(parameters: Mapping[str, Any], method: str) -> list[dict[str, Any]]:
    """All combinations of the list parameters; ValueError if there are none or far too many."""
    axes = {name: value for name, value in parameters.items() if isinstance(value, list)}
    for name, values in axes.items():
        if not values:
            raise ValueError(f"the parameter {name!r} is an empty list: it gives no suite")
    sizes = [len(values) for values in axes.values()]
    if method == "full" and math.prod(sizes) > MOST:
        count = math.prod(sizes)
        raise ValueError(f"{count:,} combinations are too many (at most {MOST:,}); try `combinations: pairwise`")
    rows = {"full": _full, "pairwise": pairwise, "2-wise": pairwise, "each": _each, "1-wise": _each}[method](sizes)
    return [{name: values[at] for (name, values), at in zip(axes.items(), row, strict=True)} for row in rows]


def _full(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    return list(itertools.product(*map(range, sizes)))


def _each(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    return [tuple(row % size for size in sizes) for row in range(max(sizes, default=1))]


def pairwise(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Few rows with every pair of values of every two axes; the same rows every time."""
    if len(sizes) < 2:
        return _full(sizes)
    open_pairs = {
        ((left, a), (right, b))
        for left, right in itertools.combinations(range(len(sizes)), 2)
        for a in range(sizes[left])
        for b in range(sizes[right])
    }
    rows = []
    while open_pairs:
        row = _row(sizes, open_pairs)
        open_pairs -= set(itertools.combinations(enumerate(row), 2))
        rows.append(row)
    return rows


def _row(sizes: Sequence[int], open_pairs: set[Any]) -> tuple[int, ...]:
    """One more row: begun with an open pair, then the value closing the most pairs on each axis."""
    first, second = min(open_pairs)
    row = dict((first, second))
    for axis in sorted(set(range(len(sizes))) - set(row), key=lambda one: -sizes[one]):
        ranks = []
        for value in range(sizes[axis]):
            closed = sum(tuple(sorted(((axis, value), chosen))) in open_pairs for chosen in row.items())
            waiting = sum((axis, value) in pair for pair in open_pairs)
            ranks.append((closed, waiting, -value))
        row[axis] = -max(ranks)[2]
    return tuple(row[axis] for axis in range(len(sizes)))


def suffix(chosen: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
    """The suffix of a combination in the name of its suite: `-k=v` for every list of more than one value."""
    named = ((name, value) for name, value in chosen.items() if len(parameters[name]) > 1)
    return "".join(f"-{_clean(name)}={_clean(value)}" for name, value in named)


def _clean(value: object) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", "null" if value is None else as_text(value))[:60]
