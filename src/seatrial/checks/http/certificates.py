"""The certificate of a server: its names, issuer and remaining validity."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from seatrial.checks.content import words
from seatrial.errors import CannotTell
from seatrial.model.result import Observation, failed
from seatrial.model.values import Duration


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Expectations of a certificate, verified or not."""

    names: str | tuple[str, ...] = ()
    """Names and addresses the certificate must cover, literally or by a wildcard."""
    issuer: str = ""
    """The required issuer: its common name, organization, or complete name."""
    valid_for: Duration = Duration(0.0)
    """Minimum remaining validity, such as `14d`; the certificate must always be valid now."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The contents of a certificate."""

    names: tuple[str, ...]
    issuer: str
    """The complete name (RFC 4514)."""
    issuers: frozenset[str]
    """All accepted names of the issuer."""
    begins: datetime
    ends: datetime

    @property
    def shown(self) -> dict[str, object]:
        return {"names": list(self.names), "issuer": self.issuer, "valid_until": self.ends.isoformat()}

    def covers(self, name: str) -> bool:
        """Whether it covers a name, literally or by a wildcard."""
        wanted = _plain(name)
        have = {_plain(one) for one in self.names}
        return wanted in have or "*." + wanted.partition(".")[2] in have


def read(der: bytes) -> Certificate:
    from cryptography import x509

    try:
        one = x509.load_der_x509_certificate(der)
        try:
            told = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            domains = told.get_values_for_type(x509.DNSName)
            names = (*domains, *(str(address) for address in told.get_values_for_type(x509.IPAddress)))
        except x509.ExtensionNotFound:
            names = ()
        kinds = (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME)
        parts = {str(part.value) for kind in kinds for part in one.issuer.get_attributes_for_oid(kind)}
        issuer = one.issuer.rfc4514_string()
        begins, ends = one.not_valid_before_utc, one.not_valid_after_utc
        return Certificate(names, issuer, frozenset({issuer, *parts}), begins, ends)
    except ValueError as error:
        raise CannotTell(f"the server's certificate cannot be read: {error}") from error


def wrong(tls: Tls, der: bytes, url: str) -> Observation | None:
    """Failed if the certificate does not meet the expectations; else None."""
    expected = dict(asked(tls))
    if not der:
        return failed("no TLS", expected, f"{url} answers without TLS")
    found = read(der)
    return next((failed(found.shown, expected, why) for why in _faults(tls, found)), None)


def asked(tls: Tls) -> Iterable[tuple[str, object]]:
    """The expectations, for results."""
    if words(tls.names):
        yield "names", list(words(tls.names))
    if tls.issuer:
        yield "issuer", tls.issuer
    if tls.valid_for:
        yield "valid_for", f"{tls.valid_for / 86400:g} days"


def _faults(tls: Tls, found: Certificate) -> Iterable[str]:
    now = datetime.now(UTC)
    for name in words(tls.names):
        if not found.covers(name):
            yield f"the certificate does not cover {name}; it covers: {', '.join(found.names) or 'no name'}"
    if tls.issuer and tls.issuer not in found.issuers:
        yield f"the certificate was issued by {found.issuer}, not by {tls.issuer}"
    if now < found.begins:
        yield f"the certificate is not valid before {found.begins.isoformat()}"
    if now > found.ends:
        yield f"the certificate expired at {found.ends.isoformat()}"
    elif found.ends - now < timedelta(seconds=tls.valid_for):
        left = (found.ends - now) / timedelta(days=1)
        yield f"the certificate expires in {left:.1f} days, expected at least {tls.valid_for / 86400:g}"


def _plain(name: str) -> str:
    """A name in its form for comparison; an address in its usual notation."""
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return name.lower().rstrip(".")
