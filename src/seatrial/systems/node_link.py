"""Whether a node's link answers, as one part of its health."""

from __future__ import annotations

from seatrial.errors import LinkDown, LinkLost, SeatrialError
from seatrial.model.cluster import OK, Measured, Reading
from seatrial.model.resource import Node
from seatrial.spi import Context

LINK_SECONDS = 5.0
"""How long a node's link may take to run `true`."""


async def link_of(ctx: Context, node: Node) -> Reading:
    """Silence is a measurement; a node that refuses our key is none."""
    try:
        done = await ctx.link(node).run(["true"], timeout=LINK_SECONDS)
    except (LinkDown, LinkLost, TimeoutError) as error:
        return Reading(Measured.NOT_OK, str(error) or f"no answer within {LINK_SECONDS:g} s")
    except (SeatrialError, OSError) as error:
        return Reading(Measured.UNKNOWN, str(error) or type(error).__name__)
    return OK if done.ok else Reading(Measured.UNKNOWN, f"`true` ended with {done.exit_code}: {done.stderr.strip()}")
