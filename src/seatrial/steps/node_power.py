"""The power of single nodes and of all: `stop_node`, `start_node`, `stop_cluster`, `start_cluster`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.errors import CannotTell
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node
from seatrial.model.scenario import Outputs
from seatrial.model.values import WaitFor
from seatrial.registry import step
from seatrial.spi import Context, Need, Powers, PowersCluster
from seatrial.spi.concurrency import for_each
from seatrial.steps.power import (
    before_outage,
    by_guest,
    off_power,
    power_of,
    require,
    switch_off,
    switch_on,
    until_off,
    until_served,
    until_up,
    wait_for,
)
from seatrial.steps.targets import Targets, to_outputs
from seatrial.steps.wait_running import until_running
from seatrial.steps.wait_until import Deadline


@step("stop_node")
@dataclass(frozen=True, kw_only=True)
class StopNode(Targets):
    """Power nodes off gracefully; returns when the power is off."""

    def needs_powers(self) -> frozenset[Powers]:
        return frozenset({Powers.STOP})

    async def run(self, ctx: Context) -> Outputs:
        """Overrun when a node is not off within the deadline. Outputs: `nodes`, `node`."""
        nodes = await ctx.select(self.target())
        await before_outage(ctx)
        await for_each(nodes, lambda node: stop(ctx, node))
        return to_outputs(nodes)


@step("start_node")
@dataclass(frozen=True, kw_only=True)
class StartNode(Targets):
    """Power nodes on; returns when link and service of each answer, whatever the state of the cluster."""

    wait_for: WaitFor | None = None
    """What has to answer: `service` (default), only the `link`, or only the `power`."""

    def needs_powers(self) -> frozenset[Powers]:
        return frozenset({Powers.START})

    async def run(self, ctx: Context) -> Outputs:
        """Overrun when a node is not up within the deadline. Outputs: `nodes`, `node`."""
        nodes = await ctx.select(self.target())

        async def up(node: Node) -> None:
            deadline = Deadline(ctx, "start")
            await start(ctx, node)
            up = wait_for(ctx, self.wait_for)
            await until_up(ctx, node, deadline.left(), what=f"the start of {node.name}", up=up)
            ctx.emit("node", node=node.name, state="running", why="started")

        await for_each(nodes, up)
        return to_outputs(nodes)


@step("stop_cluster")
@dataclass(frozen=True, kw_only=True)
class StopCluster:
    """Power all nodes off gracefully; under `power: guest` each is shut down from inside."""

    def rests_on(self) -> Sequence[Need]:
        return (Need.NODES,)

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
    """Power all nodes on; returns when the state is `running`, or when every link answers where nothing measures the
    service."""

    def rests_on(self) -> Sequence[Need]:
        return (Need.NODES,)

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
        status = await until_running(ctx, deadline.patience())
        for node in nodes:
            ctx.emit("node", node=node.name, state="running", why="started")
        return to_outputs(nodes, state=status.state.value)


async def stop(ctx: Context, node: Node) -> None:
    """Power one node off, and wait; no action if it is already off."""
    if await is_now(ctx, node, PowerState.STOPPED):
        return
    require(ctx, node, off_power(ctx, node))
    deadline = Deadline(ctx, "stop")
    say_stopping(ctx, node)
    async with deadline.limit(f"the power-off of {node.name}"):
        await switch_off(ctx, node)
    await until_off(ctx, node, deadline.left())
    ctx.emit("node", node=node.name, state="stopped", why="powered off")


def say_stopping(ctx: Context, node: Node) -> None:
    ctx.emit("fault", node=node.name, fault="stop", method="power", step=ctx.step)
    ctx.emit("node", node=node.name, state="stopping")


async def start(ctx: Context, node: Node) -> None:
    """Power one node on; no action if it is already running."""
    if await is_now(ctx, node, PowerState.RUNNING):
        return
    ctx.emit("node", node=node.name, state="starting")
    async with Deadline(ctx, "start").limit(f"the start of {node.name}"):
        await switch_on(ctx, node)


async def is_now(ctx: Context, node: Node, state: PowerState) -> bool:
    """Whether no action is needed; False if unknown, since repeating it does no harm."""
    try:
        return await power_of(ctx, node) is state
    except CannotTell:
        return False


async def power_all(ctx: Context, what: Powers) -> bool:
    """Let the system power the cluster by its own means (`power_all`), if it has any."""
    return isinstance(ctx.system, PowersCluster) and await ctx.system.power_all(ctx, what)


async def _all(ctx: Context) -> list[Node]:
    nodes = list(await ctx.nodes())
    if not nodes:
        raise CannotTell("the system has no nodes: deploy it first")
    return nodes
