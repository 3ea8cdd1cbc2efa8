from __future__ import annotations

import socket

import pytest
from tests.checks.fakes import FakeContext, look, verdict
from tests.links.test_tcp import closed_port

from seatrial.checks.tcp import Tcp


def test_an_open_port_passes_and_fails_where_it_must_be_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert look(Tcp(port=port), FakeContext()).verdict == "passed"
        assert look(Tcp(address=f"localhost:{port}"), FakeContext()).verdict == "passed"
        seen = look(Tcp(port=port, closed=True), FakeContext())
        assert (seen.verdict, seen.seen, seen.expected) == ("failed", "open", "closed")


def test_a_closed_port_fails_and_passes_where_it_must_be_closed() -> None:
    port = closed_port()
    seen = look(Tcp(port=port), FakeContext())
    assert (seen.verdict, seen.seen, seen.expected) == ("failed", "closed", "open")
    assert "refused" in seen.why
    assert look(Tcp(port=port, closed=True), FakeContext()).verdict == "passed"


@pytest.mark.parametrize("closed", [False, True])
def test_a_name_that_does_not_resolve_is_unknown_even_where_the_port_must_be_closed(closed: bool) -> None:
    assert verdict(Tcp(address="no-such-host.invalid:80", closed=closed), FakeContext()) == "unknown"


def test_text_is_an_address() -> None:
    assert Tcp(**Tcp.from_text(":127.0.0.1:80")).where() == ("127.0.0.1", 80)
    assert Tcp(address="[::1]:80").where() == ("::1", 80)
    with pytest.raises(ValueError, match="HOST:PORT"):
        Tcp.from_text("=x")


@pytest.mark.parametrize(
    "fields, key",
    [
        ({}, "port"),
        ({"port": 70000}, "port"),
        ({"address": "localhost"}, "address"),
        ({"address": "localhost:http"}, "address"),
        ({"address": "::1:80"}, "address"),
        ({"address": "localhost:80", "port": 80}, "port"),
    ],
)
def test_a_wrong_address_is_found_before_anything_runs(fields, key) -> None:
    assert next(name for name, _ in Tcp(**fields).check_fields()) == key
    assert not list(Tcp(port=80).check_fields())
