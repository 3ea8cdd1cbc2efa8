from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.checks.fakes import FakeContext, look, verdict
from tests.checks.http.site import Site, serving

from seatrial.checks.http import Http
from seatrial.checks.http.certificates import Tls, wrong


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name="Harbour Office")


@pytest.fixture
def site(authority: trustme.CA) -> Iterator[Site]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    names = ("ship.example", "*.fleet.example", "10.0.0.1", "::1")
    authority.issue_cert(*names, not_after=datetime.now(UTC) + timedelta(days=20)).configure_cert(tls)
    with serving(tls) as site:
        yield site


@pytest.mark.parametrize(
    "tls, why",
    [
        ({}, ""),
        ({"names": "ship.example"}, ""),
        ({"names": ("SHIP.example.", "a.fleet.example", "*.fleet.example", "10.0.0.1", "0:0::1")}, ""),
        (
            {"names": ("ship.example", "other.example")},
            "does not cover other.example; it covers: ship.example, *.fleet",
        ),
        ({"names": "a.b.fleet.example"}, "does not cover a.b.fleet.example"),
        ({"names": "fleet.example"}, "does not cover fleet.example"),
        ({"issuer": "Harbour Office"}, ""),
        ({"issuer": "Harbour"}, "was issued by"),
        ({"valid_for": 19 * 86400.0}, ""),
        ({"valid_for": 21 * 86400.0}, "expires in 20.0 days, expected at least 21"),
    ],
)
def test_the_certificate_decides_also_when_it_is_not_verified(site: Site, tls: dict[str, Any], why: str) -> None:
    seen = look(Http(url=site.url, verify=False, tls=Tls(**tls)), FakeContext())
    assert (seen.verdict, why in seen.why) == ("failed" if why else "passed", True), seen
    if why:
        assert set(seen.seen) == {"names", "issuer", "valid_until"}  # type: ignore[call-overload]


def test_a_private_authority_is_trusted_by_its_file(site: Site, authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    to = {"ship.example": site.url[8:]}
    fields: dict[str, Any] = {"ca": "ca.pem", "connect_to": to, "tls": Tls(names="ship.example")}
    assert verdict(Http(url="https://ship.example/", **fields), FakeContext(tmp_path)) == "passed"
    assert verdict(Http(url="https://other.example/", **fields, tls_name="x"), FakeContext(tmp_path)) == "unknown"


@pytest.mark.parametrize("days, why", [(-1, "expired"), (2, "not valid before")])
def test_a_certificate_that_is_not_valid_now_fails_and_says_so(authority: trustme.CA, days: int, why: str) -> None:
    now = datetime.now(UTC)
    end = now + timedelta(days=days)
    issued = authority.issue_cert("ship.example", not_before=end - timedelta(days=1), not_after=end)
    der = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
    seen = wrong(Tls(), der, "https://ship.example")
    assert seen is not None
    assert why in seen.why


def test_an_answer_without_tls_fails() -> None:
    with serving() as site:
        seen = look(Http(url=f"{site.url}/hop/1", redirects="follow", tls=Tls()), FakeContext())
        assert (seen.verdict, seen.seen) == ("failed", "no TLS")
    assert [key for key, _ in Http(url="http://x", tls=Tls()).check_fields()] == ["tls"]
