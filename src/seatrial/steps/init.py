"""`init`: the system makes itself ready to be deployed."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context


@step("init")
@dataclass(frozen=True, kw_only=True)
class Init:
    """Make the system ready to be deployed; nothing is deployed yet."""

    async def run(self, ctx: Context) -> Outputs | None:
        """StepFailed when the system could not be made ready."""
        await ctx.system.init(ctx)
        return None
