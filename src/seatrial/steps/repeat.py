"""`repeat`: child steps in rounds, for soak tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from seatrial.errors import Overrun, StepStopped
from seatrial.model.scenario import Outputs, StepPlan
from seatrial.model.values import Duration, Expression
from seatrial.registry import step
from seatrial.spi import Context
from seatrial.spi.context import is_true


@step("repeat")
@dataclass(frozen=True, kw_only=True)
class Repeat:
    """Run child steps in rounds until the first limit is reached; a round without a pass stops it."""

    child_names: ClassVar[tuple[str, ...]] = ("round",)
    expression_names: ClassVar[tuple[str, ...]] = ("round",)
    """Additional name for expressions in the children and in `until`: the number of the round, from 1."""

    steps: tuple[StepPlan, ...]
    """The steps of one round; expressions in them see `round`."""
    times: int | None = None
    """Maximum number of rounds."""
    until: Expression = Expression("")
    """A CEL expression, evaluated after each round: true ends the step. It fails if another limit is reached first."""
    for_: Duration | None = None
    """No new round starts after this time."""
    delay: Duration = Duration(0.0)
    """The pause between two rounds."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if not self.steps:
            yield "steps", "at least one step is needed"
        if self.times is None and not self.until and self.for_ is None:
            yield "", "it would never end: give one or more of `times`, `until` and `for`"
        if isinstance(self.times, int) and self.times < 1:
            yield "times", f"invalid number of rounds {self.times}; allowed: 1 or more"

    async def run(self, ctx: Context) -> Outputs:
        """Overrun if `until` was not true before another limit. Outputs: `rounds`, `duration` (seconds)."""
        clock = asyncio.get_running_loop().time
        start, round_ = clock(), 0
        while True:
            round_ += 1
            await self._round(ctx, round_)
            spent = clock() - start
            if self.until and await is_true(ctx, self.until, round=round_):
                break
            if self._over(round_, spent):
                if self.until:
                    raise Overrun(f"`{self.until}` is still false after {round_} rounds, {spent:.3g} s")
                break
            # Even with no delay: rounds without a pause must not block timeouts and Ctrl-C.
            await asyncio.sleep(self.delay if self.for_ is None else min(self.delay, self.for_ - spent))
            if self.for_ is not None and clock() - start >= self.for_ and not self.until:
                break
        return {"rounds": round_, "duration": round(clock() - start, 6)}

    async def _round(self, ctx: Context, number: int) -> None:
        try:
            await ctx.run(self.steps, label=f"#{number}", round=number)
        except StepStopped as error:
            text = f"round {number}: {error}"
            raise StepStopped(
                text, failed=error.failed, category=error.category, evidence=error.evidence, unclear=error.unclear
            ) from error

    def _over(self, rounds: int, spent: float) -> bool:
        return (self.times is not None and rounds >= self.times) or (self.for_ is not None and spent >= self.for_)
