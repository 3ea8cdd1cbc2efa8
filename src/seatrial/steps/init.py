"""`init`: prepare the system for deployment."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context


@step("init")
@dataclass(frozen=True, kw_only=True)
class Init:
    """Prepare the system for deployment without deploying it."""

    async def run(self, ctx: Context) -> Outputs | None:
        """StepFailed if the system could not be prepared."""
        await ctx.system.init(ctx)
        return None
