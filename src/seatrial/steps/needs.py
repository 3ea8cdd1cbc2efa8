"""The order of child steps with `needs`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seatrial.errors import nearest
from seatrial.model.graph import cycle
from seatrial.model.scenario import StepPlan


def broken(children: Sequence[StepPlan]) -> Iterable[str]:
    """Errors in the needs: unknown ids, duplicate ids, cycles."""
    ids = [child.id for child in children if child.id]
    for twice in sorted({one for one in ids if ids.count(one) > 1}):
        yield f"duplicate step id {twice!r}"
    known = True
    for child in children:
        for need in child.needs:
            if need not in ids:
                known = False
                yield f"{name(child)} needs {need!r}, but no step beside it has this id; {nearest(need, ids)}"
    if known:
        circle = cycle({child.id: child.needs for child in children if child.id})
        if circle:
            yield f"the steps need each other in a cycle: {' -> '.join(circle)}"


def name(child: StepPlan) -> str:
    """The name of a step in messages."""
    return f"{child.kind} {child.id!r}" if child.id else child.kind
