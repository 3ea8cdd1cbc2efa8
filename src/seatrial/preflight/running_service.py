"""A running service: a container on the trial's network, or a program of this host with its own folder and ports."""

from __future__ import annotations

import asyncio
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links import process
from seatrial.links.containers import Engine
from seatrial.links.containers.resources import bring_image, environment_words, labelled, log_of, status_of
from seatrial.links.output import beginning, end
from seatrial.links.process import process_start
from seatrial.links.process.server_programs import argv_of, search_path, user_of
from seatrial.links.process.spawned import TAG, spawn, supervised
from seatrial.preflight.document import HostService, Service
from seatrial.preflight.system import OWNER, pipeline_of
from seatrial.spi import Context, Finished

LOOPBACK = "127.0.0.1"

LATE_LOG = 6.0
"""Seconds for the log of a container that has ended."""

PREPARE = 120.0
"""Seconds for each program to run before the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The address of a service, from one point of view."""

    name: str
    address: str
    ports: Mapping[str, int] = field(default_factory=dict)
    folder: str = ""

    def names(self) -> dict[str, object]:
        """The value of `service` in an expression."""
        return {"name": self.name, "address": self.address, "ports": dict(self.ports), "folder": self.folder}


class RunningService(ABC):
    """A started service."""

    outside: View
    """The address for this host."""
    inside: View | None
    """The address for containers on the trial's network; None: the service runs on this host."""

    async def unhealthy(self, argv: Sequence[str], timeout: float) -> str:
        """The reason why its health command fails; empty: it passes."""
        try:
            done = await self.run(argv, timeout)
        except TimeoutError:
            return f"{argv[0]} did not end within {timeout:g} s"
        said = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
        return "" if done.ok else f"{argv[0]} {done.ended}" + (f": {end(said, 300)}" if said else "")

    @abstractmethod
    async def run(self, argv: Sequence[str], timeout: float) -> Finished:
        """Run one of its programs beside it."""

    @abstractmethod
    async def ended(self) -> str:
        """The exit status in words; empty: it still runs."""

    @abstractmethod
    async def end(self) -> str:
        """End and remove it; returns its output, with secrets unmasked."""


@dataclass(frozen=True)
class Contained(RunningService):
    """A service in a container."""

    ctx: Context
    engine: Engine
    container: str
    outside: View
    inside: View

    async def run(self, argv: Sequence[str], timeout: float) -> Finished:
        return await self.engine.run("exec", self.container, *argv, timeout=timeout)

    async def ended(self) -> str:
        status, code = await status_of(self.engine, self.container)
        return "" if status == "running" else f"did not stay up: its container is {status}, with exit code {code}"

    async def end(self) -> str:
        # The log is complete only after the engine reports the container's end, and on a busy machine Podman's monitor
        # may write it later still.
        clock = asyncio.get_running_loop().time
        latest = clock() + LATE_LOG
        status, _code = await status_of(self.engine, self.container)
        while status in ("stopped", "stopping") and clock() < latest:
            await asyncio.sleep(0.1)
            status, _code = await status_of(self.engine, self.container)
        while not (text := await log_of(self.engine, self.container)) and status != "running" and clock() < latest:
            await asyncio.sleep(0.1)
        await self.ctx.give_back("container", self.container)
        return text


async def in_container(ctx: Context, name: str, service: Service, engine: Engine) -> Contained:
    """Start a service in a container; CannotTell, LeaseTaken with the reason of a failure."""
    try:
        await bring_image(engine, service.image, ctx.log)
    except CannotTell as error:
        raise CannotTell(f"the service {name} has no image: {error}", evidence=error.evidence) from error
    network = await pipeline_of(ctx).network(ctx)
    published = {port: await ctx.lease_port() for port in service.ports}
    inside = View(name=name, address=name, ports=service.ports)
    outside = View(name=name, address=LOOPBACK, ports=published)
    container = f"{ctx.trial_id}-service-{name}"
    env = {key: str(value) for key, value in ctx.bind(dict(service.env), service=inside.names()).items()}
    words, environment = environment_words(env, ctx.state / f"service-{name}.env")
    argv = [
        "run", "--detach", "--pull=never", "--name", container, "--hostname", name,
        *(["--log-driver=k8s-file"] if engine.podman else []),
        "--network", network, "--network-alias", name,
        *labelled(ctx.labels()), *words,
        *(word for port, at in published.items()
          for word in ("--publish", f"{LOOPBACK}:{at}:{service.ports[port]}")),
        service.image,
    ]  # fmt: skip
    what = f"starting the service {name}"
    await pipeline_of(ctx).make(ctx, "container", container, argv, what=what, env=environment)
    return Contained(ctx, engine, container, outside, inside)


@dataclass
class OnHost(RunningService):
    """A service as a program of this host."""

    ctx: Context
    name: str
    host: HostService
    folder: Path
    env: Mapping[str, str]
    outside: View
    inside: None = None
    running: asyncio.Task[Finished] | None = None

    @property
    def file(self) -> Path:
        """Its output, in the folder for secrets: they are masked in the kept copy."""
        return self.ctx.state / f"service-{self.name}.raw"

    async def run(self, argv: Sequence[str], timeout: float) -> Finished:
        words = _argv(self.host, argv, self.env)
        return await spawn(self.ctx, words, cwd=self.folder, env=self.env, timeout=timeout)

    async def prepare(self, argv: Sequence[str]) -> None:
        """Run a program to its end before the service; CannotTell with the reason of a failure."""
        try:
            done = await self.run(argv, PREPARE)
        except TimeoutError as error:
            raise CannotTell(f"the service {self.name} could not be prepared: {error}") from error
        if not done.ok:
            text = self.ctx.masked(done.stdout + done.stderr).strip()
            last = beginning(text.rpartition("\n")[2], 300)
            told = f"the service {self.name} could not be prepared: {argv[0]} {done.ended}: {last}"
            raise CannotTell(told, evidence=text[-2000:])

    async def start(self, argv: Sequence[str]) -> None:
        """Start it, and record its process; the ledger finds an unrecorded one by its tag."""
        began: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        env = {**self.env, TAG: f"{self.ctx.trial_id}-service-{self.name}"}
        words, supervisor = _argv(self.host, argv, self.env), await supervised(self.ctx)
        self.running = asyncio.create_task(
            process.run(words, cwd=self.folder, env=env, started=began.set_result, whole=self.file, under=supervisor)
        )
        futures: set[asyncio.Future[Any]] = {began, self.running}
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        if not began.done():
            self.running.result()  # raises the reason of a failed start
        pid = began.result()

        async def exists() -> None:
            """It does already."""

        detail = {"pid": pid, "started": process_start(pid, zombie=True)}
        await self.ctx.make("server", self.folder.name, exists, owner=OWNER, detail=detail)

    async def ended(self) -> str:
        if self.running is None or not self.running.done():
            return ""
        return f"did not stay up: {self.host.command[0]} {self.running.result().ended}"

    async def end(self) -> str:
        if self.running is not None:
            await self.ctx.give_back("server", self.folder.name)
            self.running.cancel()
            await asyncio.wait([self.running])
        await self.ctx.give_back("folder", self.folder.name)
        try:  # only now: its last output is complete after its end
            return self.file.read_text(errors="replace")
        except FileNotFoundError:
            return ""


async def on_host(ctx: Context, name: str, service: Service, host: HostService) -> OnHost:
    """Create a service's folder, prepare and start it; CannotTell, ToolMissing with the reason of a failure."""
    await supervised(ctx)  # in the ledger before the folder: whatever this service starts is known
    ports = {port: await ctx.lease_port() for port in service.ports}
    # Not in the trial's folder: other users cannot enter it, and sockets need short paths.
    folder = Path(tempfile.gettempdir()) / f"{ctx.trial_id}-{name}"
    view = View(name=name, address=LOOPBACK, ports=ports, folder=str(folder))
    names = view.names()
    given = ctx.bind({**service.env, **host.env}, service=names)
    command, *prepare = (list(map(str, ctx.bind(argv, service=names))) for argv in (host.command, *host.prepare))
    env = {
        **ctx.environment(),
        "HOME": str(folder),
        "PATH": search_path(host.path),
        **{k: str(v) for k, v in given.items()},
    }
    _argv(host, command, env)  # missing programs are reported before anything is created

    async def make() -> None:
        folder.mkdir(mode=0o700)
        if host.user and not os.geteuid():
            user = user_of(host.user, "host.")
            os.chown(folder, user.pw_uid, user.pw_gid)

    standing = OnHost(ctx, name, host, folder, env, view)
    try:
        await ctx.make("folder", folder.name, make, owner=OWNER, detail={"path": str(folder)})
        for argv in prepare:
            await standing.prepare(argv)
        await standing.start(command)
    except BaseException:
        await standing.end()
        raise
    return standing


def _argv(host: HostService, words: Sequence[str], env: Mapping[str, str]) -> list[str]:
    return argv_of(words, path=env["PATH"], user=host.user, keys="host.")
