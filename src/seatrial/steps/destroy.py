"""`destroy`: remove the system and its nodes."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context
from seatrial.spi.concurrency import for_each
from seatrial.steps.targets import to_outputs
from seatrial.steps.wait_until import Deadline


@step("destroy")
@dataclass(frozen=True, kw_only=True)
class Destroy:
    """Remove the system and its nodes."""

    async def run(self, ctx: Context) -> Outputs:
        """Overrun when it still exists after the deadline.

        Outputs: `nodes`, the removed ones; `parked`, true if the run keeps the cluster for later suites and removes it
        when none can use it.
        """
        async with Deadline(ctx, "destroy").limit("the end of the system"):
            nodes = list(await ctx.nodes()) if ctx.system.places_nodes else []
            parked = await ctx.release_cluster()
            await ctx.system.destroy(ctx)
            if nodes:
                await for_each(nodes, ctx.destroy_node)
        return to_outputs([] if parked else nodes, parked=parked)
