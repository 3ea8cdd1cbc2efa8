"""`stage` and `stages`: groups of checks, run in parallel as far as needs and the budget allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from seatrial.model.result import Outcome
from seatrial.model.scenario import Outputs, StepPlan
from seatrial.preflight.executors.image_store import ImageLimits, collect, let_go
from seatrial.preflight.job import Job
from seatrial.preflight.services import Services
from seatrial.preflight.system import pipeline_of
from seatrial.registry import step
from seatrial.spi import Context
from seatrial.steps.parallel import Together, judged


@step("stage")
@dataclass(frozen=True, kw_only=True)
class StageStep:
    """Run the checks of a stage; each starts after its needs passed and when the budget has room."""

    steps: tuple[StepPlan, ...]
    fail_fast: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Skipped checks by id, each with the reason."""

    async def run(self, ctx: Context) -> Outputs:
        """StepStopped with the worst verdict of the checks. Outputs: `passed` (how many)."""
        return judged(self.steps, await _InRoom(ctx, self).run(), _reason)


@step("stages")
@dataclass(frozen=True, kw_only=True)
class Stages:
    """Run the stages of a pipeline, each after its needed stages passed."""

    steps: tuple[StepPlan, ...]
    fail_fast: bool = False
    images: ImageLimits = field(default_factory=ImageLimits)
    """How many built images to keep."""

    async def run(self, ctx: Context) -> Outputs:
        """StepStopped with the worst verdict of the stages. Outputs: `passed` (how many)."""
        try:
            outcomes = await Together(ctx, self.steps, self.fail_fast).run()
        finally:
            await pipeline_of(ctx).part(Services).end(ctx)
            await pipeline_of(ctx).end()
            used = let_go(ctx)
        if used:
            await collect(ctx, self.images)
        return judged(self.steps, outcomes, _reason)


class _InRoom(Together):
    """Reserve the budget before the check begins, so waiting does not count for its time and timeout."""

    def __init__(self, ctx: Context, stage: StageStep) -> None:
        super().__init__(ctx, stage.steps, stage.fail_fast)
        self._left_out = stage.left_out

    def _why_not(self, child: StepPlan) -> str:
        return self._left_out.get(child.id) or super()._why_not(child)

    def _turn(self, child: StepPlan) -> AbstractAsyncContextManager[None]:
        job: Job = child.fields["job"]
        check = job.check
        return pipeline_of(self._ctx).room.take(1.0 if check.cpus is None else check.cpus, check.memory_gb)


def _reason(bad: Sequence[tuple[StepPlan, Outcome]]) -> str:
    errors = [outcome.error if child.kind == "stage" else f"{child.id}: {outcome.error}" for child, outcome in bad]
    return "; ".join(errors)
