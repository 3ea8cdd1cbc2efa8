"""`group`: child steps in order, with `rollback` steps and `finally` steps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from seatrial.errors import StepStopped
from seatrial.model.scenario import Outputs, StepPlan
from seatrial.registry import step
from seatrial.spi import Context
from seatrial.spi.concurrency import finish, finish_despite_cancel

Ended = tuple[str, StepStopped]
"""A step of `rollback` or `finally` without a pass: the block, and its result."""

PATIENCE = 30.0
"""Minimum time in seconds for `rollback` and `finally` when the group is cancelled (timeout, Ctrl-C)."""


@step("group")
@dataclass(frozen=True, kw_only=True)
class Group:
    """Run child steps in order; if one does not pass, `rollback`; in any case, `finally`."""

    child_names: ClassVar[tuple[str, ...]] = ("error",)
    """Additional name for expressions in the children: the error, empty without one."""

    steps: tuple[StepPlan, ...]
    """The child steps."""
    rollback: tuple[StepPlan, ...] = ()
    """Run these if the group did not pass: in reverse order, each regardless of the others' results."""
    finally_: tuple[StepPlan, ...] = ()
    """Run these at the end, even if the group is cancelled: each regardless of the others' results. A suite does not
    pass by these alone, only by checks in them."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if not self.steps:
            yield "steps", "at least one step is needed"

    async def run(self, ctx: Context) -> Outputs | None:
        """StepStopped with the verdict of the first child without a pass; of `finally` if all else passed."""
        patience = max(PATIENCE, ctx.deadline("restart"))
        try:
            await ctx.run(self.steps, error="")
        except asyncio.CancelledError:
            after = asyncio.create_task(self._after(ctx, "the group was cancelled"))
            if not await finish(after, patience):
                ctx.log(f"rollback and finally were cut short after the group was cancelled ({patience:g} s)", "error")
            raise
        except Exception as error:
            bad = await finish_despite_cancel(self._after(ctx, str(error) or type(error).__name__), patience)
            if bad and isinstance(error, StepStopped):
                raise _stopped(bad, error) from error
            raise
        if bad := await finish_despite_cancel(self._after(ctx, ""), patience):
            raise _stopped(bad)
        return None

    async def _after(self, ctx: Context, error: str) -> list[Ended]:
        """The steps of `rollback` (skipped without an error) and `finally` without a pass."""
        if not error:
            ctx.skip(self.rollback, "the group passed")
            return await _all(ctx, "finally", self.finally_, error)
        undone = await _all(ctx, "rollback", self.rollback[::-1], error)
        return undone + await _all(ctx, "finally", self.finally_, error)


async def _all(ctx: Context, block: str, steps: Sequence[StepPlan], error: str) -> list[Ended]:
    """Run each, regardless of the others' results; returns those without a pass. Expressions in them see `error`."""
    stopped: list[Ended] = []
    for child in steps:
        try:
            await ctx.run([child], tidies=True, error=error)
        except StepStopped as why:
            stopped.append((block, why))
    return stopped


def _stopped(bad: Sequence[Ended], error: StepStopped | None = None) -> StepStopped:
    """The failure at the origin counts, and later ones are added; without one, failed comes before unknown."""
    first = error or min((why for _, why in bad), key=lambda why: not why.failed)
    text = undone = "; ".join(f"{block}: {why}" for block, why in bad)
    every = ([error] if error else []) + [why for _, why in bad]
    evidence = "\n".join(why.evidence for why in every if why.evidence)
    text = f"{error}; then {text}" if error else text
    # `expect: failure` is about the steps: what fails after them is not the failure that was expected.
    unclear = "; ".join(filter(None, [error.unclear if error else "", undone]))
    return StepStopped(text, failed=first.failed, category=first.category, evidence=evidence, unclear=unclear)
