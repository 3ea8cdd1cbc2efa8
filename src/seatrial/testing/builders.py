"""Suites, steps and checks made from classes and functions, without a document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

from seatrial.model.result import Observation
from seatrial.model.scenario import CheckPlan, Location, Outputs, StepPlan, Suite, SystemPlan
from seatrial.testing.fakes import FakeSystem

HERE = "built in Python"
"""Used in place of the document's name."""

BLOCKS = {"steps": "steps", "rollback": "rollback", "finally_": "finally"}
"""Fields with child steps, in the order of `children`, and their names in a document."""


@dataclass(frozen=True, kw_only=True)
class Doing:
    """A step around a function."""

    function: Callable[[Any], Awaitable[Outputs | None]]

    async def run(self, ctx: Any) -> Outputs | None:
        return await self.function(ctx)


@dataclass(frozen=True, kw_only=True)
class Looking:
    """A check around a function."""

    function: Callable[[Any], Awaitable[Observation]]

    async def observe(self, ctx: Any) -> Observation:
        return await self.function(ctx)


def doing(function: Callable[[Any], Awaitable[Outputs | None]], **plan: Any) -> StepPlan:
    """A step to await this function of the context; `plan`: `id`, `retry`, `timeout` and so on."""
    kind = str(plan.pop("kind", getattr(function, "__name__", "doing")))
    return StepPlan(kind=kind, factory=Doing, fields={}, step=Doing(function=function), source=_source(), **plan)


def looking(function: Callable[[Any], Awaitable[Observation]], **plan: Any) -> CheckPlan:
    """A check to await this function of the context."""
    text = str(plan.pop("text", getattr(function, "__name__", "looking")))
    check = Looking(function=function)
    return CheckPlan(text=text, kind=text, factory=Looking, fields={}, check=check, source=_source(), **plan)


def step_plan(step: Any, **plan: Any) -> StepPlan:
    """The plan of a ready step (an instance); child steps in its fields are numbered as in a document."""
    kind = _kind(step, plan)
    children: list[StepPlan] = []
    if is_dataclass(step) and not isinstance(step, type):
        for field, block in BLOCKS.items():
            if hasattr(step, field):
                numbered = _numbered(getattr(step, field), block)
                step = replace(step, **{field: numbered})
                children += numbered
    plan = {"children": tuple(children), **plan}
    return StepPlan(kind=kind, factory=type(step), fields={}, step=step, source=_source(), **plan)


def check_plan(check: Any, **plan: Any) -> CheckPlan:
    """The plan of a ready check (an instance)."""
    kind = _kind(check, plan)
    text = str(plan.pop("text", kind))
    return CheckPlan(text=text, kind=kind, factory=type(check), fields={}, check=check, source=_source(), **plan)


def flow(*steps: StepPlan, name: str = "flow", system: Any = None, **suite: Any) -> Suite:
    """A suite of these steps on the fake provider and (unless `system` holds other settings) the fake system."""
    provider = str(suite.pop("provider", "fake"))
    settings = FakeSystem.Settings() if system is None else system
    given: Mapping[str, Any] = {
        "test_id": f"{provider}-workflow-{name}",
        "system": SystemPlan(
            kind="fake", factory=FakeSystem, settings=settings, source=_source("system"), folder=Path()
        ),
        "document_folder": Path(),
        "nodes": getattr(settings, "size", 1),
        **suite,
    }
    return Suite(name=name, provider=provider, source=_source(), steps=_numbered(steps, "steps"), **given)


def _kind(instance: Any, plan: dict[str, Any]) -> str:
    marks = getattr(type(instance), "__seatrial__", ())
    return str(plan.pop("kind", marks[0].name if marks else type(instance).__name__.lower()))


def _numbered(plans: tuple[StepPlan, ...], block: str) -> tuple[StepPlan, ...]:
    return tuple(replace(plan, source=_source(block, at)) for at, plan in enumerate(plans))


def _source(*path: str | int) -> Location:
    return Location(file=HERE, path=path)
