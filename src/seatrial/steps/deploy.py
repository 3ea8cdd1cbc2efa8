"""`init`, `deploy` and `destroy`: prepare the system, build and start it, remove it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seatrial.errors import CannotTell, StepFailed
from seatrial.model.cluster import ClusterStatus
from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context, GivesOutputs
from seatrial.spi.concurrency import for_each
from seatrial.steps.power import before_outage
from seatrial.steps.targets import to_outputs
from seatrial.steps.wait_running import logs, until_running
from seatrial.steps.wait_until import Deadline


@step("init")
@dataclass(frozen=True, kw_only=True)
class Init:
    """Prepare the system for deployment without deploying it."""

    decides: ClassVar[bool] = False

    async def run(self, ctx: Context) -> Outputs | None:
        """StepFailed if the system could not be prepared."""
        await ctx.system.init(ctx)
        return None


@step("deploy")
@dataclass(frozen=True, kw_only=True)
class Deploy:
    """Deploy the system and return when its state is `running`."""

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed when the deployer failed, Overrun when the state is not `running` within the deadline.

        Outputs: `state`, `nodes` (names), `addresses` (by node), `reused` (whether it was restored from a snapshot and
        not deployed), `deployed_by` (the trial whose id the nodes carry), and the system's own `outputs`.
        """
        source = await ctx.reuse_cluster()
        status = await _brought_back(ctx) if source else None
        if status is None:
            source, status = "", await _deployed(ctx)
        nodes = await ctx.nodes()
        await before_outage(ctx)
        outputs: dict[str, object] = {
            "state": status.state.value,
            "nodes": [node.name for node in nodes],
            "addresses": {node.name: node.address for node in nodes},
            "reused": bool(source),
            "deployed_by": source or ctx.trial_id,
        }
        # A deployer may return values of its own, such as the address of a load balancer.
        return {**outputs, **await ctx.system.outputs(ctx)} if isinstance(ctx.system, GivesOutputs) else outputs


@step("destroy")
@dataclass(frozen=True, kw_only=True)
class Destroy:
    """Remove the system and its nodes."""

    decides: ClassVar[bool] = False

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


async def _brought_back(ctx: Context) -> ClusterStatus | None:
    """The status of a restored cluster; None if it does not run, because it says nothing about the product."""
    try:
        return await until_running(ctx, ctx.deadline("start"))
    except Exception as error:  # noqa: BLE001 - the deployment that follows shows whether anything is wrong
        if evidence := str(getattr(error, "evidence", "")):
            ctx.output("the restored cluster", evidence)
        await ctx.drop_cluster(str(error) or type(error).__name__)
        return None


async def _deployed(ctx: Context) -> ClusterStatus:
    """Deploy, wait, and snapshot the still unchanged cluster for later suites."""
    deadline = Deadline(ctx, "deploy")
    try:
        async with deadline.limit("the end of the deployment"):
            await ctx.system.deploy(ctx)
    except StepFailed as error:
        error.evidence = error.evidence or "\n".join(await logs(ctx))
        raise
    status = await until_running(ctx, deadline.left())
    if not await ctx.offer_cluster():
        return status
    try:
        return await until_running(ctx, ctx.deadline("start"))
    except StepFailed as error:
        # It ran until the snapshot paused it: the cause cannot be determined.
        what = f"it stopped running after its snapshot was taken: {error}"
        raise CannotTell(what, evidence=error.evidence) from error
