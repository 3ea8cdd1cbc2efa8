from __future__ import annotations

import asyncio
import socket

import pytest
from tests.links.web_server import serving

from seatrial.links.http import request
from seatrial.links.tcp import destination, embedded, place, reach


@pytest.mark.parametrize(
    "name, address",
    [
        ("app.10-0-0-1.nip.io", "10.0.0.1"),
        ("app.127.0.0.1.nip.io", "127.0.0.1"),
        ("10.0.0.1.nip.io", "10.0.0.1"),
        ("1.10.0.0.1.nip.io", "10.0.0.1"),
        ("shop-192-168-1-250.nip.io", "192.168.1.250"),
        ("App.C0A801FC.NIP.IO", "192.168.1.252"),
        ("www.10-0-0-1.sslip.io.", "10.0.0.1"),
        ("--1.sslip.io", "::1"),
        ("www.2a01-4f8-c17-b8f--2.sslip.io", "2a01:4f8:c17:b8f::2"),
        ("nip.io", ""),
        ("app.nip.io", ""),
        ("app.999.0.0.1.nip.io", ""),
        ("app.10-0-0-1.nip.io.example", ""),
        ("10.0.0.1", ""),
    ],
)
def test_a_wildcard_name_stands_for_the_address_in_it(name: str, address: str) -> None:
    assert embedded(name) == address


@pytest.mark.parametrize(
    "text, found",
    [("10.0.0.1", ("10.0.0.1", None)), ("a.b:81", ("a.b", 81)), ("[::1]", ("::1", None)), ("[::1]:9", ("::1", 9))],
)
def test_a_place_is_a_host_and_perhaps_a_port(text: str, found: tuple[str, int | None]) -> None:
    assert place(text) == found


@pytest.mark.parametrize("text", ["", "http://x", "x:0", "x:65536", "x:y", "a b", "::1", "u@x"])
def test_what_is_no_place_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="allowed: HOST"):
        place(text)


def test_a_host_with_its_port_is_meant_before_the_host_alone() -> None:
    instead = {"a": "10.0.0.1", "a:443": "10.0.0.2:8443", "b": "app.10-0-0-3.nip.io"}
    assert destination("a", 80, instead) == ("10.0.0.1", 80)
    assert destination("a", 443, instead) == ("10.0.0.2", 8443)
    assert destination("b", 80, instead) == ("10.0.0.3", 80)
    assert destination("c", 80, instead) == ("c", 80)


def test_no_dns_is_asked_for_a_name_that_holds_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = socket.getaddrinfo, []

    def noted(host: object, *rest: object, **more: object) -> object:
        asked.append(host)
        return real(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    with serving() as server:
        answer = asyncio.run(request("GET", f"http://app.127-0-0-1.nip.io:{server.server_port}/"))
        assert answer.status == 200
        assert server.seen[0][2]["Host"] == f"app.127-0-0-1.nip.io:{server.server_port}"
        asyncio.run(reach("app.127.0.0.1.nip.io", server.server_port))
    assert set(asked) <= {"127.0.0.1"}
