"""`stop_node` and `start_node`: the power of single nodes."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.errors import CannotTell
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node
from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context, Powers
from seatrial.spi.concurrency import for_each
from seatrial.steps.power import before_outage, power_of, switch_off, switch_on, until_off, until_up
from seatrial.steps.targets import Targets, to_outputs
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

    def needs_powers(self) -> frozenset[Powers]:
        return frozenset({Powers.START})

    async def run(self, ctx: Context) -> Outputs:
        """Overrun when a node is not up within the deadline. Outputs: `nodes`, `node`."""
        nodes = await ctx.select(self.target())

        async def up(node: Node) -> None:
            deadline = Deadline(ctx, "start")
            await start(ctx, node)
            await until_up(ctx, node, deadline.left(), what=f"the start of {node.name}")
            ctx.emit("node", node=node.name, state="running", why="started")

        await for_each(nodes, up)
        return to_outputs(nodes)


async def stop(ctx: Context, node: Node) -> None:
    """Power one node off, and wait; no action if it is already off."""
    if await is_now(ctx, node, PowerState.STOPPED):
        return
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
