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
import threading
from collections.abc import Mapping
from typing import Any

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


Address = tuple[Any, Any]
"""A socket's family, and the address for it."""


async def resolved(host: str, port: int, *, timeout: float = 5.0) -> list[Address]:
    """The addresses of a host; CannotTell when its name has none, or the resolver does not answer in time: then nothing
    was measured of the host."""
    with contextlib.suppress(OSError, UnicodeError):
        return _addresses(host, port, socket.AI_NUMERICHOST)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Address]] = loop.create_future()

    def settle(found: list[Address] | Exception) -> None:
        if answer.done():
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def look() -> None:
        found: list[Address] | Exception
        try:
            found = _addresses(host, port)
        except (OSError, UnicodeError) as error:
            found = error
        with contextlib.suppress(RuntimeError):  # the loop has ended: the answer came too late
            loop.call_soon_threadsafe(settle, found)

    # Not a thread of the loop: the end of the process waits for those.
    threading.Thread(target=look, name=f"resolve {host}", daemon=True).start()
    try:
        async with asyncio.timeout(timeout):
            return await answer
    except TimeoutError:
        raise CannotTell(
            f"the name {host} could not be resolved within {timeout:g} s: the resolver of this machine does not answer"
        ) from None
    except UnicodeError as error:
        raise CannotTell(f"{host!r} is not a host name: {error}") from error
    except OSError as error:
        raise judged(error, host) from error


def _addresses(host: str, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


async def reach(host: str, port: int, *, timeout: float = 5.0) -> None:
    """Connect and close; LinkDown when nobody answers there, CannotTell when this machine could not even try."""
    addresses = await resolved(embedded(host) or host, port, timeout=timeout)
    failed: list[OSError] = []
    try:
        async with asyncio.timeout(timeout):
            for _, address in addresses:
                try:
                    _, writer = await asyncio.open_connection(address[0], port)
                    break
                except OSError as error:
                    failed.append(error)
            else:
                raise judged(failed[0], f"{host}:{port}") from failed[0]
    except TimeoutError:
        raise LinkDown(f"{host}:{port} did not answer within {timeout:g} s") from None
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
