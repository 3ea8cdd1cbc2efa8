"""Downloading to a file: redirects are followed, and private headers are not sent to other hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from seatrial.errors import CannotTell
from seatrial.links.http import REDIRECTS, Answer, Web

HOPS = 5
"""Redirects followed at most."""


async def download(
    web: Web,
    url: str,
    into: Path,
    *,
    headers: Mapping[str, str],
    private: Mapping[str, str],
    timeout: float,
    limit: int,
) -> Answer:
    """GET a file of at most `limit` bytes within `timeout` seconds; the headers in `private` (a token) go to the first
    URL's origin alone.

    An answer of 300 or more has a body, and no file. Errors as those of `Web.request`; they name URLs without their
    query, since it may be a signature. CannotTell also when redirects lead in a circle, or from https to http.
    """
    origin, here = _origin(url), url
    clock = asyncio.get_running_loop().time
    end = clock() + timeout
    for _ in range(HOPS + 1):
        sent = {**headers, **(private if _origin(here) == origin else {})}
        left = max(end - clock(), 0.001)
        answer = await web.request("GET", here, headers=sent, timeout=left, limit=limit, into=into, shown=bare(here))
        if answer.status not in REDIRECTS:
            return answer
        target = urljoin(here, answer.headers.get("location", ""))
        if target == here or (_origin(here)[0] == "https" and _origin(target)[0] != "https"):
            raise CannotTell(f"{bare(here)} redirects to {bare(target)}, and Seatrial does not follow it")
        here = target
    raise CannotTell(f"{bare(url)} redirects more than {HOPS} times")


def bare(url: str) -> str:
    """A URL without its query and without a user's name, to be shown."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an unreadable URL"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        return parts.scheme, (parts.hostname or "").lower(), port
    except ValueError as error:
        raise CannotTell(f"no request was sent to {bare(url)!r}: {error}") from error
