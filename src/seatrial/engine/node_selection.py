"""Nodes by a word of a selector."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

from seatrial.errors import CannotTell, SeatrialError, UsageError, nearest
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node
from seatrial.spi import Context, FindsRoles, health_of
from seatrial.spi.concurrency import NODES_AT_ONCE, map_concurrently
from seatrial.spi.measuring import provider_knows


async def matching(ctx: Context, word: str, nodes: list[Node]) -> Sequence[Node]:
    """The nodes for one word: a name, `*`, `any`, `random:N`, a role; UsageError when it matches none."""
    by_name = {node.name: node for node in nodes}
    if word in by_name:
        return [by_name[word]]
    if word in ("*", "all"):
        return nodes
    if word == "any":
        return [ctx.random.choice(await _running(ctx, nodes) or nodes)]
    if word.startswith("random:") and word[7:].isdigit():
        count = int(word[7:])
        if not 1 <= count <= len(nodes):
            raise CannotTell(f"the selector {word!r} asks for {count} of {len(nodes)} nodes")
        return ctx.random.sample(nodes, count)
    if isinstance(ctx.system, FindsRoles) and word:
        return await ctx.system.role(ctx, word)
    raise UsageError(f"no node {word!r}: {nearest(word, [*by_name, '*', 'any', 'random:N'])}")


async def _running(ctx: Context, nodes: Sequence[Node]) -> list[Node]:
    """The nodes with power on; unknown power does not count as on."""

    if not all(provider_knows(ctx, node) for node in nodes):
        health = await health_of(ctx, nodes)
        return [node for node in nodes if node.name in health and health[node.name].power.value is PowerState.RUNNING]

    async def runs(node: Node) -> bool:
        try:
            return await ctx.provider.state(node) is PowerState.RUNNING
        except (SeatrialError, OSError):
            return False

    return list(compress(nodes, await map_concurrently(runs, nodes, most=NODES_AT_ONCE)))
