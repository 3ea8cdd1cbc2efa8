"""The ways to run a service: a program of this host, a container, or a command that brings it up."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from seatrial.engine.services.health import program_in
from seatrial.engine.services.home import Home
from seatrial.errors import CannotTell, LeftBehind
from seatrial.links import process
from seatrial.links.containers import Engine, engines
from seatrial.links.containers.resources import (
    bring_image,
    environment_words,
    labelled,
    log_of,
    take_away,
)
from seatrial.links.output import beginning
from seatrial.links.process import cgroups
from seatrial.links.process.listeners import Listener, listeners
from seatrial.links.process.server_programs import argv_of, search_path, user_of
from seatrial.links.process.supervision import Command, Supervisor, end_trial
from seatrial.links.process.table import descendants, pids, process_start, variables
from seatrial.model.service import Service
from seatrial.model.values import argv_of as command_argv

VARIABLE = "SEATRIAL_SERVICE"
"""The variable, and the label, that marks a process and a container as those of a service."""

PREPARE = 120.0
"""Seconds for each program to run before the service."""

ENDS = 30.0
"""Seconds for the end of a service beyond its `stop_timeout`."""

Note = Callable[..., None]
"""Adds to the service's record, before anything begins."""


class Running(ABC):
    """A service that is started, watched and ended."""

    heals: ClassVar[bool] = False
    """Whether another start repairs it: then it is not ended before."""
    patience: float = 0.0
    """Seconds until it has ended, or its end has failed."""

    def __init__(self, home: Home, service: Service, data: Path, tag: str, port: int | None, note: Note) -> None:
        self.home, self.service, self.data, self.tag, self.port, self.note = home, service, data, tag, port, note
        self.env = {**environment(), **service.env, VARIABLE: tag}
        self.patience = service.stop_timeout + ENDS

    @abstractmethod
    async def start(self) -> None:
        """Start it; CannotTell with the reason of a failure."""

    @abstractmethod
    async def ended(self) -> str:
        """Wait until it ends by itself; returns how, in words."""

    @abstractmethod
    async def end(self) -> None:
        """End and remove it; LeftBehind when something remains."""

    @property
    def holds_port(self) -> bool:
        """Whether it listens on its port already, before a start that repairs it."""
        return False

    async def unhealthy(self) -> str:
        """Why it is not healthy, besides its port and its `health`; empty: it is."""
        return ""

    def foreign(self, port: int) -> Listener | None:
        """The process on its port, if it is not one of its own."""
        return None

    async def flush(self) -> None:  # noqa: B027  most write their log themselves
        """Bring its log up to date."""


def environment() -> dict[str, str]:
    """The environment of this process, without what belongs to one run."""
    kept = ("SEATRIAL_CACHE_DIR",)
    ours = ("SEATRIAL_", "E2E_")
    return {name: value for name, value in os.environ.items() if name in kept or not name.startswith(ours)}


class Program(Running):
    """A program of this host, with everything that it starts."""

    def __init__(self, *arguments: Any, folder: Path) -> None:
        super().__init__(*arguments)
        self._folder = folder
        self.env |= {"PATH": search_path(self.service.path), **({"HOME": str(self.data)} if self.service.user else {})}
        self._supervisor: Supervisor | None = None
        self._command: Command | None = None
        self._over = asyncio.Event()

    async def start(self) -> None:
        service, unprepared = self.service, self.home.folder / "unprepared"
        if unprepared.exists():  # its preparation failed, or was killed
            shutil.rmtree(self.data, ignore_errors=True)
        fresh = not self.data.exists()
        command, *prepare = (self._argv(argv) for argv in (self.command, *service.prepare))
        self.note(supervisor={"pid": 0, "started": "", "cgroup": cgroups.foreseen(self.tag)})
        self._supervisor = supervisor = Supervisor(self.tag, {VARIABLE: self.tag})
        known = {"pid": supervisor.pid, "started": supervisor.started, "cgroup": supervisor.cgroup}
        self.note(supervisor=known)
        if fresh:
            unprepared.touch(mode=0o600)
        make_folder(self.data, service)
        for argv in prepare if fresh else ():
            await self._prepare(argv)
        unprepared.unlink(missing_ok=True)
        self._over.clear()
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        log = os.open(self.home.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._command = supervisor.command()
            try:
                self._command.start(command, self.data, self.env, (nothing, log, log))
            except OSError as error:
                raise CannotTell(f"{command[0]} could not be started: {error.strerror}") from error
        finally:
            os.close(nothing)
            os.close(log)
        asyncio.get_running_loop().add_reader(self._command.fileno(), self._on_end)

    @property
    def command(self) -> tuple[str, ...]:
        """Its program."""
        return command_argv(self.service.command)

    def _argv(self, argv: tuple[str, ...]) -> list[str]:
        return argv_of(program_in(self._folder, argv), path=self.env["PATH"], user=self.service.user, keys="")

    async def _prepare(self, argv: list[str]) -> None:
        try:
            done = await process.run(
                argv, cwd=self.data, env=self.env, timeout=PREPARE, whole=self.home.log, under=self._supervisor
            )
        except TimeoutError as error:
            raise CannotTell(f"it could not be prepared: {error}") from error
        if not done.ok:
            raise CannotTell(f"it could not be prepared: {argv[0]} {done.ended}")

    @property
    def runs(self) -> bool:
        """Whether its program has begun and not ended."""
        return self._command is not None and not self._over.is_set()

    def _on_end(self) -> None:
        if self._command is not None:
            asyncio.get_running_loop().remove_reader(self._command.fileno())
        self._over.set()

    async def ended(self) -> str:
        await self._over.wait()
        if self._command is None:
            return "ended"
        try:
            code = os.waitstatus_to_exitcode(self._command.status())
        except CannotTell as error:
            return f"ended: {error}"
        name = self.command[0]
        if code < 0:
            return f"ended: {name} was killed by {signal.Signals(-code).name}"
        hint = ": a service must stay in the foreground" if code == 0 else ""
        return f"ended: {name} ended with exit code {code}{hint}"

    async def end(self) -> None:
        if self._supervisor is None:
            return
        supervisor, command = self._supervisor, self._command
        if command is not None:
            asyncio.get_running_loop().remove_reader(command.fileno())
            if not self._over.is_set():
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(command.program, signal.SIGTERM)
            command.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.service.stop_timeout):
                    while not self._over.is_set() and command.busy:
                        await asyncio.sleep(0.02)
                        if not process_start(command.program):
                            break
        try:
            await asyncio.to_thread(end_trial, supervisor.pid, supervisor.started, supervisor.cgroup)
        finally:
            if command is not None:
                command.close()
            supervisor.close()
            self._supervisor = self._command = None

    def foreign(self, port: int) -> Listener | None:
        held = listeners(port)
        own = set(descendants(self._supervisor.pid)) if self._supervisor else set()
        if any(one.pid in own for one in held):
            return None
        # A program that runs as another user cannot be told without root.
        return next((one for one in held if one.pid), None)


class Container(Running):
    """A container of Podman or Docker."""

    _engine: Engine | None = None

    async def start(self) -> None:
        service = self.service
        self._engine = engine = await engines.find()
        self.note(container={"name": self.tag, **engines.detail_of(engine)})
        make_folder(self.data, service)
        await bring_image(engine, service.image, lambda text: None)
        words, env = environment_words(service.env, self.home.folder / "container.env")
        published = ["--publish", f"127.0.0.1:{self.port}:{service.container_port}"] if service.container_port else []
        argv = [
            "run", "--detach", "--pull=never", "--name", self.tag, *labelled({"seatrial.service": self.tag}),
            *(["--log-driver=k8s-file"] if engine.podman else []), *published, *words,
            *(word for name in service.files for word in ("--volume", f"{self.data / name}:/{name}:ro")),
            service.image, *command_words(service.command),
        ]  # fmt: skip
        await engine.make(*argv, what="starting its container", env=env)

    async def ended(self) -> str:
        assert self._engine is not None
        done = await self._engine.run("wait", self.tag, timeout=float(10**8))
        await self.flush()
        return f"ended: its container ended with exit code {done.stdout.strip() or '?'}"

    async def end(self) -> None:
        if self._engine is None:
            return
        await self.flush()
        patience = str(max(1, round(self.service.stop_timeout)))
        with suppress(TimeoutError):
            await self._engine.run("stop", "--time", patience, self.tag, timeout=self.service.stop_timeout + 20)
        await take_away(self._engine, "container", self.tag)
        (self.home.folder / "container.env").unlink(missing_ok=True)

    async def flush(self) -> None:
        if self._engine is not None and (text := await log_of(self._engine, self.tag)):
            fd = os.open(self.home.log, os.O_WRONLY | os.O_TRUNC | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w", errors="replace") as file:
                file.write(text)


class BroughtUp(Running):
    """What a command brings up, and runs on by itself until another command removes it."""

    def __init__(self, *arguments: Any, folder: Path, late_env: Mapping[str, str]) -> None:
        """`late_env`: its variables for the record, with secrets as templates."""
        super().__init__(*arguments)
        self._folder, self._late_env = folder, late_env
        self._began = False
        self.patience = PREPARE + ENDS

    async def start(self) -> None:
        make_folder(self.data, self.service)
        argv = command_argv(self.service.stop)
        self.note(stop={"argv": argv, "folder": str(self._folder), "env": self._late_env})
        self._began = True
        argv = command_argv(self.service.start)
        limit = self.service.health.timeout
        try:
            done = await process.run(argv, cwd=self._folder, env=self.env, timeout=limit, whole=self.home.log)
        except TimeoutError as error:
            raise CannotTell(f"it was not started: {error}") from error
        if not done.ok:
            raise CannotTell(f"it was not started: {argv[0]} {done.ended}")

    async def ended(self) -> str:
        await asyncio.Event().wait()
        return ""

    async def end(self) -> None:
        if self._began:
            await run_stop(command_argv(self.service.stop), self._folder, self.env, self.home)


async def run_stop(argv: tuple[str, ...], folder: Path, env: Mapping[str, str], home: Home) -> None:
    """Remove what `start` brought up; LeftBehind when the command fails."""
    try:
        done = await process.run(argv, cwd=folder, env=env, timeout=PREPARE, whole=home.log)
    except (TimeoutError, CannotTell) as error:
        raise LeftBehind(f"the service {home.name} was not removed: {error}") from error
    if not done.ok:
        last = beginning((done.stderr or done.stdout).strip().rpartition("\n")[2], 300)
        raise LeftBehind(f"the service {home.name} was not removed: {argv[0]} {done.ended}: {last}")


def command_words(command: tuple[str, ...] | str) -> tuple[str, ...]:
    """The arguments of a container."""
    return (command,) if isinstance(command, str) and command else tuple(command)


def make_folder(data: Path, service: Service) -> None:
    """Create the folder of a service with its files, for its user."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    user = user_of(service.user, "") if service.user and not os.geteuid() else None
    for name, content in service.files.items():
        file = data / name
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644 if service.image else 0o600)
        with os.fdopen(fd, "w") as target:
            target.write(content)
            if user is not None:
                os.fchown(fd, user.pw_uid, user.pw_gid)
    if user is not None:  # the folders between them too
        between = {data / parent for name in service.files for parent in Path(name).parents}
        for folder in {data, *between}:
            os.chown(folder, user.pw_uid, user.pw_gid, follow_symlinks=False)


def tagged(tag: str) -> list[int]:
    """The processes of a service, by the variable in their environment."""
    return [pid for pid in pids() if pid != os.getpid() and variables(pid).get(VARIABLE) == tag]
