"""The order of child steps that need each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from seatrial.errors import nearest
from seatrial.model.scenario import StepPlan


def broken(children: Sequence[StepPlan]) -> Iterable[str]:
    """What is wrong with the needs: names that no child has, names that two have, circles."""
    ids = [child.id for child in children if child.id]
    for twice in sorted({one for one in ids if ids.count(one) > 1}):
        yield f"two of its steps have the id {twice!r}"
    known = True
    for child in children:
        for need in child.needs:
            if need not in ids:
                known = False
                yield f"{name(child)} needs {need!r}, which no step beside it has as id; {nearest(need, ids)}"
    if known:
        circle = find_circle({child.id: child.needs for child in children if child.id})
        if circle:
            yield f"its steps need each other in a circle: {' -> '.join(circle)}"


def find_circle(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """A way from a step back to itself, or nothing; no recursion, so that long chains are no problem."""
    done: set[str] = set()
    for start in needs:
        way: dict[str, list[str]] = {} if start in done else {start: list(needs[start])}
        while way:
            here, open_ = next(reversed(way.items()))
            if not open_:
                done.add(here)
                del way[here]
                continue
            there = open_.pop()
            if there in way:
                names = list(way)
                return [*names[names.index(there) :], there]
            if there not in done and there in needs:
                way[there] = list(needs[there])
    return []


def name(child: StepPlan) -> str:
    """How messages call a step."""
    return f"{child.kind} {child.id!r}" if child.id else child.kind
