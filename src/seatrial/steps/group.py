"""`group`: child steps in order, with steps that undo them and steps that always run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from seatrial.errors import StepStopped
from seatrial.model.result import Outcome, Verdict, worst
from seatrial.model.scenario import Outputs, StepPlan
from seatrial.registry import step
from seatrial.spi import Context
from seatrial.steps import graph
from seatrial.steps.shield import finish, to_its_end

Ended = tuple[str, StepPlan, Outcome]
"""A step of `rollback` or `finally` that did not pass: the block, the step, how it ended."""

PATIENCE = 30.0
"""Seconds that `rollback` and `finally` have at least when the group is cancelled (timeout, Ctrl-C)."""


@step("group")
@dataclass(frozen=True, kw_only=True)
class Group:
    """Run child steps in order; when one does not pass, `rollback`; whatever happens, `finally`."""

    steps: tuple[StepPlan, ...] = field(metadata={"doc": "The child steps."})
    rollback: tuple[StepPlan, ...] = field(
        default=(),
        metadata={"doc": "Run when the group did not pass: the last one first, each whatever the others did."},
    )
    finally_: tuple[StepPlan, ...] = field(
        default=(),
        metadata={"doc": "Run at the end, always, also when the group is cancelled: each whatever the others did."},
    )

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """There is something to do."""
        if not self.steps:
            yield "steps", "at least one step is needed"

    async def run(self, ctx: Context) -> Outputs | None:
        """StepStopped with the verdict of the child that did not pass; of `finally` when all else passed."""
        patience = max(PATIENCE, ctx.deadline("restart"))
        try:
            await ctx.run(self.steps)
        except asyncio.CancelledError:
            after = asyncio.create_task(self._after(ctx, passed=False))
            if not await finish(after, patience):
                ctx.log(f"rollback and finally were cut short after the group was cancelled ({patience:g} s)", "error")
            raise
        except Exception as error:
            bad = await to_its_end(self._after(ctx, passed=False), patience)
            if isinstance(error, StepStopped):
                raise _added(error, bad) from error
            raise
        bad = await to_its_end(self._after(ctx, passed=True), patience) if self.finally_ else []
        if not self.finally_:
            ctx.skip(self.rollback, "the group passed")
        if bad:
            raise _only(bad)
        return None

    async def _after(self, ctx: Context, *, passed: bool) -> list[Ended]:
        if passed:
            ctx.skip(self.rollback, "the group passed")
            undone = []
        else:
            undone = await _all(ctx, "rollback", self.rollback[::-1])
        return undone + await _all(ctx, "finally", self.finally_)


async def _all(ctx: Context, block: str, steps: Sequence[StepPlan]) -> list[Ended]:
    """Run each, whatever the others did; those that did not pass."""
    ended = [(block, child, await ctx.attempt(child)) for child in steps]
    return [one for one in ended if one[2].verdict is not Verdict.PASSED]


def _told(bad: Sequence[Ended]) -> str:
    return "; ".join(f"{block}: {graph.name(child)}: {outcome.error}" for block, child, outcome in bad)


def _evidence(bad: Sequence[Ended]) -> list[str]:
    return [outcome.evidence for _, _, outcome in bad if outcome.evidence]


def _added(error: StepStopped, bad: Sequence[Ended]) -> StepStopped:
    """The failure that stopped the group counts; what failed after it is added."""
    if not bad:
        return error
    evidence = "\n".join(filter(None, [error.evidence, *_evidence(bad)]))
    return StepStopped(f"{error}; then {_told(bad)}", failed=error.failed, category=error.category, evidence=evidence)


def _only(bad: Sequence[Ended]) -> StepStopped:
    verdict = worst(outcome.verdict for _, _, outcome in bad)
    first = next(outcome for _, _, outcome in bad if outcome.verdict is verdict)
    evidence = "\n".join(_evidence(bad))
    return StepStopped(_told(bad), failed=verdict is Verdict.FAILED, category=first.category, evidence=evidence)
