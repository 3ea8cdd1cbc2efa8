"""Waits until a new machine accepts the key, and has the folder for the system under test."""

from __future__ import annotations

import asyncio

from seatrial.errors import CannotTell, LinkDown, LinkLost, LinkRefused
from seatrial.links.ssh import SSHLink
from seatrial.model.resource import Node
from seatrial.providers.nodes import FOLDER, OWN_FOLDER

LOOK_AGAIN = 0.2
STUBBORN = 60.0
"""Seconds a machine may refuse our key before the refusal counts: cloud-init installs it after SSH answers."""


async def until_let_in(node: Node, link: SSHLink, user: str, deadline: float, remedy: str) -> None:
    """Return once the machine has booted, lets us in and has its folder; CannotTell names the stage it stopped at."""
    clock = asyncio.get_running_loop().time
    end, refused = clock() + deadline, 0.0
    while True:
        try:
            done = await link.sudo([*OWN_FOLDER, user], timeout=max(1.0, min(60.0, end - clock())))
        except LinkRefused as error:
            refused = refused or clock()
            if clock() - refused > STUBBORN:
                raise CannotTell(f"the machine {node.name} does not let us in: {error}; {remedy}") from error
            why: Exception = error
        except (LinkDown, LinkLost, TimeoutError) as error:
            why = error
        else:
            if not done.ok:
                raise CannotTell(f"{FOLDER} cannot be made on {node.name}: {done.stderr.strip()}")
            return
        if clock() > end:
            raise CannotTell(f"the machine {node.name} did not let us in within {deadline:g} s: {why}") from why
        await asyncio.sleep(LOOK_AGAIN)
