"""`wait`: for a time, or until an expression is true."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from seatrial.model.scenario import Outputs
from seatrial.model.values import Duration, Expression, Timeout
from seatrial.registry import step
from seatrial.spi import Context
from seatrial.spi.context import is_true
from seatrial.steps.power import none_failed
from seatrial.steps.wait_until import NotYet, wait_until

UNTIL = 300.0
"""Default timeout of `until` in seconds."""


@step("wait")
@dataclass(frozen=True, kw_only=True)
class Wait:
    """Wait for a duration, or until an expression is true."""

    decides: ClassVar[bool] = False
    """Only time has passed, or a value of the document was true."""

    for_: Duration | None = None
    """The duration."""
    until: Expression = Expression("")
    """A CEL expression to become true."""
    timeout: Timeout | None = None
    """Time limit; by default 5 minutes with `until`."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if (self.for_ is None) == (not self.until):
            yield "until" if self.until else "", "give exactly one of `for` (a duration) and `until` (an expression)"
        elif self.for_ is not None and self.timeout is not None and self.timeout < self.for_:
            why = f"the timeout of {self.timeout:g} s is shorter than `for` ({self.for_:g} s): it could never pass"
            yield "timeout", why

    async def run(self, ctx: Context) -> Outputs | None:
        """Overrun if `until` was never true, CannotTell if its last evaluation failed."""
        if self.for_ is not None:
            if self.for_ > 0:
                await asyncio.sleep(self.for_)
            return None

        async def look() -> bool:
            if not await is_true(ctx, self.until):
                if ctx.system.places_nodes:
                    await none_failed(ctx, await ctx.nodes())
                raise NotYet("it is false")
            return True

        await wait_until(ctx, look, deadline=UNTIL if self.timeout is None else self.timeout, what=f"`{self.until}`")
        return None
