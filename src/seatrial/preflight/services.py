"""Services of a trial: started together when the first check needs them, gated by their health, ended after the last.

A service is a container on the trial's own network, or a program of this host (`service_on_host`). Where it is depends
on who looks: checks in containers know it by its name, checks on this host by a port of loopback.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TypeVar

from seatrial import expressions
from seatrial.errors import CannotTell, SeatrialError, ToolMissing
from seatrial.preflight.document import Service
from seatrial.preflight.running_service import LOOPBACK, RunningService, View
from seatrial.preflight.system import pipeline_of
from seatrial.spi import Context

T = TypeVar("T")

LOOK_EVERY = 0.1
LINES = 20
"""Lines of a service's log that an error shows."""


class Services:
    """The services of one trial."""

    def __init__(self) -> None:
        self._standing: dict[str, RunningService | CannotTell] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    @classmethod
    def of(cls, ctx: Context) -> Services:
        """Those of this trial."""
        return pipeline_of(ctx).part(cls)

    async def up(self, ctx: Context, wanted: Mapping[str, Service], *, host: bool) -> dict[str, RunningService]:
        """All of these, healthy; CannotTell names each that is not, with the end of its log."""
        found = await asyncio.gather(
            *(self._one(ctx, name, service, host) for name, service in wanted.items()), return_exceptions=True
        )
        for one in found:
            if isinstance(one, BaseException) and not isinstance(one, CannotTell):
                raise one
        broken = [one for one in found if isinstance(one, CannotTell)]
        if broken:
            evidence = "\n".join(one.evidence for one in broken if one.evidence)
            raise CannotTell("; ".join(map(str, broken)), evidence=evidence)
        return {name: one for name, one in zip(wanted, found, strict=True) if not isinstance(one, BaseException)}

    async def _one(self, ctx: Context, name: str, service: Service, host: bool) -> RunningService:
        async with self._turns.setdefault(name, asyncio.Lock()):
            if name not in self._standing:
                try:
                    self._standing[name] = await _started(ctx, name, service, host)
                except CannotTell as error:
                    self._standing[name] = error  # the next check need not wait as long to hear the same
        known = self._standing[name]
        if isinstance(known, CannotTell):
            raise CannotTell(str(known), evidence=known.evidence)
        return known

    async def end(self, ctx: Context) -> None:
        """End all that stand, and keep what they wrote; what does not go now is left to the sweep, which says why."""
        standing = {name: one for name, one in self._standing.items() if not isinstance(one, CannotTell)}
        self._standing.clear()
        await asyncio.gather(*(_ended(ctx, name, one) for name, one in standing.items()))


async def end_services(ctx: Context) -> None:
    """After the last check: end what the trial's services are."""
    await Services.of(ctx).end(ctx)


async def _started(ctx: Context, name: str, service: Service, host: bool) -> RunningService:
    standing = await _begun(ctx, name, service, host)
    try:
        await _healthy(ctx, name, service, standing)
    except BaseException as error:
        text = await _ended(ctx, name, standing)
        if not isinstance(error, CannotTell):
            raise
        lines = [line for line in text.splitlines() if line.strip()][-LINES:]
        said = f"; the last that it wrote: {lines[-1][:300]}" if lines else "; it wrote nothing"
        raise CannotTell(f"{error}{said}", evidence="\n".join(lines)) from error
    return standing


async def _begun(ctx: Context, name: str, service: Service, host: bool) -> RunningService:
    """Start it where it can be: in a container unless the host was asked for, or there is no engine."""
    # Only what is used is imported: most pipelines start no service.
    from seatrial.preflight.service_in_container import begin as in_container
    from seatrial.preflight.service_on_host import begin as on_host

    if service.host is not None and (host or not service.image):
        return await on_host(ctx, name, service, service.host)
    try:
        engine = await pipeline_of(ctx).engine()
    except ToolMissing as error:
        if service.host is None:
            raise ToolMissing(f"the service {name} needs a container engine (or `host:` programs): {error}") from error
        ctx.log(f"the service {name} runs on this host, for {error}", "warning")
        return await on_host(ctx, name, service, service.host)
    return await in_container(ctx, name, service, engine)


async def _healthy(ctx: Context, name: str, service: Service, standing: RunningService) -> None:
    """Wait until it says that it is ready; CannotTell when it ended, or its time is over."""
    clock = asyncio.get_running_loop().time
    health = service.health
    until = clock() + (health.timeout if health is not None else 0.0)
    while True:
        # Asked first: what answers now may be another's, once it has ended.
        if ended := await standing.ended():
            raise CannotTell(f"the service {name} {ended}")
        why = await _look(ctx, name, service, standing, max(1.0, min(10.0, until - clock())))
        if not why:
            return
        if clock() >= until:
            seconds = health.timeout if health is not None else 0.0
            raise CannotTell(f"the service {name} was not healthy within {seconds:g} s: {why}")
        await asyncio.sleep(LOOK_EVERY)


async def _look(ctx: Context, name: str, service: Service, standing: RunningService, timeout: float) -> str:
    """Why it is not healthy; nothing when it is, or does not say what healthy is."""
    health = service.health
    if health is None:
        return ""
    if health.command:
        view = standing.inside or standing.outside
        argv = ctx.bind(health.command, service=view.names(name))
        return await standing.command(tuple(map(str, argv)), timeout)
    if health.tcp:
        return await _listens(standing.outside.ports[health.tcp], timeout)
    from seatrial.links.http import request

    url = str(ctx.bind(health.http, service=standing.outside.names(name)))
    try:
        answer = await request("GET", url, timeout=timeout)
    except (CannotTell, TimeoutError) as error:
        return str(error) or f"{url} did not answer within {timeout:g} s"
    return "" if 200 <= answer.status < 400 else f"{url} answered {answer.status}"


async def _listens(port: int, timeout: float) -> str:
    """Why nobody takes connections there. One that is closed at once is an engine's, in the place of a service that
    does not listen yet."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
        async with asyncio.timeout(0.1):
            closed = not await reader.read(1)
    except TimeoutError:
        return "" if writer is not None else f"port {port} did not answer within {timeout:g} s"
    except OSError as error:
        return f"port {port}: {error.strerror or error}"
    finally:
        if writer is not None:
            writer.close()
    return f"port {port} was closed at once" if closed else ""


async def _ended(ctx: Context, name: str, standing: RunningService) -> str:
    """End it, and keep what it wrote, which is also returned, its secrets hidden."""
    try:
        text = ctx.masked(await standing.end())
    except (SeatrialError, OSError) as error:
        ctx.log(f"the service {name} did not end in order: {error}", "warning")
        return ""
    if text.strip():
        file = ctx.artifacts / "logs" / f"service-{name}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", errors="backslashreplace")
    return text


# What checks and services see


def filled(ctx: Context, text: str, services: Mapping[str, View]) -> str:
    """The text of a check with its services in it, which nobody knew before; CannotTell when it asks for what they do
    not have."""
    names = {name: view.names(name) for name, view in services.items()}
    return expressions.fill_deferred(text, {**ctx.names(), "services": names})


def bound(ctx: Context, wanted: Mapping[str, Service], views: Mapping[str, View]) -> dict[str, str]:
    """The environment by which checks find their services."""
    found: dict[str, str] = {}
    for name, service in wanted.items():
        bound_to = ctx.bind(dict(service.binds), service=views[name].names(name))
        found |= {key: str(value) for key, value in bound_to.items()}
    return found
