from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.links.test_tcp import closed_port
from tests.links.web_server import Server, serving

from seatrial.errors import CannotTell, LinkDown, LinkLost, LinkRefused
from seatrial.links import http
from seatrial.links.http import Answer, Web, request


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def asked(url: str, method: str = "GET", **options: Any) -> Answer:
    return asyncio.run(request(method, url, **options))


def test_status_headers_and_body_come_back(server: Server) -> None:
    answer = asked(f"{server.url}/json")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["items"] == [1, 2, 3]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_every_status_is_an_answer_and_redirects_are_not_followed(server: Server, status: int) -> None:
    assert asked(f"{server.url}/status/{status}").status == status
    assert len(server.seen) == 1


def test_method_and_content_are_sent(server: Server) -> None:
    said = asked(f"{server.url}/echo", "POST", json={"a": 1}).json()
    assert said == {"method": "POST", "body": '{"a":1}', "type": "application/json"}


def test_a_client_uses_its_connection_again(server: Server) -> None:
    async def main() -> None:
        async with Web() as web:
            for _ in range(3):
                await web.request("GET", server.url)

    asyncio.run(main())
    assert len({address for address, _, _ in server.seen}) == 1


def test_proxies_of_the_environment_are_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{closed_port()}")
    assert asked(server.url).status == 200


def test_no_tls_is_set_up_for_plain_http(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a TLS context was made")

    monkeypatch.setattr(http, "_context", refuse)
    monkeypatch.setattr(ssl, "SSLContext", refuse)
    monkeypatch.setattr(ssl, "create_default_context", refuse)
    assert asked(server.url).status == 200


def test_a_closed_port_is_down() -> None:
    with pytest.raises(LinkDown, match="refused"):
        asked(f"http://127.0.0.1:{closed_port()}/")


def test_no_answer_in_time_is_a_timeout(server: Server) -> None:
    with pytest.raises(TimeoutError, match=r"0\.2 s"):
        asked(f"{server.url}/slow", timeout=0.2)


def test_an_answer_that_breaks_off_is_lost(server: Server) -> None:
    with pytest.raises(LinkLost, match="broke off"):
        asked(f"{server.url}/broken")


def test_what_speaks_no_http_is_lost() -> None:
    def greet(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        with peer:
            peer.sendall(b"SSH-2.0-Ship\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=greet, args=(listener,))
        thread.start()
        with pytest.raises(LinkLost):
            asked(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join()


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/", "http://", "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://no-such-host.invalid/"],
)
def test_our_own_mistakes_are_not_blamed_on_the_other_side(url: str) -> None:
    with pytest.raises(CannotTell) as caught:
        asked(url)
    assert type(caught.value) is CannotTell


def test_a_body_past_the_limit_cannot_be_told(server: Server) -> None:
    assert len(asked(f"{server.url}/big?5000", limit=5000).body) == 5000
    with pytest.raises(CannotTell, match="more than 4999 bytes"):
        asked(f"{server.url}/big?5000", limit=4999)


def test_a_certificate_must_be_trusted_and_have_the_right_name(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("ship.example").configure_cert(tls)
    ca = str(tmp_path / "ca.pem")
    with serving(tls) as server:
        with pytest.raises(LinkRefused, match="certificate"):
            asked(server.url)
        with pytest.raises(LinkRefused, match="certificate"):
            asked(server.url, ca=ca)
        assert asked(server.url, ca=ca, tls_name="ship.example").status == 200
        assert asked(server.url, verify=False).status == 200


def test_certificates_that_cannot_be_read_are_our_own_mistake(tmp_path: Path) -> None:
    with pytest.raises(CannotTell, match="could not be read"):
        asked("https://127.0.0.1:1/", ca=str(tmp_path / "gone"))


def test_tls_to_a_plain_port_is_the_other_sides_doing(server: Server) -> None:
    with pytest.raises(LinkLost, match="TLS"):
        asked(server.url.replace("http:", "https:"))


def test_another_address_is_asked_with_the_name_of_the_url(server: Server) -> None:
    instead = {"ship.example": f"127.0.0.1:{server.server_port}"}
    assert asked("http://ship.example/", connect_to=instead).status == 200
    assert asked("http://ship.example:81/", connect_to=instead).status == 200
    assert asked("http://ship.example/", connect_to=instead, headers={"Host": "own.example"}).status == 200
    assert [seen[2]["Host"] for seen in server.seen] == ["ship.example", "ship.example:81", "own.example"]


def test_the_certificate_is_held_against_the_name_of_the_url_and_is_told(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls, ca = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), str(tmp_path / "ca.pem")
    issued = authority.issue_cert("ship.example", "app.127-0-0-1.nip.io")
    issued.configure_cert(tls)
    der = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
    with serving(tls) as server:
        instead = {"ship.example": f"127.0.0.1:{server.server_port}", "other.example": server.url[8:]}
        assert asked("https://ship.example/", connect_to=instead, ca=ca).certificate == der
        assert asked(f"https://app.127-0-0-1.nip.io:{server.server_port}/", ca=ca).certificate == der
        assert asked("https://other.example/", connect_to=instead, verify=False).certificate == der
        with pytest.raises(LinkRefused, match="certificate"):
            asked("https://other.example/", connect_to=instead, ca=ca)


def test_a_connection_that_was_good_for_one_name_is_not_used_for_another(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("ship.example").configure_cert(tls)

    async def main(url: str) -> None:
        async with Web() as web:
            await web.request("GET", url, ca=str(tmp_path / "ca.pem"), tls_name="ship.example")
            with pytest.raises(LinkRefused, match="certificate"):
                await web.request("GET", url, ca=str(tmp_path / "ca.pem"), tls_name="other.example")

    with serving(tls) as server:
        asyncio.run(main(server.url))


def test_a_client_keeps_no_cookies(server: Server) -> None:
    async def main() -> Answer:
        async with Web() as web:
            answer = await web.request("GET", f"{server.url}/cookies")
            await web.request("GET", server.url)
            return answer

    assert asyncio.run(main()).cookies == ("a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2099 07:28:00 GMT")
    assert "Cookie" not in server.seen[1][2]
