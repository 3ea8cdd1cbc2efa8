"""`stop_cluster` and `start_cluster`: the power of all nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.errors import CannotTell
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node
from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context, Powers, PowersCluster
from seatrial.spi.concurrency import for_each
from seatrial.steps.node_power import is_now, say_stopping, start, stop
from seatrial.steps.power import before_outage, by_guest, until_off, until_served
from seatrial.steps.targets import to_outputs
from seatrial.steps.wait_running import until_running
from seatrial.steps.wait_until import Deadline


@step("stop_cluster")
@dataclass(frozen=True, kw_only=True)
class StopCluster:
    """Power all nodes off gracefully; under `power: guest` each is shut down from inside."""

    def needs_powers(self) -> frozenset[Powers]:
        return frozenset({Powers.STOP})

    def needs_powers_in_guest(self) -> frozenset[Powers]:
        return frozenset({Powers.GUEST_STOP})

    async def run(self, ctx: Context) -> Outputs:
        """Overrun when a node is not off within the deadline. Outputs: `nodes`, `node`."""
        nodes = await _all(ctx)
        await before_outage(ctx)
        if by_guest(ctx) or not await self._at_once(ctx, nodes):
            await for_each(nodes, lambda node: stop(ctx, node))
        return to_outputs(nodes)

    async def _at_once(self, ctx: Context, nodes: Sequence[Node]) -> bool:
        """Have the system stop the cluster itself; False if it cannot."""
        deadline = Deadline(ctx, "stop")
        async with deadline.limit("the power-off of the cluster"):
            if not await power_all(ctx, Powers.STOP):
                return False

        async def off(node: Node) -> None:
            say_stopping(ctx, node)
            await until_off(ctx, node, deadline.left())
            ctx.emit("node", node=node.name, state="stopped", why="powered off")

        await for_each(nodes, off)
        return True


@step("start_cluster")
@dataclass(frozen=True, kw_only=True)
class StartCluster:
    """Power all nodes on; returns when the state is `running`."""

    def needs_powers(self) -> frozenset[Powers]:
        return frozenset({Powers.START})

    def needs_powers_in_guest(self) -> frozenset[Powers]:
        """Under `power: guest` a person powers the nodes on: Seatrial does not ask the provider."""
        return frozenset()

    async def run(self, ctx: Context) -> Outputs:
        """Overrun when the state is not `running` within the deadline. Outputs: `nodes`, `node`, `state`."""
        nodes = await _all(ctx)
        off = [node.name for node in nodes if by_guest(ctx) and not await is_now(ctx, node, PowerState.RUNNING)]
        if off:
            raise CannotTell(f"a person must power on {', '.join(off)}: the suite has `power: guest`, and a "
                             "powered-off machine cannot start itself")  # fmt: skip
        deadline = Deadline(ctx, "start")
        async with deadline.limit("the start of the cluster"):
            if by_guest(ctx) or not await power_all(ctx, Powers.START):
                await for_each(nodes, lambda node: start(ctx, node))
            await for_each(nodes, lambda node: until_served(ctx, node, deadline.left()))
        status = await until_running(ctx, deadline.left())
        for node in nodes:
            ctx.emit("node", node=node.name, state="running", why="started")
        return to_outputs(nodes, state=status.state.value)


async def power_all(ctx: Context, what: Powers) -> bool:
    """Let the system power the cluster by its own means (`power_all`), if it has any."""
    return isinstance(ctx.system, PowersCluster) and await ctx.system.power_all(ctx, what)


async def _all(ctx: Context) -> list[Node]:
    nodes = list(await ctx.nodes())
    if not nodes:
        raise CannotTell("the system has no nodes: deploy it first")
    return nodes
