"""Readings for checks. Every check reads states here, so one rule applies to all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seatrial import spi
from seatrial.model.cluster import ClusterStatus, NodeHealth, PowerState
from seatrial.model.reading import TRUST, Reading, Source, trusted
from seatrial.model.resource import Node
from seatrial.spi import Context


async def status_of(ctx: Context, trust: Source = TRUST) -> ClusterStatus:
    """The status of the cluster; readings too weak for a verdict become unknown."""
    return (await spi.status_of(ctx)).trusted(trust)


async def health_of(ctx: Context, nodes: Sequence[Node], trust: Source = TRUST) -> Mapping[str, NodeHealth]:
    """The health of these nodes; readings too weak for a verdict become unknown."""
    health = await spi.health_of(ctx, nodes) if nodes else {}
    return {name: one.trusted(trust) for name, one in health.items()}


async def power_of(ctx: Context, node: Node, trust: Source = TRUST) -> Reading[PowerState]:
    """The power state of a node; unknown if its source is too weak for a verdict."""
    return trusted(await ctx.state_of(node), PowerState.UNKNOWN, trust)
