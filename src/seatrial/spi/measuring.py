"""Measuring the system under test, for systems with and without measurements of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seatrial.errors import LinkDown, LinkLost, SeatrialError
from seatrial.model.cluster import ClusterStatus, NodeHealth, PowerState, cluster_status
from seatrial.model.reading import Health, Reading, absent, concluded, measured
from seatrial.model.resource import Node
from seatrial.spi.concurrency import NODES_AT_ONCE, map_concurrently
from seatrial.spi.provider import power_reading
from seatrial.spi.system import MeasuresNodes, ReportsStatus

if TYPE_CHECKING:
    from seatrial.spi.context import Context

LINK_SECONDS = 5.0
"""Timeout for `true` on a node's link."""


async def status_of(ctx: Context) -> ClusterStatus:
    """The state of the whole: the system's own, else the majority rule over the health of its nodes."""
    status = await _status_of(ctx)
    if status.service.ok:
        ctx.saw_up()
    return status


async def _status_of(ctx: Context) -> ClusterStatus:
    system = ctx.system
    if isinstance(system, ReportsStatus):
        return await system.status(ctx)
    health = await health_of(ctx, await ctx.nodes())
    if isinstance(system, MeasuresNodes) or not health:
        return cluster_status(health)
    links = [node.parts["ssh"] for node in health.values()]
    return cluster_status(health, service=next((link for link in links if link.ok), links[0]))


async def health_of(ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
    """The health of these nodes: as the system measures it, else their power and their link."""
    system = ctx.system
    if isinstance(system, MeasuresNodes):
        return await system.health(ctx, nodes)
    found = await map_concurrently(lambda node: _power_and_link(ctx, node), nodes, most=NODES_AT_ONCE)
    return {node.name: health for node, health in zip(nodes, found, strict=True)}


async def _power_and_link(ctx: Context, node: Node) -> NodeHealth:
    link = await link_of(ctx, node)
    return NodeHealth(power=await _power(ctx, node, link), parts={"ssh": link})


def provider_knows(ctx: Context, node: Node) -> bool:
    """Whether the provider created or recognised the node; else only the system can report its state."""
    return ctx.system.places_nodes or node.adopted


async def _power(ctx: Context, node: Node, link: Reading[Health]) -> Reading[PowerState]:
    if not provider_knows(ctx, node):
        states = {Health.OK: PowerState.RUNNING, Health.NOT_OK: PowerState.UNREACHABLE}
        return concluded(states.get(link.value, PowerState.UNKNOWN), link.why, [link])
    try:
        return await power_reading(ctx.provider, node, ctx.suite.provider)
    except (SeatrialError, OSError) as error:
        return absent(PowerState.UNKNOWN, f"the provider cannot tell its power state: {error}")


async def link_of(ctx: Context, node: Node) -> Reading[Health]:
    """Whether a node's link answers. Silence of a network is a measurement; a refused key is not, and neither is a
    program of this host, such as a container engine, that does not end."""
    by = f"the link of {node.name}"
    try:
        done = await ctx.link(node).run(["true"], timeout=LINK_SECONDS)
    except (LinkDown, LinkLost, TimeoutError) as error:
        why = str(error) or f"no answer within {LINK_SECONDS:g} s"
        if node.connection is not None and isinstance(error, TimeoutError):
            return absent(Health.UNKNOWN, why, by=by)
        return measured(Health.NOT_OK, why, by=by)
    except (SeatrialError, OSError) as error:
        return absent(Health.UNKNOWN, str(error) or type(error).__name__, by=by)
    if done.ok:
        return measured(Health.OK, by=by)
    return absent(Health.UNKNOWN, f"`true` {done.ended}: {done.stderr.strip()}", by=by)
