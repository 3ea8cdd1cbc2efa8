"""SSH to a virtual machine: when nobody answers, the link adds the console's reason."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from seatrial.errors import LinkDown, LinkLost, SeatrialError
from seatrial.links.ssh import SSHLink
from seatrial.model.resource import Node
from seatrial.providers.libvirt.console import panic, tail

if TYPE_CHECKING:
    import asyncssh

LOGIN = 60.0
"""Seconds for a login: an emulated machine needs 1.5 of them on an idle host."""


class MachineLink(SSHLink):
    """A way into a machine; LinkDown reports a kernel panic. `excuse` can raise a broken machine's failure instead."""

    def __init__(
        self, node: Node, console: Callable[[Node], Awaitable[str]], excuse: Callable[[Node], Awaitable[None]]
    ) -> None:
        super().__init__(node, login_timeout=LOGIN)
        self.node = node
        self._console = console
        self._excuse = excuse

    @contextlib.asynccontextmanager
    async def _in_time(self, what: str, timeout: float) -> AsyncIterator[None]:
        try:
            async with super()._in_time(what, timeout):
                yield
        except (LinkDown, LinkLost, TimeoutError):
            await self._excuse(self.node)
            raise

    async def _log_in(self) -> asyncssh.SSHClientConnection:
        try:
            return await super()._log_in()
        except LinkDown as error:
            try:
                text = await self._console(self.node)
            except SeatrialError:
                raise error from None
            if said := panic(text):
                raise LinkDown(f"{error}; its kernel panicked: {said}", evidence=tail(text)) from error
            raise
