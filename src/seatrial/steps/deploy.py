"""`deploy`: the system is built, and stands."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.errors import StepFailed
from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context
from seatrial.steps.running import logs, until_running
from seatrial.steps.settle import GRACE, Deadline, limited


@step("deploy")
@dataclass(frozen=True, kw_only=True)
class Deploy:
    """Deploy the system and return when its state is `running`."""

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed when the deployer failed, Overrun when the state is not `running` within the deadline.

        Outputs: `state`, `nodes` (names), `addresses` (by node), and all that the system's own `outputs` gives.
        """
        seconds = ctx.deadline("deploy")
        deadline = Deadline(seconds)
        try:
            async with limited(seconds + GRACE, "the end of the deployment"):
                await ctx.system.deploy(ctx)
        except StepFailed as error:
            error.evidence = error.evidence or "\n".join(await logs(ctx))
            raise
        status = await until_running(ctx, deadline.left())
        nodes = await ctx.nodes()
        await ctx.system.before_outage(ctx)
        outputs: dict[str, object] = {
            "state": status.state,
            "nodes": [node.name for node in nodes],
            "addresses": {node.name: node.address for node in nodes},
        }
        # A deployer may hand out values of its own, such as the address of a load balancer.
        own = getattr(ctx.system, "outputs", None)
        return {**outputs, **await own(ctx)} if own is not None else outputs
