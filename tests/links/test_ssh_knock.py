"""Knocks at a node that was silent: when it answers several of them at once, one is kept open and the others closed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from seatrial.links.ssh import endpoint
from seatrial.links.ssh.endpoint import door, knock
from seatrial.model.resource import Node

WAITING = 4
"""Knocks under way when the node begins to answer."""


@dataclass
class Sshd:
    """A server that takes no connection until so many are under way, and then greets all of them at the same time."""

    port: int = 0
    coming: list[socket.socket] = field(default_factory=list)
    """The knocks."""
    readers: list[asyncio.StreamReader] = field(default_factory=list)
    _up: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def silent(self, patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
        """Listen, with the kernel's own answer held back."""
        loop = asyncio.get_running_loop()
        connect = loop.sock_connect

        async def held_back(sock: socket.socket, address: Any) -> None:
            self.coming.append(sock)
            if len(self.coming) == WAITING:
                self._up.set()
            await self._up.wait()
            await connect(sock, address)

        patch.setattr(loop, "sock_connect", held_back)
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            for writer in self._writers:
                writer.close()
            server.close()
            await server.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.readers.append(reader)
        self._writers.append(writer)
        if len(self._writers) == WAITING:
            for each in self._writers:
                each.write(b"SSH-2.0-test\r\n")
        elif len(self._writers) > WAITING:  # one that was begun meanwhile, on a busy machine
            writer.write(b"SSH-2.0-test\r\n")


async def _answered_at_once(patch: pytest.MonkeyPatch) -> None:
    sshd = Sshd()
    async with sshd.silent(patch):
        node = Node(name="n11", ssh={"host": "127.0.0.1", "port": sshd.port})
        sock = await knock(door(node), 10, 10)
        try:
            assert len(sshd.coming) >= WAITING
            assert sock.fileno() >= 0, "the connection that was chosen is closed"
            assert sock.recv(4) == b"SSH-"
            others = [one for one in sshd.coming if one is not sock]
            assert {one.fileno() for one in others} == {-1}, "a spare connection stays open"
        finally:
            sock.close()


# Which of several that are done at the same time comes first out of a set depends on where they lie in memory.
@pytest.mark.parametrize("turn", range(8))
def test_of_knocks_that_are_answered_at_the_same_time_one_stays_open(
    monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    asyncio.run(_answered_at_once(monkeypatch))


async def _cut_off(patch: pytest.MonkeyPatch, answered: socket.socket) -> None:
    knocks, answers, ending = 0, asyncio.Event(), asyncio.Event()

    async def one(*_: Any) -> socket.socket:
        nonlocal knocks
        knocks += 1
        if knocks == 1:
            await answers.wait()
            return answered
        answers.set()
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await asyncio.Event().wait()
        raise AssertionError

    patch.setattr(endpoint, "_one", one)
    knocking = asyncio.create_task(knock(door(Node(name="n11", ssh={"host": "127.0.0.1", "port": 1})), 60, 60))
    await ending.wait()
    knocking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await knocking
    assert answered.fileno() == -1


def test_a_connection_that_came_just_as_the_time_was_up_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    answered, other = socket.socketpair()
    with answered, other:
        asyncio.run(asyncio.wait_for(_cut_off(monkeypatch, answered), 30))
