"""One command over SSH: bounded output, and its end distinct from the end of the connection and of its output."""

from __future__ import annotations

import asyncio
import contextlib
import signal as signals
from collections.abc import Callable
from typing import Any

import asyncssh

from seatrial.links.output import BoundedOutput, Lines
from seatrial.links.ssh.wire import Marked

LIMIT = 4 * 1024 * 1024
"""Bytes kept of each stream of a command: its first and its last half."""

LINGER = 0.3
"""Seconds without output after a command's exit status, when its shell was killed before it could mark the end."""

LINGER_MOST = 5.0


class Session(asyncssh.SSHClientSession[bytes]):
    """The output of a command; `ended` is set when it or the connection ended, though processes it left may still hold
    its output open."""

    def __init__(
        self,
        token: str,
        *,
        closed: Callable[[], None],
        each: Callable[[bytes], object] | None = None,
        output: Callable[[bytes], None] | None = None,
    ) -> None:
        """`closed` is called when both sides have closed the session; `each` gets the output instead of keeping it;
        `output` gets the lines of both streams too."""
        self.out, self.err = BoundedOutput(LIMIT), BoundedOutput(LIMIT)
        self._lines = [Lines(output), Lines(output)] if output else []
        self.marked = Marked(token, each or self._kept(self.out, 0))
        self._marked_err = Marked(token, self._kept(self.err, 1))
        self._closed = closed
        self.sent = False
        """Whether the node has opened the session: the command may have reached it."""
        self.code: int | None = None
        """The exit code; None while it runs, or when the connection was lost first."""
        self.silent = False
        """Whether the connection was lost because the node was silent."""
        self.channel: Any = None
        self.ended, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._news = 0

    def _kept(self, stream: BoundedOutput, at: int) -> Callable[[bytes], object]:
        if not self._lines:
            return stream.add

        def add(data: bytes) -> None:
            stream.add(data)
            self._lines[at].add(data)

        return add

    def connection_made(self, chan: Any) -> None:
        """The node opened the session; the command is sent next."""
        self.sent, self.channel = True, chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._news += 1
        (self._marked_err if datatype == asyncssh.EXTENDED_DATA_STDERR else self.marked).add(data)
        self._end_if_over()

    def eof_received(self) -> bool:
        """The command closed its output; its input may still be open."""
        return True

    def exit_status_received(self, status: int) -> None:
        self._exited(status)

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        """It died of a signal: 128 + its number, as in a shell."""
        self._exited(128 + signals.Signals.__members__.get(f"SIG{signal}", 0))

    def _exited(self, code: int) -> None:
        self.code = code
        self._end_if_over()
        if not self.ended.is_set():
            loop = asyncio.get_running_loop()
            loop.call_later(LINGER, self._linger, self._news, loop.time() + LINGER_MOST)

    def _end_if_over(self) -> None:
        if self.code is not None and self.marked.ended and self._marked_err.ended:
            self._over()

    def _over(self) -> None:
        self.ended.set()
        self._room.set()  # for input that no process reads any more

    def _linger(self, news: int, end: float) -> None:
        loop = asyncio.get_running_loop()
        if news != self._news and loop.time() < end:
            loop.call_later(LINGER, self._linger, self._news, end)
        else:
            self._over()

    def connection_lost(self, exc: Exception | None) -> None:
        """The session is over, for whatever reason."""
        self.silent = isinstance(exc, TimeoutError) or "keepalive" in str(exc)
        self.finish()
        self._over()
        self._closed()

    def finish(self) -> None:
        """The output is complete."""
        self.marked.finish()
        self._marked_err.finish()
        for lines in self._lines:
            lines.end()

    @property
    def greeting(self) -> str:
        """The words of a login shell that did not run the command."""
        return self._marked_err.greeting or self.marked.greeting

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
        """Close the session, without waiting for the node; a running command gets SIGTERM."""
        self.finish()
        if self.channel is None:
            self._closed()  # it was never opened
            return
        if self.code is None and not self.ended.is_set():
            with contextlib.suppress(OSError):  # the connection is gone, and the command with it
                self.channel.terminate()
        self.channel.abort()
