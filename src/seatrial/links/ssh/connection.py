"""One connection to a node over SSH: opened on use, and opened again after the node was down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from seatrial.errors import CannotTell, LinkDown, LinkLost
from seatrial.links.ssh.endpoint import KNOCK_EVERY, unacknowledged

if TYPE_CHECKING:
    import asyncssh

T = TypeVar("T")

PATIENCE = 0.3
"""Seconds for an open connection to acknowledge before another is tried in parallel."""


class Connection:
    """The connection of one link."""

    def __init__(
        self,
        name: str,
        log_in: Callable[[], Coroutine[Any, Any, asyncssh.SSHClientConnection]],
        opened: Callable[[], None],
        *,
        pause: float,
    ) -> None:
        """`name`: of the node, for messages; `opened` is called for each new one; `pause`: seconds between attempts to
        replace a dead one when the node answers, and refuses."""
        self._name, self._log_in, self._opened, self._pause = name, log_in, opened, pause
        self.current: asyncssh.SSHClientConnection | None = None
        self._attempt: asyncio.Task[asyncssh.SSHClientConnection] | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is one, and nobody has closed it."""
        return self.current is not None and not self.current.is_closed()

    async def open(self) -> asyncssh.SSHClientConnection:
        """The open connection, else a new one."""
        return self.current if self.current is not None and self.is_open else await self.renew()

    async def close(self) -> None:
        """Close it; it is opened again on use."""
        connection, self.current = self.current, None
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.gather(self._attempt, return_exceptions=True)
        if connection is not None:
            connection.close()
            try:
                async with asyncio.timeout(1.0):
                    await connection.wait_closed()
            except TimeoutError:  # The peer is silent: it need not agree.
                connection.abort()

    def abort(self) -> None:
        """Drop it at once."""
        connection, self.current = self.current, None
        if self._attempt is not None:
            self._attempt.cancel()
        if connection is not None:
            connection.abort()

    async def begun(
        self, start: Callable[[asyncssh.SSHClientConnection], Awaitable[T]], *, sent: Callable[[], bool] = lambda: False
    ) -> T:
        """The result of `start` on the open connection, or on a new one when that died since its last use.

        `sent`: whether the node may already have acted on it; then it is not repeated.
        """
        import asyncssh

        for again in (True, False):
            connection = await self.open()
            opening = asyncio.ensure_future(start(connection))
            try:
                if again and await self._replaced(connection, opening, sent):
                    continue
                return await opening
            except (asyncssh.ChannelOpenError, asyncssh.DisconnectError, OSError):
                if not again or sent() or (connection is self.current and not connection.is_closed()):
                    raise
            finally:
                if not opening.done():
                    opening.cancel()
                    await asyncio.wait([opening])
        raise AssertionError("the loop returns or raises")

    async def _replaced(
        self, connection: asyncssh.SSHClientConnection, opening: asyncio.Future[Any], sent: Callable[[], bool]
    ) -> bool:
        """Whether the connection was dead without notice, and a new one has replaced it."""
        done, _ = await asyncio.wait([opening], timeout=PATIENCE)
        if done or sent() or not unacknowledged(connection):
            return False
        replacing = asyncio.ensure_future(self._another(connection))
        try:
            await asyncio.wait([opening, replacing], return_when=asyncio.FIRST_COMPLETED)
            return self.current is not connection and not opening.done() and not sent()
        finally:
            replacing.cancel()
            await asyncio.wait([replacing])

    async def _another(self, dead: asyncssh.SSHClientConnection) -> None:
        """Return when a new connection is open or the old one answers; retries without end until then."""
        while self.current in (dead, None) and unacknowledged(dead):
            try:
                await self.renew()
            except (LinkDown, LinkLost):
                await asyncio.sleep(KNOCK_EVERY)
            except CannotTell:
                await asyncio.sleep(self._pause)

    async def renew(self) -> asyncssh.SSHClientConnection:
        """A new connection; all callers wait for the same attempt, and it continues when they give up."""
        if self._attempt is None:
            self._attempt = asyncio.get_running_loop().create_task(self._log_in())
            self._attempt.add_done_callback(self._attempted)
        attempt = self._attempt
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            here = asyncio.current_task()
            if attempt.cancelled() and here is not None and not here.cancelling():
                raise LinkLost(f"{self._name}: the connection was closed while it was being opened") from None
            raise

    def _attempted(self, attempt: asyncio.Task[asyncssh.SSHClientConnection]) -> None:
        if self._attempt is attempt:
            self._attempt = None
        if attempt.cancelled() or attempt.exception() is not None:
            return
        old, new = self.current, attempt.result()
        if old is not None and not old.is_closed():
            if not unacknowledged(old):
                new.abort()  # the old one answers after all, and commands run on it
                return
            old.abort()
        self.current = new
        self._opened()
