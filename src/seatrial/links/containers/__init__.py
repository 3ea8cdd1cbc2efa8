"""Podman or Docker through its command line: no library, no open socket, and its own error texts.

Every call is one process: an argument list in, text out. Errors of the engine are classified here.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from seatrial.errors import CannotTell, LeaseTaken
from seatrial.links import process
from seatrial.links.output import beginning
from seatrial.links.process.table import command_lines
from seatrial.spi import Finished
from seatrial.spi.concurrency import finish_despite_cancel

CALL = 60.0
"""Timeout of one call in seconds."""

LISTED_AGAIN = 20
"""Attempts to read a list while others remove objects."""


class NoSuchImage(CannotTell):
    """The engine's store does not hold the image."""


class NoSuchThing(CannotTell):
    """The container, network or volume does not exist."""


class NotRunning(CannotTell):
    """The container is not running, so it cannot run a command."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A working container engine: its program, and extra environment variables."""

    program: str
    name: str
    """`podman` or `docker`."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Variables that override those of this process."""
    folder: str = ""
    """The working directory of its calls: Podman's monitor of a container stays there, and writes the file `oom` when
    the container runs out of memory. Empty: that of this process."""

    @property
    def podman(self) -> bool:
        """Whether it is Podman, where the two differ."""
        return self.name == "podman"

    def environment(self) -> dict[str, str]:
        """The environment of its processes."""
        return {**os.environ, **self.extra}

    async def run(
        self,
        *argv: str,
        timeout: float = CALL,
        input: str = "",
        env: Mapping[str, str] | None = None,
        output: Callable[[bytes], None] | None = None,
    ) -> Finished:
        """One call with any exit code and these extra variables; `output` gets its lines as they come. TimeoutError."""
        words, cwd, env = [self.program, *argv], self.folder or None, {**self.environment(), **(env or {})}
        return await process.run(words, cwd=cwd, env=env, timeout=timeout, input=input, output=output, grace=1.0)

    async def attempt(
        self, *argv: str, what: str, timeout: float = CALL, env: Mapping[str, str] | None = None
    ) -> Finished:
        """One call with any exit code; CannotTell when it does not end."""
        try:
            return await self.run(*argv, timeout=timeout, env=env)
        except TimeoutError as error:
            raise CannotTell(f"{what}: {self.name} did not answer within {timeout:g} s") from error

    async def call(self, *argv: str, what: str, timeout: float = CALL, env: Mapping[str, str] | None = None) -> str:
        """One call that must succeed: its output. `what` describes it in errors."""
        done = await self.attempt(*argv, what=what, timeout=timeout, env=env)
        if not done.ok:
            raise refusal(self, what, done)
        return done.stdout

    async def names(self, *argv: str, what: str) -> list[str]:
        """The words of a list. Podman fails the list if an object disappears meanwhile, so it is read again."""
        for _ in range(LISTED_AGAIN):
            try:
                return (await self.call(*argv, what=what)).split()
            except NoSuchThing:
                await asyncio.sleep(0.05)
        return (await self.call(*argv, what=what)).split()

    async def make(self, *argv: str, what: str, timeout: float = 120.0, env: Mapping[str, str] | None = None) -> str:
        """A call that creates something. If cancelled, it still waits for the engine's answer, at most 20 s: no object
        may appear after the sweep has looked."""
        return await finish_despite_cancel(self.call(*argv, what=what, timeout=timeout, env=env), 20)


REFUSALS: tuple[tuple[str, type[CannotTell], str], ...] = (
    (r"image not known|no such image|unable to find image|manifest unknown|repository does not exist|"
     r"short-name .* did not resolve|initializing source docker://", NoSuchImage, ""),
    (r"get \"https?://[^\"]*/v2/|pull access denied|requested access to the resource is denied", NoSuchImage,
     "the image is not in {engine}'s store: is its name right, and can this machine reach its registry?"),
    (r"getting container from store", NoSuchThing,
     "if this persists, a container is half removed: run `{engine} rm --force` with the id in this message"),
    (r"no such container|no container with name|container not known|layer not known|no such object|"
     r"network (\S+ )?not found|no such network|unable to find network|no such volume|no volume with name",
     NoSuchThing, ""),
    (r"container state improper|is not running|is paused|unpause the container", NotRunning, ""),
    (r"address already in use|port is already allocated|bind for .* failed", LeaseTaken,
     "another program holds the port: stop it, or publish another port"),
    (r"subnet .*(already|being used)|pool overlaps", LeaseTaken, "another network has that subnet"),
    (r"no space left on device|disk quota exceeded", CannotTell,
     "the disk is full: `{engine} system prune` removes unused images and containers"),
    (r"permission denied|operation not permitted|must be root", CannotTell,
     "this user has no permission: run it as root, or set {engine} up for this user"),
    (r"cannot connect to the docker daemon|is the docker daemon running|cannot connect to podman", CannotTell,
     "start the service: `systemctl start docker` (or name another engine: [providers.containers] engine)"),
)  # fmt: skip
"""Patterns of engine messages, each with its error and the remedy."""


def refusal(engine: Engine, what: str, done: Finished) -> CannotTell:
    """The error for a call refused by the engine."""
    reason = said_by(done)
    for pattern, kind, remedy in REFUSALS:
        if re.search(pattern, reason, re.IGNORECASE):
            hint = f"; {remedy.format(engine=engine.name)}" if remedy else ""
            return kind(f"{what}: {engine.name} says: {reason}{hint}", evidence=done.stderr)
    return CannotTell(f"{what}: {engine.name} {done.ended}: {reason}", evidence=done.stderr)


def said_by(done: Finished) -> str:
    """The line with the reason: engines print warnings first and the error last."""
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("Error", "docker: "))] or lines or ["nothing"]
    return beginning(errors[-1].removeprefix("docker: ").removeprefix("Error: "), 500)


MAKING = (b"run", b"create")
"""Verbs of calls that create something."""

STARTING = (b"start",)
"""The verb of calls that last until the container ends."""


async def clients_gone(
    engine: Engine, names: Sequence[str], seconds: float = 30.0, verbs: Sequence[bytes] = MAKING
) -> None:
    """Wait for calls with one of these verbs for one of these names, even if their caller is gone: no object may appear
    after a look. CannotTell when one continues."""
    wanted = {name.encode() for name in names if name}
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    while busy := _client(os.fsencode(engine.program), wanted, set(verbs)):
        if clock() > until:
            raise CannotTell(f"a call of the container engine is still running (process {busy}) for {names[0]}")
        await asyncio.sleep(0.02)


def _client(program: bytes, names: set[bytes], verbs: set[bytes]) -> str:
    """The process of such a call; empty without one."""
    for pid, words in command_lines():
        for place, word in enumerate(words[:3]):
            # A wrapper script has its interpreter first, and then becomes the engine.
            if word == program or word.rpartition(b"/")[2] in (b"podman", b"docker"):
                if verbs & set(words[place + 1 : place + 3]) and names & set(words):
                    return str(pid)
                break
    return ""
