"""What a server's certificate says: its names, who issued it, and how long it is still good."""

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
    """What the certificate must say, whether or not it is verified."""

    names: str | tuple[str, ...] = ()
    """Names and addresses that it must be good for, by itself or by a wildcard."""
    issuer: str = ""
    """Who must have issued it: the common name, the organization, or the whole name."""
    valid_for: Duration = Duration(0.0)
    """How long it must still be valid: `14d`; it must always be valid now."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was read from one."""

    names: tuple[str, ...]
    issuer: str
    """The whole name (RFC 4514)."""
    issuers: frozenset[str]
    """All that may be said for the issuer."""
    begins: datetime
    ends: datetime

    @property
    def shown(self) -> dict[str, object]:
        """For results."""
        return {"names": list(self.names), "issuer": self.issuer, "valid_until": self.ends.isoformat()}

    def covers(self, name: str) -> bool:
        """Whether it is good for a name: its own, or in a domain whose `*.` it has."""
        wanted = _plain(name)
        have = {_plain(one) for one in self.names}
        return wanted in have or "*." + wanted.partition(".")[2] in have


def read(der: bytes) -> Certificate:
    """A certificate; CannotTell when it cannot be read."""
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
        return Certificate(
            names, issuer, frozenset({issuer, *parts}), one.not_valid_before_utc, one.not_valid_after_utc
        )
    except ValueError as error:
        raise CannotTell(f"the certificate that the server shows cannot be read: {error}") from error


def wrong(tls: Tls, der: bytes, url: str) -> Observation | None:
    """Failed when the certificate does not say what it must; None when it does."""
    expected = dict(asked(tls))
    if not der:
        return failed("no TLS", expected, f"{url} answers without TLS")
    found = read(der)
    return next((failed(found.shown, expected, why) for why in _faults(tls, found)), None)


def asked(tls: Tls) -> Iterable[tuple[str, object]]:
    """What is asked of a certificate, for results."""
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
            yield f"the certificate is not good for {name}; it is for: {', '.join(found.names) or 'no name'}"
    if tls.issuer and tls.issuer not in found.issuers:
        yield f"the certificate was issued by {found.issuer}, not by {tls.issuer}"
    if now < found.begins:
        yield f"the certificate is not valid before {found.begins.isoformat()}"
    if now > found.ends:
        yield f"the certificate is not valid any more: it ended {found.ends.isoformat()}"
    elif found.ends - now < timedelta(seconds=tls.valid_for):
        left = (found.ends - now) / timedelta(days=1)
        yield f"the certificate is valid for {left:.1f} days more, expected {tls.valid_for / 86400:g}"


def _plain(name: str) -> str:
    """A name as it is compared; an address as it is usually written."""
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return name.lower().rstrip(".")
