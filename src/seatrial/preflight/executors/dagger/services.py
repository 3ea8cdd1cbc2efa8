"""Services of checks in Dagger: started in the engine for the first check in need, healthy before it, and stopped at
the end of the run."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.dagger.session import Session
from seatrial.links.output import end
from seatrial.preflight.document import Health, Service
from seatrial.preflight.executors.dagger import images
from seatrial.preflight.executors.dagger.values import plain, with_variables
from seatrial.preflight.job import Job
from seatrial.preflight.running_service import LOOPBACK, View
from seatrial.preflight.services import listens, responds
from seatrial.preflight.system import pipeline_of
from seatrial.spi import Context

LOOK_EVERY = 0.2
STARTS = 60.0
"""Seconds for a service to start, if it has no `health`."""

STOPS = 10.0
"""Seconds for a service to stop; then it ends with the session."""


@dataclass
class Running:
    """A started service."""

    service: Any
    """Dagger's own."""
    view: View
    output: bytearray = field(default_factory=bytearray)
    """What it printed so far."""
    outside: View | None = None
    """Its ports on this host, when asked for."""


class DaggerServices:
    """The services of one trial."""

    def __init__(self) -> None:
        self._standing: dict[str, Running | CannotTell] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def take(self, check: str, running: Running) -> None:
        """Keep the service that a check's function returned, for later checks."""
        self._standing[check] = running

    async def up(self, ctx: Context, session: Session, job: Job) -> dict[str, Running]:
        """Start the services of a check; CannotTell names each unhealthy one. Also those that functions returned."""
        return {**await self._declared(ctx, session, job), **dict(self._returned(job))}

    def _returned(self, job: Job) -> Iterator[tuple[str, Running]]:
        for name in job.check.returned_services:
            running = self._standing.get(name)
            if not isinstance(running, Running):
                raise CannotTell(f"the function of {name} returned no service in this run")
            yield name, running

    async def _declared(self, ctx: Context, session: Session, job: Job) -> dict[str, Running]:
        every = await asyncio.gather(*(self._one(ctx, session, job, name) for name in job.services))
        broken = [one for one in every if isinstance(one, CannotTell)]
        if broken:
            raise CannotTell("; ".join(map(str, broken)), evidence="\n".join(one.evidence for one in broken))
        return {name: one for name, one in zip(job.services, every, strict=True) if isinstance(one, Running)}

    async def _one(self, ctx: Context, session: Session, job: Job, name: str) -> Running | CannotTell:
        async with self._turns[name]:
            if name not in self._standing:
                try:
                    self._standing[name] = await _started(ctx, session, job, name, job.services[name])
                except CannotTell as error:
                    self._standing[name] = error
        return self._standing[name]


async def _started(ctx: Context, session: Session, job: Job, name: str, service: Service) -> Running:
    import dagger

    if not service.image:
        raise CannotTell(f"the service {name} has no `image`, so it cannot run in Dagger")
    view = View(name=name, address=name, ports=service.ports)
    env = {key: str(value) for key, value in ctx.bind(dict(service.env), service=view.names()).items()}
    try:
        image = images.image(session, service.image, job.source)
    except CannotTell as error:
        raise CannotTell(f"the service {name} did not start: {error}") from None
    made = with_variables(ctx, session, image, env)
    # Two runs at a time, and two runs one after the other, have a service of their own.
    made = made.with_env_variable("SEATRIAL_TRIAL_ID", ctx.trial_id)
    for port in service.ports.values():
        # Its health is asked as the document says, not by Dagger.
        made = made.with_exposed_port(port, experimental_skip_healthcheck=True)
    running = Running(made.as_service(use_entrypoint=True), view)
    pipeline_of(ctx).at_end.append(lambda: _ended(ctx, name, running))
    limit = service.health.timeout if service.health is not None else STARTS
    try:
        async with asyncio.timeout(limit):
            with session.telemetry.tracing(running.output.extend, lasting=True):
                await running.service.start()
    except dagger.DaggerError as error:
        raise CannotTell(f"the service {name} did not start: {end(plain(ctx, error), 300)}") from error
    except TimeoutError:
        raise CannotTell(f"the service {name} did not start within {limit:g} s") from None
    await _healthy(ctx, session, image, name, service, running)
    return running


async def returned(ctx: Context, session: Session, job: Job, service: Any) -> Running:
    """Start the service that a check's function returned; later checks bind it by the check's name."""
    running = Running(service, View(name=job.name.rpartition("/")[2], address=""))
    pipeline_of(ctx).at_end.append(lambda: _ended(ctx, running.view.name, running))
    with session.telemetry.tracing(running.output.extend, lasting=True):
        # By its ID from here on: the function is not called again for it.
        running.service = await service.start()
    query = running.service._select("ports", ())
    ports = await query.select_multiple("Port", port="port").execute(list[dict[str, int]])
    name = running.view.name
    running.view = View(name=name, address=name, ports={str(each["port"]): each["port"] for each in ports})
    pipeline_of(ctx).part(DaggerServices).take(job.name, running)
    return running


async def _ended(ctx: Context, name: str, running: Running) -> None:
    """Stop it and keep its output."""
    import dagger

    try:
        async with asyncio.timeout(STOPS):
            await running.service.stop(kill=True)
    except (dagger.DaggerError, TimeoutError) as error:
        ctx.log(f"the service {name} did not end cleanly: {error}; it ends with the session", "debug")
    if running.output.strip():
        file = ctx.artifacts / "logs" / f"service-{name}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(ctx.masked(running.output.decode(errors="replace")), encoding="utf-8")


async def _healthy(ctx: Context, session: Session, image: Any, name: str, service: Service, running: Running) -> None:
    """Wait until it is healthy; CannotTell when its timeout is over."""
    if service.health is None:
        return
    clock = asyncio.get_running_loop().time
    until = clock() + service.health.timeout
    while True:
        why = await _look(ctx, session, image, service, running, max(1.0, min(10.0, until - clock())))
        if not why:
            return
        if clock() >= until:
            text = ctx.masked(running.output.decode(errors="replace")).strip()
            said = f"its last output: {end(text.rpartition(chr(10))[2], 300)}" if text else "it printed nothing"
            message = f"the service {name} was not healthy within {service.health.timeout:g} s: {why}; {said}"
            raise CannotTell(message, evidence=text[-2000:])
        await asyncio.sleep(LOOK_EVERY)


async def _look(ctx: Context, session: Session, image: Any, service: Service, running: Running, timeout: float) -> str:
    """Why it is not healthy; empty when it is."""
    import dagger

    assert service.health is not None
    health, view = service.health, running.view
    if not health.command:
        return await _answers(ctx, session, health, running, timeout)
    argv = [str(word) for word in ctx.bind(health.command, service=view.names())]
    probe = (
        image.with_service_binding(view.name, running.service)
        .with_env_variable("DAGGER_ATTEMPT", secrets.token_hex(8))
        .with_exec(argv, expect=dagger.ReturnType.ANY)
    )
    try:
        async with asyncio.timeout(timeout):
            code = await probe.exit_code()
            if code == 0:
                return ""
            said = (await probe.stderr()).strip() or (await probe.stdout()).strip()
    except TimeoutError:
        return f"{argv[0]} did not end within {timeout:g} s"
    except dagger.DaggerError as error:
        return end(plain(ctx, error), 300)
    last = ctx.masked(said).rpartition("\n")[2]
    return f"{argv[0]} ended with exit code {code}" + (f": {end(last, 300)}" if last else "")


async def _answers(ctx: Context, session: Session, health: Health, running: Running, timeout: float) -> str:
    """Why a port or a URL does not answer, by a tunnel from this host."""
    import dagger

    try:
        if running.outside is None:
            ports = {name: await _tunnel(session, running, port) for name, port in running.view.ports.items()}
            running.outside = View(name=running.view.name, address=LOOPBACK, ports=ports)
    except dagger.DaggerError as error:
        return end(plain(ctx, error), 300)
    if health.tcp:
        return await listens(running.outside.ports[health.tcp], timeout)
    return await responds(str(ctx.bind(health.http, service=running.outside.names())), timeout)


async def _tunnel(session: Session, running: Running, port: int) -> int:
    """A port of this host that leads to a port of the service."""
    import dagger

    forward = dagger.PortForward(backend=port, frontend=0)
    tunnel = await session.client.host().tunnel(running.service, ports=[forward]).start()
    return int((await tunnel.endpoint()).rpartition(":")[2])
