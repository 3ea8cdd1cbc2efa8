"""End a fault of a node without Seatrial: `python -m seatrial.links.kubernetes.nodes.heal DETAIL`, as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.kubernetes.deploying.access import again
from seatrial.links.kubernetes.nodes.holding import Hold, release

PATIENCE = 3600.0
"""Seconds for an API server that does not answer."""
PAUSE = 5.0


async def heal(detail: Mapping[str, Any]) -> None:
    """End the fault by its record. LeftBehind if the context leads to another cluster now."""
    async with again(detail["place"]) as cluster:
        await release(cluster, Hold(**detail["hold"]))


def command(detail: Mapping[str, object]) -> list[str]:
    """The command for an alarm; there is no secret in it."""
    record = json.dumps({name: detail[name] for name in ("place", "hold")})
    return [sys.executable, "-P", "-m", "seatrial.links.kubernetes.nodes.heal", record]


async def heal_at_last(detail: Mapping[str, Any]) -> None:
    """End it as soon as the API server answers."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await heal(detail)
            except CannotTell:
                await asyncio.sleep(PAUSE)
            else:
                return


if __name__ == "__main__":
    asyncio.run(heal_at_last(json.loads(sys.argv[1])))
