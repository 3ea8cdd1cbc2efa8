from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from typing import Any

import pytest

from seatrial.errors import CannotTell, LinkDown
from seatrial.links.http import request
from seatrial.links.ssh.endpoint import door, knock
from seatrial.links.tcp import judged, reach, resolved
from seatrial.model.resource import Node


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def test_something_that_listens_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        asyncio.run(reach("127.0.0.1", server.getsockname()[1]))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_closed_port_is_down_on_every_address_of_a_name(host: str) -> None:
    with pytest.raises(LinkDown, match="refused"):
        asyncio.run(reach(host, closed_port()))


def test_a_name_that_does_not_resolve_says_nothing_about_the_other_side() -> None:
    with pytest.raises(CannotTell, match="resolved") as caught:
        asyncio.run(reach("no-such-host.invalid", 80))
    assert not isinstance(caught.value, LinkDown)


def test_an_error_of_this_machine_is_not_blamed_on_the_peer() -> None:
    assert not isinstance(judged(OSError(errno.EMFILE, "Too many open files"), "x:1"), LinkDown)
    assert isinstance(judged(OSError(errno.EHOSTUNREACH, "No route to host"), "x:1"), LinkDown)
    mixed = OSError("Multiple exceptions: [Errno 111] refused, [Errno 24] too many files")
    assert not isinstance(judged(mixed, "x:1"), LinkDown)


def silent_resolver(patch: pytest.MonkeyPatch) -> threading.Event:
    """A resolver that does not answer before the event is set; addresses need none."""
    real, released = socket.getaddrinfo, threading.Event()

    def getaddrinfo(*host: Any, **options: Any) -> Any:
        if not options.get("flags", 0) & socket.AI_NUMERICHOST:
            released.wait(30)
        return real(*host, **options)

    patch.setattr(socket, "getaddrinfo", getaddrinfo)
    return released


def test_a_resolver_that_does_not_answer_says_nothing_about_the_other_side(monkeypatch: pytest.MonkeyPatch) -> None:
    released = silent_resolver(monkeypatch)
    node = Node(name="n11", ssh={"host": "node.example.test", "known_host": "ssh-ed25519 x"})
    try:
        for attempt in (
            lambda: reach("db.example.test", 5432, timeout=0.1),
            lambda: request("GET", "http://db.example.test/", timeout=0.1),
            lambda: knock(door(node), 0.1, 0.1),
        ):
            begun = time.monotonic()
            with pytest.raises(CannotTell, match=r"could not be resolved within 0\.1 s: the resolver") as caught:
                asyncio.run(attempt())
            assert not isinstance(caught.value, LinkDown)
            assert time.monotonic() - begun < 5, "the end of the loop waits for the resolver"
        # Nor does the end of the process.
        assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("resolve "))
    finally:
        released.set()


def test_an_address_needs_no_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    released = silent_resolver(monkeypatch)
    try:
        for host in ("127.0.0.1", "::1"):
            assert [address[0] for _, address in asyncio.run(resolved(host, 1))] == [host]
    finally:
        released.set()


def test_each_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.3", 0) as server:
            port = server.sockets[0].getsockname()[1]
            addresses = [(socket.AF_INET, (f"127.0.0.{last}", port)) for last in (1, 2, 3)]
            monkeypatch.setattr("seatrial.links.tcp._addresses", lambda host, port, flags=0: addresses)
            await reach("three.example", port)
            assert (await request("GET", f"http://three.example:{port}/")).status == 204
            addresses.pop()
            with pytest.raises(LinkDown, match="refused"):
                await reach("three.example", port)
            with pytest.raises(LinkDown, match="refused"):
                await request("GET", f"http://three.example:{port}/")

    asyncio.run(main())
