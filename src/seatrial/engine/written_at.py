"""The place of a pattern or an expression in the documents, for one that reached its limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from seatrial.expressions import texts
from seatrial.model.scenario import CheckPlan, Location, StepPlan, Suite


def written_at(suite: Suite, text: str) -> Location:
    """Where the suite has it; its system's settings are the last guess."""
    for plan in _plans(suite.steps):
        for key, value in plan.fields.items():
            if any(text in one for one in texts(value)):
                return replace(plan.source, path=(*plan.source.path, key))
        if isinstance(plan, StepPlan) and any(text in one for one in (plan.condition, *plan.outputs.values())):
            return plan.source
    return suite.system.source


def _plans(steps: Sequence[StepPlan]) -> Iterator[StepPlan | CheckPlan]:
    """Every step and check, the inner ones before the outer ones: these hold the texts of theirs."""
    for step in steps:
        yield from _plans(step.children)
        for value in step.fields.values():
            if isinstance(value, tuple):
                yield from (one for one in value if isinstance(one, CheckPlan))
        yield step
