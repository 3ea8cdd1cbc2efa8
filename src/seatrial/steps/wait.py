"""`wait`: for a time, or until something holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from seatrial.errors import CannotTell
from seatrial.model.scenario import Outputs
from seatrial.model.values import Duration, Expression
from seatrial.registry import step
from seatrial.spi import Context
from seatrial.steps.power import none_failed
from seatrial.steps.wait_until import NotYet, wait_until

UNTIL = 300.0
"""Seconds that `until` may take where the document does not say."""


@step("wait")
@dataclass(frozen=True, kw_only=True)
class Wait:
    """Wait for a duration, or until an expression holds."""

    for_: Duration | None = None
    """How long."""
    until: Expression = Expression("")
    """A CEL expression that has to become true."""
    timeout: Duration | None = None
    """How long it may take; 5 minutes where `until` has none."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """Exactly one of the two."""
        if (self.for_ is None) == (not self.until):
            yield "until" if self.until else "", "name exactly one of `for` (a duration) and `until` (an expression)"
        elif self.for_ is not None and self.timeout is not None and self.timeout < self.for_:
            yield (
                "timeout",
                f"{self.timeout:g} s end before the {self.for_:g} s of `for`: it could never pass",
            )

    async def run(self, ctx: Context) -> Outputs | None:
        """Overrun when `until` never held, CannotTell when at the end it could not be worked out."""
        if self.for_ is not None:
            if self.for_ > 0:
                await asyncio.sleep(self.for_)
            return None

        async def look() -> bool:
            value = await ctx.evaluate(self.until)
            if not isinstance(value, bool):
                raise CannotTell(f"it gave {value!r}, neither true nor false")
            if not value:
                if ctx.system.places_nodes:
                    await none_failed(ctx, await ctx.nodes())
                raise NotYet("it is false")
            return True

        await wait_until(ctx, look, deadline=UNTIL if self.timeout is None else self.timeout, what=f"`{self.until}`")
        return None
