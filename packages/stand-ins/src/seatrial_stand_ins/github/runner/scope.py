"""Steps of one list see each other through their scope; an action sees the steps of its job through `StepRunner`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from seatrial.links.forge.workflows.expressions import ExpressionError, Function, render
from seatrial.links.forge.workflows.workflow import Step
from seatrial_stand_ins.github.runner.calls import Host
from seatrial_stand_ins.github.runner.job_run import JobRun
from seatrial_stand_ins.github.seam import Conclusion


@dataclass(kw_only=True)
class Scope:
    """The shared scope of steps: those of the job, or those of one use of a composite action."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Variables besides the job's: those of the step using the action."""
    inputs: Mapping[str, Any]
    steps: dict[str, Any] = field(default_factory=dict)
    failed: bool = False
    cancelled: bool = False
    """A step was interrupted."""
    action: Mapping[str, str] = field(default_factory=dict)
    """The action's additions to `github`: `action_path`, …"""
    depth: int = 0


class StepRunner(Host, Protocol):
    """The steps of a job, as an action uses them."""

    here: JobRun

    async def one(self, step: Step, scope: Scope) -> Conclusion: ...

    def due(self, step: Step, scope: Scope) -> bool: ...

    def leave(
        self, step: Step, scope: Scope, outcome: Conclusion, conclusion: Conclusion, outputs: Mapping[str, str]
    ) -> None: ...

    def contexts(self, scope: Scope, more: Mapping[str, str] | None = None) -> dict[str, Any]: ...

    def functions(self, scope: Scope) -> Mapping[str, Function]: ...

    def environment(self, scope: Scope, own: Mapping[str, str]) -> dict[str, str]: ...


def title(step: Step, contexts: Mapping[str, Any]) -> str:
    """GitHub's name for a step without a name."""
    if step.uses:
        return f"Run {step.uses}"
    lines = step.run.strip().splitlines() or [""]
    try:
        first = render(lines[0], contexts) if contexts else lines[0]
    except ExpressionError:
        first = lines[0]
    return f"Run {first.splitlines()[0] if first else ''}".strip()
