"""A look at a service: does its port belong to it, and does it answer as it should?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from seatrial.engine.masking import hide_in_urls
from seatrial.engine.services.definition import Seen
from seatrial.errors import CannotTell, LeaseTaken
from seatrial.links import process, tcp
from seatrial.links.output import beginning, end
from seatrial.links.process.listeners import Listener, listeners
from seatrial.model.service import ServiceHealth

LOOK = 5.0
"""Seconds for one look."""

Foreign = Callable[[int], Listener | None]
"""The process on a port, if it is not one of the service's own."""


def refuse_taken(name: str, port: int) -> None:
    """LeaseTaken when a program listens on the port before the service is started."""
    if held := listeners(port):
        who = " and ".join(map(str, held))
        raise LeaseTaken(
            f"the service {name} was not started: its port {port} is taken by {who}; "
            "stop that program, or give the service another `port`"
        )


async def unhealthy(
    health: ServiceHealth, seen: Seen, *, foreign: Foreign, env: Mapping[str, str], cwd: Path | None, folder: Path
) -> str:
    """Why the service is not healthy; empty when it is. LeaseTaken when another program answers in its place. `folder`:
    where a relative path of its command begins; `cwd`: where the command runs."""
    address, port = str(seen["address"]), seen["port"]
    if isinstance(port, int):
        try:
            await tcp.reach(address, port, timeout=LOOK)
        except CannotTell as error:
            return str(error)
        if other := foreign(port):
            raise LeaseTaken(f"the service {seen['name']} is not what answers on its port {port}: that is {other}")
    if health.http and (why := await _answers(health, _url(health.http, seen))):
        return hide_in_urls(why)
    return await _passes(health, env, cwd, folder) if health.command else ""


def _url(http: str, seen: Seen) -> str:
    """A URL, or a path below that of the service; CannotTell when it has none."""
    if "://" in http:
        return http
    base = str(seen["url"])
    if not base.startswith(("http://", "https://")):
        if not seen["port"]:
            raise CannotTell(f"`health.http` of the service {seen['name']} is a path, and the service has no port")
        base = f"http://{seen['address']}:{seen['port']}"
    return base.rstrip("/") + "/" + http.lstrip("/")


def program_in(folder: Path, argv: Sequence[str]) -> list[str]:
    """The words of a command; a relative path of its program begins at this folder."""
    words = list(argv)
    if "/" in words[0] and not words[0].startswith("/"):
        words[0] = str(folder / words[0])
    return words


async def _answers(health: ServiceHealth, url: str) -> str:
    from seatrial.links.http import request

    try:
        answer = await request("GET", url, timeout=LOOK)
    except (CannotTell, TimeoutError) as error:
        return str(error) or f"{url} did not answer within {LOOK:g} s"
    if not (answer.status == health.status if health.status else 200 <= answer.status < 400):
        return f"{url} answered {answer.status}: {beginning(answer.text.strip(), 200)!r}"
    if health.contains not in answer.text:
        return f"{url} does not contain {health.contains!r}: {beginning(answer.text.strip(), 200)!r}"
    return ""


async def _passes(health: ServiceHealth, env: Mapping[str, str], cwd: Path | None, folder: Path) -> str:
    try:
        done = await process.run(program_in(folder, health.command), cwd=cwd, env=env, timeout=LOOK * 2)
    except (CannotTell, TimeoutError) as error:
        return str(error)
    said = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
    return "" if done.ok else f"{health.command[0]} {done.ended}" + (f": {end(said, 300)}" if said else "")
