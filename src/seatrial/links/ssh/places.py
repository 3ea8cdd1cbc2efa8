"""The sessions of one connection: a server allows so many at a time, and does not say how many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from seatrial.errors import CannotTell

SESSIONS = 10
"""The default limit of OpenSSH (`MaxSessions`), assumed until a server refuses a session."""

WAIT = 120.0
"""Seconds to wait for a session: this wait is Seatrial's own, and does not count as the node's silence."""

SOON = 0.05
"""Seconds after which a refused session is tried again: a server may have noticed the end of another one late."""


class Refused(Exception):
    """The server opens no further session on a connection that is open."""


class Places:
    """Counts the sessions that the server has not closed yet; its limit is learned from refusals."""

    def __init__(self) -> None:
        self.limit = SESSIONS
        self._used = 0
        self._refusals = 0
        self._freed = asyncio.Event()

    async def take(self, end: float, who: str) -> Callable[[], None]:
        """A place, and the function to release it; CannotTell when none is free in time."""
        while self._used >= self.limit:
            self._freed.clear()
            if not await self._woken(end - asyncio.get_running_loop().time()):
                raise CannotTell(
                    f"{who}: no session was free within {WAIT:g} s: its server allows {self.limit} at a time on a "
                    "connection (MaxSessions), and all are in use"
                )
        self._used += 1
        free = False

        def release() -> None:
            nonlocal free
            if not free:
                free = True
                self._used -= 1
                self._freed.set()

        return release

    async def refused(self, end: float, who: str, why: str) -> None:
        """Learn from a refusal, after its place was released, and return when it is time for another attempt."""
        self._refusals += 1
        if self._refusals > 1:  # the first may be about a session that is just ending there
            self.limit = max(1, min(self.limit, self._used))
        if asyncio.get_running_loop().time() >= end:
            raise CannotTell(
                f"{who}: the server accepts the login, but opened no session within {WAIT:g} s ({why}): set "
                "MaxSessions in its sshd_config to 1 or more"
            )
        self._freed.clear()
        await self._woken(SOON)

    def opened(self) -> None:
        """The server has opened a session."""
        self._refusals = 0

    def forget(self) -> None:
        """A new connection may have another limit."""
        self.limit, self._refusals = SESSIONS, 0

    async def _woken(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._freed.wait()
        except TimeoutError:
            return False
        return True
