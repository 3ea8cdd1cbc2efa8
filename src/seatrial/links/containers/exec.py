"""A link into a container through the engine's `exec`: for images without an SSH server."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from seatrial.errors import CannotTell, LinkDown, LinkLost
from seatrial.links.containers import Engine, NoSuchThing
from seatrial.links.output import end, short
from seatrial.links.process import TimedOut
from seatrial.links.ssh import ending
from seatrial.spi import Finished
from seatrial.spi.link import Command

T = TypeVar("T")

MARK = "SEATRIAL_EXEC"
"""The variable that marks a command in the container, to kill it after its timeout."""

GIVEN = "SEATRIAL_GIVEN_"
TAKE = f"""while [ "$1" != -- ]; do eval "export $1=\\"\\${GIVEN}$1\\""; unset "{GIVEN}$1"; shift; done
shift; exec "$@\""""
"""Sets the command's variables. They arrive under other names, so the command's PATH or HOME does not affect the
engine."""

FILE_SECONDS = 600.0


class ExecLink:
    """A link into a container without SSH: see spi.Link for the contract of its methods."""

    def __init__(self, engine: Engine, container: str, name: str, *, user: str = "") -> None:
        self._engine, self._container, self._name, self._user = engine, container, name, user
        self._running: set[asyncio.Task[Any]] = set()
        self._broken: set[asyncio.Task[Any]] = set()

    def __str__(self) -> str:
        return f"{self._name} ({self._engine.name} exec {self._container})"

    async def run(
        self, command: Command, *, timeout: float = 60.0, input: str = "", env: Mapping[str, str] | None = None
    ) -> Finished:
        """Run a command; LinkLost when the container went down during the command."""
        return await self._breakable(self._run(command, timeout, input, env or {}, self._user))

    async def follow(
        self,
        command: Command,
        *,
        output: Callable[[bytes], None],
        timeout: float = 60.0,
        input: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run a command; `output` gets its lines as they come."""
        return await self._breakable(self._run(command, timeout, input, env or {}, self._user, output))

    async def sudo(
        self, command: Command, *, timeout: float = 60.0, input: str = "", env: Mapping[str, str] | None = None
    ) -> Finished:
        """Run a command as the container's root."""
        return await self._breakable(self._run(command, timeout, input, env or {}, "0"))

    async def put(self, local: Path, remote: str) -> None:
        """Copy a file into the container."""
        await self._breakable(self._copy(str(local), f"{self._container}:{remote}", f"put {remote}"))

    async def get(self, remote: str, local: Path) -> None:
        """Copy a file from the container; FileNotFoundError when it does not exist."""
        await self._breakable(self._copy(f"{self._container}:{remote}", str(local), f"get {remote}"))

    async def close(self) -> None:
        """Does nothing: there is no connection."""

    def abort(self) -> None:
        """Interrupt all running commands: the container has no power."""
        for task in self._running:
            self._broken.add(task)
            task.cancel()

    async def _breakable(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            here = asyncio.current_task()
            if task in self._broken and (here is None or not here.cancelling()):
                raise LinkLost(f"{self}: the container went down during the command") from None
            task.cancel()
            raise
        finally:
            self._running.discard(task)
            self._broken.discard(task)

    async def _run(
        self,
        command: Command,
        timeout: float,
        input: str,
        env: Mapping[str, str],
        user: str,
        output: Callable[[bytes], None] | None = None,
    ) -> Finished:
        argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
        shown = f"`{short(' '.join(argv))}`"
        mark = f"{MARK}={secrets.token_hex(8)}"
        # Values of variables may be secret: they travel in the environment, and only their names in the argument list.
        flags = [word for name in env for word in ("--env", f"{GIVEN}{name}")]
        options = [*(["--interactive"] if input else []), *(["--user", user] if user else []), *flags, "--env", mark]
        whole = ["sh", "-c", TAKE, "sh", *env, "--", *argv] if env else argv
        given = {f"{GIVEN}{name}": value for name, value in env.items()}
        before = await self._boot()
        try:
            words = ("exec", *options, self._container, *whole)
            done = await self._engine.run(*words, timeout=timeout, input=input, env=given, output=output)
        except TimeoutError as error:
            await self._end(mark)
            out, err = (error.stdout, error.stderr) if isinstance(error, TimedOut) else ("", "")
            raise TimedOut(f"{self}: {shown} did not end within {timeout:g} s", out, err) from None
        except asyncio.CancelledError:
            if asyncio.current_task() not in self._broken:
                await asyncio.shield(self._end(mark))
            raise
        if done.exit_code:
            await self._still(before, shown)
            if not done.stdout and _by_the_engine(done):
                raise CannotTell(f"{self}: {end(done.stderr.strip(), 300)}")
        return done

    async def _still(self, before: str, what: str) -> None:
        """LinkLost unless the container is still in the same boot."""
        try:
            same = await self._boot() == before
        except LinkDown:
            same = False
        if not same:
            raise LinkLost(f"{self}: the container went down during {what}, so the result is unknown")

    async def _boot(self) -> str:
        """An identity for this boot of the container; LinkDown when it is not running."""
        words = ("container", "inspect", "--format", "{{.State.Status}} {{.State.Pid}} {{.State.StartedAt}}")
        try:
            answer = await self._engine.call(*words, self._container, what=f"looking at {self._name}", timeout=20)
        except NoSuchThing as error:
            raise LinkDown(f"{self}: the container does not exist") from error
        status, _, boot = answer.strip().partition(" ")
        if status != "running":
            raise LinkDown(f"{self}: the container is {status}")
        return boot

    async def _end(self, mark: str) -> None:
        """End the command inside the container: the engine ends only its own side."""
        script = ending.of_environment(mark)
        try:
            done = await self._engine.run("exec", "--user", "0", self._container, "sh", "-c", script, timeout=20)
        except TimeoutError as error:
            raise CannotTell(f"{self}: a command could not be ended in the container") from error
        if done.exit_code == ending.REMAIN:
            raise CannotTell(f"{self}: a command could not be ended in the container: {done.stderr.strip()}")

    async def _copy(self, source: str, target: str, what: str) -> None:
        before = await self._boot()
        try:
            done = await self._engine.run("cp", source, target, timeout=FILE_SECONDS)
        except TimeoutError:
            raise TimeoutError(f"{self}: `{what}` did not end within {FILE_SECONDS:g} s") from None
        if done.ok:
            return
        await self._still(before, f"`{what}`")
        reason = done.stderr.strip()
        missing = re.search("could not be found|no such file|could not find the file", reason, re.IGNORECASE)
        if missing and source.startswith(self._container + ":"):
            raise FileNotFoundError(f"{self}: `{what}`: {end(reason, 300)}")
        if missing and not Path(source).exists():
            raise FileNotFoundError(f"{source} does not exist")
        raise CannotTell(f"{self}: `{what}`: {end(reason, 300)}")


def _by_the_engine(done: Finished) -> bool:
    """Whether the engine itself failed to start; 126 and 127 come from a missing command."""
    reason = done.stderr.lstrip()
    podman = done.exit_code in (125, 255) and reason.startswith("Error: ")
    return podman or (done.exit_code in (1, 125) and reason.startswith("Error response from daemon"))
