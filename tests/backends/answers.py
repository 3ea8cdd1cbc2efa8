"""A node's first answer: its container exists before its SSH server listens."""

from __future__ import annotations

from seatrial.errors import LinkDown, LinkLost
from seatrial.model.resource import Node
from seatrial.spi import Context


async def answers(ctx: Context, node: Node, command: str = "true") -> str:
    """What a command prints, as soon as it succeeds there."""

    async def look() -> str | None:
        try:
            done = await ctx.link(node).run(command, timeout=60)
        except (LinkDown, LinkLost):
            return None
        return done.stdout if done.ok else None

    return await ctx.poll(look, deadline=240, what=f"an answer of {node.name}")
