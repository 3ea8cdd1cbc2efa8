"""One command over SSH: bounded output, and its end distinct from the end of the connection."""

from __future__ import annotations

import asyncio
import contextlib
import signal as signals
from typing import Any

import asyncssh

from seatrial.links.output import BoundedOutput

LIMIT = 4 * 1024 * 1024
"""Bytes kept of each stream of a command: its first and its last half."""


class Session(asyncssh.SSHClientSession[bytes]):
    """The output of a command; `ended` is set when it or the connection ended."""

    def __init__(self) -> None:
        self.out, self.err = BoundedOutput(LIMIT), BoundedOutput(LIMIT)
        self.sent = False
        """Whether the node has opened the session: the command may have reached it."""
        self.code: int | None = None
        """The exit code; None while it runs, or when the connection was lost first."""
        self.channel: Any = None
        self.ended, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()

    def connection_made(self, chan: Any) -> None:
        """The node opened the session; the command is sent next."""
        self.sent, self.channel = True, chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        (self.err if datatype == asyncssh.EXTENDED_DATA_STDERR else self.out).add(data)

    def eof_received(self) -> bool:
        """The command closed its output; its input may still be open."""
        return True

    def exit_status_received(self, status: int) -> None:
        self.code = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        """It died of a signal: 128 + its number, as in a shell."""
        self.code = 128 + signals.Signals.__members__.get(f"SIG{signal}", 0)

    def connection_lost(self, exc: Exception | None) -> None:
        """The session is over, for whatever reason."""
        self._room.set()
        self.ended.set()

    def pause_writing(self) -> None:
        """The node accepts no more input for now."""
        self._room.clear()

    def resume_writing(self) -> None:
        """The node accepts input again."""
        self._room.set()

    async def write(self, data: bytes) -> None:
        """Send input as fast as it is read; the rest is dropped when the command stops reading."""
        await self._room.wait()
        if not self.ended.is_set() and not self.channel.is_closing():
            self.channel.write(data)

    def end_input(self) -> None:
        if not self.ended.is_set() and not self.channel.is_closing():
            self.channel.write_eof()

    def cut(self) -> None:
        """End the command on the node, without waiting for it."""
        if self.channel is not None and not self.ended.is_set():
            with contextlib.suppress(OSError):  # the connection is gone, and the command with it
                self.channel.terminate()
            self.channel.close()
