"""Targets of TCP connections: names with an address inside, addresses set by hand, and a test for a listener.

Wildcard names such as `app.10-0-0-1.nip.io` contain their address. Seatrial reads it from the name without DNS: a trial
works offline, and no DNS server learns the names of its machines.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import re
import socket
from collections.abc import Mapping

from seatrial.errors import CannotTell, LinkDown

DOWN = {errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT}
"""Errors caused by the peer or its absence; all others are errors of this machine."""

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


async def reach(host: str, port: int, *, timeout: float = 5.0) -> None:
    """Connect and close; LinkDown when nobody answers there, CannotTell when this machine could not even try."""
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(embedded(host) or host, port)
    except TimeoutError:
        raise LinkDown(f"{host}:{port} did not answer within {timeout:g} s") from None
    except OSError as error:
        raise judged(error, f"{host}:{port}") from error
    writer.close()
    with contextlib.suppress(OSError):  # It was open; errors at its end do not matter.
        await writer.wait_closed()


def judged(error: OSError, where: str) -> CannotTell:
    """LinkDown for errors of the peer, CannotTell for errors of this side."""
    codes = {single.errno for single in _single(error)}
    reason = "connection refused" if errno.ECONNREFUSED in codes else (error.strerror or str(error))
    if codes and codes <= DOWN:
        return LinkDown(f"{where} does not answer: {reason}")
    if isinstance(error, socket.gaierror):
        return CannotTell(f"the name of {where} could not be resolved: {reason}")
    return CannotTell(f"cannot connect to {where}: {reason}")


def _single(error: OSError) -> list[OSError]:
    """The errors of each tried address: asyncio wraps several into one without a number."""
    if error.errno is not None:
        return [error]
    text = str(error)
    known = {number: OSError(number, text) for number in DOWN if f"[Errno {number}]" in text}
    others = text.count("[Errno ") - sum(text.count(f"[Errno {number}]") for number in known)
    return [error] if others or not known else list(known.values())
