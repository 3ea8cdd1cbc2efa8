"""What checks know of the state of things. Every check reads it here, so one rule says what a verdict may rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seatrial.model.cluster import ClusterStatus, NodeHealth, PowerState
from seatrial.model.reading import TRUST, Reading, Source, trusted
from seatrial.model.resource import Node
from seatrial.spi import Context


async def status_of(ctx: Context, trust: Source = TRUST) -> ClusterStatus:
    """The status of the whole, with unknown in the place of what may not decide."""
    return (await ctx.system.status(ctx)).trusted(trust)


async def health_of(ctx: Context, nodes: Sequence[Node], trust: Source = TRUST) -> Mapping[str, NodeHealth]:
    """The health of these nodes, with unknown in the place of what may not decide."""
    health = await ctx.system.health(ctx, nodes) if nodes else {}
    return {name: one.trusted(trust) for name, one in health.items()}


async def power_of(ctx: Context, node: Node, trust: Source = TRUST) -> Reading[PowerState]:
    """The power state of a node, unknown where it may not decide."""
    return trusted(await ctx.state_of(node), PowerState.UNKNOWN, trust)
