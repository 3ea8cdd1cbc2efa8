"""A node's services, and the waiting an init owes to every process of its node."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True)
class Child:
    """A process started by the init; `ended` gets its exit code (negative: a signal)."""

    process: subprocess.Popen[bytes]
    ended: asyncio.Future[int]

    def signal_group(self, number: int) -> None:
        """Signal the whole process group; nothing happens when it is gone."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


class Children:
    """Starts processes and waits for any process, as the first of a node must; asyncio's own waiting is not used."""

    def __init__(self) -> None:
        self._running: dict[int, Child] = {}

    def spawn(
        self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], stdin: int = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE, stderr: int | IO[bytes] = subprocess.PIPE,
    ) -> Child:  # fmt: skip
        """Start a program in a session of its own. Raises OSError when it cannot be started."""
        # Found in the node's PATH, where the node's own power programs come first, not in the init's.
        process = subprocess.Popen(
            list(argv), cwd=cwd, env=dict(env), stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
        )
        child = self._running[process.pid] = Child(process, asyncio.get_running_loop().create_future())
        return child

    def reap(self) -> None:
        """Take every exit status there is, our own children's and those of orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (child := self._running.pop(pid, None)) is not None:
                child.process.returncode = os.waitstatus_to_exitcode(status)
                child.ended.set_result(child.process.returncode)


@dataclass(frozen=True, kw_only=True)
class Definition:
    """The contents of FOLDER/services/NAME.json."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""
    stop_signal: str = "TERM"
    stop_timeout: float = 5.0
    log: str = ""

    @classmethod
    def read(cls, path: Path) -> "Definition":
        """Read a service file. Raises OSError, ValueError."""
        try:
            data: dict[str, Any] = json.loads(path.read_text())
            return cls(**(data | {"argv": tuple(data["argv"])}))
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path}: not a service file ({type(error).__name__}: {error})") from error

    @property
    def signal_number(self) -> int:
        """The stop signal's number; ValueError for an unknown name."""
        name = self.stop_signal.removeprefix("SIG")
        try:
            return signal.Signals[f"SIG{name}"].value
        except KeyError:
            raise ValueError(f"unknown stop signal {self.stop_signal!r}; one like TERM, INT, QUIT is needed") from None


@dataclass(kw_only=True)
class Service:
    """One service since the boot: its definition, its process, its exit code."""

    definition: Definition
    child: Child | None = None
    error: str = ""
    started: float = 0.0

    @property
    def running(self) -> bool:
        return self.child is not None and not self.child.ended.done()


class Services:
    """All services of one boot; none is restarted by itself."""

    def __init__(self, folder: Path, children: Children, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._children = children
        self._environment = environment
        self._services: dict[str, Service] = {}
        self._booted = time.monotonic()

    def start_all(self) -> None:
        """Start each service in the order of the names; a broken one holds up none of the others."""
        for path in sorted((self._folder / "services").glob("*.json")):
            with suppress(OSError, ValueError):  # kept in its status and in its log
                self.start(path.stem)

    def start(self, name: str) -> bool:
        """Start one, reading its file again; False when it runs already. Raises OSError, ValueError."""
        held = self._services.get(name)
        if held is not None and held.running:
            return False
        if name not in self._names():
            raise self._no_service(name)
        service = self._services[name] = Service(definition=Definition(argv=()), started=time.monotonic())
        try:
            service.definition = definition = Definition.read(self._folder / "services" / f"{name}.json")
            _ = definition.signal_number
            service.child = self._spawn(name, definition)
        except (OSError, ValueError) as error:
            service.error = f"{error}"
            with self._log(name, service.definition).open("a") as log:
                log.write(f"the service {name} could not be started: {error}\n")
            raise
        return True

    async def stop(self, name: str) -> bool:
        """Stop signal to its group, SIGKILL when its time is up; False when it did not run. Raises ValueError."""
        service = self._services.get(name)
        if service is None and name not in self._names():
            raise self._no_service(name)
        if service is None or service.child is None or not service.running:
            return False
        child = service.child
        child.signal_group(service.definition.signal_number)
        try:
            async with asyncio.timeout(service.definition.stop_timeout):
                await asyncio.shield(child.ended)
        except TimeoutError:
            pass
        finally:
            child.signal_group(signal.SIGKILL)
        await child.ended
        return True

    async def stop_all(self) -> None:
        """Stop the running ones, last started first."""
        for name in reversed(self._services):
            await self.stop(name)

    def status(self) -> dict[str, dict[str, Any]]:
        """Per service: running, pid, exit_code, seconds from boot to its start, error."""
        report: dict[str, dict[str, Any]] = {}
        for name in sorted({*self._names(), *self._services}):
            service = self._services.get(name)
            child = service.child if service else None
            report[name] = {
                "running": service is not None and service.running,
                "pid": child.process.pid if child else None,
                "exit_code": child.ended.result() if child and child.ended.done() else None,
                "since_boot": round(service.started - self._booted, 3) if service else None,
                "error": service.error if service else "",
            }
        return report

    def _no_service(self, name: str) -> ValueError:
        return ValueError(f"no service {name!r}; there is {', '.join(sorted(self._names())) or 'none'}")

    def _names(self) -> set[str]:
        return {path.stem for path in (self._folder / "services").glob("*.json")}

    def _log(self, name: str, definition: Definition) -> Path:
        path = Path(definition.log) if definition.log else self._folder / "log" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _spawn(self, name: str, definition: Definition) -> Child:
        env = {**self._environment, **definition.env}
        # A service may put its own folders into PATH, never before the node's power programs.
        sbin = str(self._folder / "sbin")
        if not env.get("PATH", "").startswith(sbin + ":"):
            env["PATH"] = f"{sbin}:{env.get('PATH', os.defpath)}"
        cwd = definition.cwd or str(self._folder / "home")
        with self._log(name, definition).open("ab") as log:
            return self._children.spawn(definition.argv, cwd=cwd, env=env, stdout=log, stderr=subprocess.STDOUT)
