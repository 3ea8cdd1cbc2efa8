from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from seatrial.errors import CannotTell, LinkDown
from seatrial.links.tcp import judged, reach


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
