"""A test for a listener: one TCP connection, opened and closed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket

from seatrial.errors import CannotTell, LinkDown
from seatrial.links.hosts import embedded

DOWN = {errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT}
"""Errors caused by the peer or its absence; all others are errors of this machine."""


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
