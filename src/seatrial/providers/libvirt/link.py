"""SSH to a virtual machine: a link that knows what the console says when nobody answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from seatrial.errors import LinkDown, SeatrialError
from seatrial.links.ssh import SSHLink
from seatrial.model.resource import Node
from seatrial.providers.libvirt.console import panic, tail

if TYPE_CHECKING:
    import asyncssh

LOGIN = 60.0
"""Seconds that a login may take: an emulated machine needs 1.5 of them when nothing else runs on this host."""


class MachineLink(SSHLink):
    """A way into a machine; LinkDown says so when its kernel has panicked."""

    def __init__(self, node: Node, console: Callable[[Node], Awaitable[str]]) -> None:
        super().__init__(node, login_timeout=LOGIN)
        self.node = node
        self._console = console

    async def _connect(self) -> asyncssh.SSHClientConnection:
        try:
            return await super()._connect()
        except LinkDown as error:
            try:
                text = await self._console(self.node)
            except SeatrialError:
                raise error from None
            if said := panic(text):
                raise LinkDown(f"{error}; its kernel panicked: {said}", evidence=tail(text)) from error
            raise
