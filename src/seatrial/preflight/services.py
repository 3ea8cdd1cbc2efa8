"""Services of a trial: started together for the first check in need, checked for health, ended after the last check.

Its address depends on the client: checks in containers use its name, checks on this host a port on loopback.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping

from seatrial import expressions
from seatrial.errors import CannotTell, SeatrialError, ToolMissing
from seatrial.links.output import beginning
from seatrial.preflight.document import Health, Service
from seatrial.preflight.job import Job
from seatrial.preflight.running_service import LOOPBACK, RunningService, View, in_container, on_host
from seatrial.preflight.system import pipeline_of
from seatrial.spi import Context

LOOK_EVERY = 0.1
LINES = 20
"""Lines of a service's log in an error."""


class Services:
    """The services of one trial."""

    def __init__(self) -> None:
        self._standing: dict[str, RunningService | CannotTell] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def up(self, ctx: Context, wanted: Mapping[str, Service], *, host: bool) -> dict[str, RunningService]:
        """Start all of these; CannotTell names each unhealthy one, with the end of its log."""
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

    async def _one(self, ctx: Context, name: str, service: Service, host: bool) -> RunningService | CannotTell:
        async with self._turns[name]:
            if name not in self._standing:
                try:
                    self._standing[name] = await _started(ctx, name, service, host)
                except CannotTell as error:
                    self._standing[name] = error  # so the next check does not wait for the same error
        return self._standing[name]

    async def end(self, ctx: Context) -> None:
        """End all running services, and keep their output; the sweep handles and reports the rest."""
        standing = {name: one for name, one in self._standing.items() if not isinstance(one, CannotTell)}
        self._standing.clear()
        await asyncio.gather(*(_ended(ctx, name, one) for name, one in standing.items()))


async def _started(ctx: Context, name: str, service: Service, host: bool) -> RunningService:
    standing = await _begun(ctx, name, service, host)
    try:
        await _healthy(ctx, name, service, standing)
    except BaseException as error:
        text = await _ended(ctx, name, standing)
        if not isinstance(error, CannotTell):
            raise
        lines = [line for line in text.splitlines() if line.strip()][-LINES:]
        said = f"; its last output: {beginning(lines[-1], 300)}" if lines else "; it printed nothing"
        raise CannotTell(f"{error}{said}", evidence="\n".join(lines)) from error
    return standing


async def _begun(ctx: Context, name: str, service: Service, host: bool) -> RunningService:
    """Start it in a container, or on this host if requested or without an engine."""
    if service.host is not None and (host or not service.image):
        return await on_host(ctx, name, service, service.host)
    try:
        engine = await pipeline_of(ctx).engine()
    except ToolMissing as error:
        if service.host is None:
            raise ToolMissing(f"the service {name} needs a container engine (or `host:` programs): {error}") from error
        ctx.log(f"the service {name} runs on this host: {error}", "warning")
        return await on_host(ctx, name, service, service.host)
    return await in_container(ctx, name, service, engine)


async def _healthy(ctx: Context, name: str, service: Service, standing: RunningService) -> None:
    """Wait until it is healthy; CannotTell when it ends or its timeout is over."""
    clock = asyncio.get_running_loop().time
    limit = service.health.timeout if service.health is not None else 0.0
    until = clock() + limit
    while True:
        # Checked first: after its end, another process may answer at its port.
        if ended := await standing.ended():
            raise CannotTell(f"the service {name} {ended}")
        why = await _look(ctx, service.health, standing, max(1.0, min(10.0, until - clock())))
        if not why:
            return
        if clock() >= until:
            raise CannotTell(f"the service {name} was not healthy within {limit:g} s: {why}")
        await asyncio.sleep(LOOK_EVERY)


async def _look(ctx: Context, health: Health | None, standing: RunningService, timeout: float) -> str:
    """Why it is not healthy; empty when it is, or has no `health`."""
    if health is None:
        return ""
    if health.command:
        view = standing.inside or standing.outside
        return await standing.unhealthy([str(word) for word in ctx.bind(health.command, service=view.names())], timeout)
    if health.tcp:
        return await listens(standing.outside.ports[health.tcp], timeout)
    return await responds(str(ctx.bind(health.http, service=standing.outside.names())), timeout)


async def responds(url: str, timeout: float) -> str:
    """Why a URL does not answer with a status from 200 to 399; empty when it does."""
    from seatrial.links.http import request

    try:
        answer = await request("GET", url, timeout=timeout)
    except (CannotTell, TimeoutError) as error:
        return str(error) or f"{url} did not answer within {timeout:g} s"
    return "" if 200 <= answer.status < 400 else f"{url} answered {answer.status}"


async def listens(port: int, timeout: float) -> str:
    """Why the port takes no connections. An early close comes from an engine's proxy, before the service listens."""
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
    """End it and keep its output; returns the output with secrets hidden."""
    try:
        text = ctx.masked(await standing.end())
    except (SeatrialError, OSError) as error:
        ctx.log(f"the service {name} did not end cleanly: {error}", "warning")
        return ""
    if text.strip():
        file = ctx.artifacts / "logs" / f"service-{name}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", errors="backslashreplace")
    return text


# Values for checks and services


def filled(ctx: Context, job: Job, views: Mapping[str, View]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command and the environment of a check with the addresses of its services; CannotTell when they lack a
    value, ToolMissing without a service."""
    for name in job.check.returned_services:
        if name not in views:
            why = f"{job.name} needs the service of {name}, which only checks with `executor: dagger` reach"
            raise ToolMissing(why)
    names = {name: view.names() for name, view in views.items()}
    known = {**ctx.names(), "services": names}
    env: dict[str, str] = {}
    for name, service in job.services.items():
        env |= {key: str(value) for key, value in ctx.bind(dict(service.binds), service=names[name]).items()}
    env |= {name: expressions.fill_deferred(value, known) for name, value in {**job.env, **job.secrets}.items()}
    return tuple(expressions.fill_deferred(word, known) for word in job.argv), env
