"""Connection targets other than a URL's host: names with an address inside, and addresses set by hand.

Wildcard names such as `app.10-0-0-1.nip.io` contain their address. Seatrial reads it from the name without DNS: a trial
works offline, and no DNS server learns the names of its machines.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Mapping

ALLOWED = "allowed: HOST, HOST:PORT, [IPV6] or [IPV6]:PORT"

_V4 = re.compile(
    r"(?:^|[.-])(?:(?P<dots>\d{1,3}(?:\.\d{1,3}){3})|(?P<dashes>\d{1,3}(?:-\d{1,3}){3})|(?P<hex>[0-9a-f]{8}))"
    r"\.(?:nip|sslip)\.io\.?$"
)
_V6 = re.compile(r"(?:^|\.)([0-9a-f]*-[0-9a-f-]+)\.sslip\.io\.?$")


def embedded(host: str) -> str:
    """The address inside a name below nip.io or sslip.io: with dots, with dashes, in hexadecimal; else empty."""
    host = host.lower()
    with contextlib.suppress(ValueError):
        if found := _V4.search(host):
            if found["hex"]:
                return str(ipaddress.IPv4Address(int(found["hex"], 16)))
            return str(ipaddress.IPv4Address((found["dots"] or found["dashes"]).replace("-", ".")))
        if found := _V6.search(host):
            return str(ipaddress.IPv6Address(found[1].replace("-", ":")))
    return ""


def place(text: str) -> tuple[str, int | None]:
    """A host and its port, None without a port; ValueError when it is neither."""
    match = re.fullmatch(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[^\s:/\[\]@]+))(?::(?P<port>\d{1,5}))?", text)
    if match is None or not 0 < int(match["port"] or 1) < 65536:
        raise ValueError(f"invalid host {text!r}; {ALLOWED}")
    return match["six"] or match["host"], int(match["port"]) if match["port"] else None


def destination(host: str, port: int, instead: Mapping[str, str]) -> tuple[str, int]:
    """The address and port for a connection: from `instead` for `HOST:PORT` or `HOST`, else from the name."""
    for name in (f"{host}:{port}", host):
        if name in instead:
            to, at = place(instead[name])
            return embedded(to) or to, at or port
    return embedded(host) or host, port
