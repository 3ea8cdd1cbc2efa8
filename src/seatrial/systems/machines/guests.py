"""Powers from inside the machines of a deployer, over the way in that its inventory gives."""

from __future__ import annotations

import asyncio

from seatrial.errors import CannotTell, LinkDown, LinkLost, NotSupported
from seatrial.links.ssh import SSHLink
from seatrial.links.ssh.guest import GuestPowers, seen
from seatrial.model.resource import Node
from seatrial.spi import Context

SILENCE = 3.0
"""Seconds without an answer after which a machine that was shut down is off: no API knows its power."""

LOOK = 2.0
"""Seconds for one answer."""


class Guests(GuestPowers):
    """Shutdown, reboot and crash over SSH."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def link(self, node: Node) -> SSHLink:
        """NotSupported for a node without SSH."""
        link = self._ctx.link(node)
        if not isinstance(link, SSHLink):
            raise NotSupported(f"{node.name} has no SSH, so nothing is done from inside it")
        return link

    async def until_off(self, node: Node, boot: str) -> None:
        """Return when it was silent for a while; CannotTell when it answers until the deadline."""
        clock, seconds = asyncio.get_running_loop().time, self._ctx.deadline("stop")
        end, silent_since = clock() + seconds, 0.0
        while clock() < end:
            looked = clock()
            try:
                if (await seen(self.link(node), timeout=LOOK)).boot_id != boot:
                    raise CannotTell(f"{node.name} booted again instead of powering off")
                silent_since = 0.0
            except (LinkDown, LinkLost, TimeoutError):
                silent_since = silent_since or looked
                if clock() - silent_since >= SILENCE:
                    return
            await asyncio.sleep(0.25)
        raise CannotTell(f"{node.name} still answers {seconds:g} s after the command to power off")
