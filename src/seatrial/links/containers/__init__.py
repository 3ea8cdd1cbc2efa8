"""Podman or Docker by its own command, which needs no daemon of ours and says what is wrong in the same words.

Every call is one process: an argument list, text back. What the engine refuses is told apart here, once.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.errors import CannotTell, LeaseTaken
from seatrial.links import process
from seatrial.spi import Finished

CALL = 60.0
"""Seconds that one call may take."""

LISTED_AGAIN = 20
"""Times that a list is read anew when others take things away meanwhile."""


class NoSuchImage(CannotTell):
    """The engine's store does not hold the image."""


class NoSuchThing(CannotTell):
    """There is no container, network or volume of that name."""


class NotRunning(CannotTell):
    """The container is not running, so nothing can be run in it."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine that answers: its program, and what its environment needs."""

    program: str
    name: str
    """`podman` or `docker`."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Variables over those of this process."""
    folder: str = ""
    """Where its calls stand: Podman's monitor of a container stays there, and writes the file `oom` when the container
    runs out of memory. Empty: where this process stands."""

    @property
    def podman(self) -> bool:
        """Whether it is Podman, for the few words in which they differ."""
        return self.name == "podman"

    def environment(self) -> dict[str, str]:
        """What its processes have in their environment."""
        return {**os.environ, **self.extra}

    async def run(
        self, *argv: str, timeout: float = CALL, input: str = "", env: Mapping[str, str] | None = None
    ) -> Finished:
        """One call, whatever it ends with, with these variables besides; TimeoutError."""
        environment = {**self.environment(), **(env or {})}
        return await process.run(
            [self.program, *argv], cwd=self.folder or None, env=environment, timeout=timeout, input=input, grace=1.0
        )

    async def attempt(
        self, *argv: str, what: str, timeout: float = CALL, env: Mapping[str, str] | None = None
    ) -> Finished:
        """One call, whatever it ends with; CannotTell when it does not end."""
        try:
            return await self.run(*argv, timeout=timeout, env=env)
        except TimeoutError as error:
            raise CannotTell(f"{what}: {self.name} did not answer within {timeout:g} s") from error

    async def call(self, *argv: str, what: str, timeout: float = CALL, env: Mapping[str, str] | None = None) -> str:
        """One call that has to succeed: what it printed. `what` it was for is said in the error."""
        done = await self.attempt(*argv, what=what, timeout=timeout, env=env)
        if not done.ok:
            raise refusal(self, what, done)
        return done.stdout

    async def names(self, *argv: str, what: str) -> list[str]:
        """The words of a list. Podman gives up a whole list when one of its things goes while it is read, so that it is
        read again."""
        for again in range(LISTED_AGAIN, -1, -1):
            try:
                return (await self.call(*argv, what=what)).split()
            except NoSuchThing:
                if not again:
                    raise
                await asyncio.sleep(0.05)
        raise AssertionError("the loop returns or raises")

    async def make(self, *argv: str, what: str, timeout: float = 120.0, env: Mapping[str, str] | None = None) -> str:
        """A call that makes something. Cancelled it still waits for the engine's answer, 20 s at most: what is being
        made must not come after the sweep has looked."""
        task = asyncio.ensure_future(self.call(*argv, what=what, timeout=timeout, env=env))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task], timeout=20)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise


REFUSALS: tuple[tuple[str, type[CannotTell], str], ...] = (
    (r"image not known|no such image|unable to find image|manifest unknown|repository does not exist", NoSuchImage, ""),
    (r"getting container from store", NoSuchThing,
     "if that stays, a container was taken away by halves: `{engine} rm --force` with the id that is named ends it"),
    (r"no such container|no container with name|container not known|layer not known|no such object|"
     r"network (\S+ )?not found|no such network|unable to find network|no such volume|no volume with name",
     NoSuchThing, ""),
    (r"container state improper|is not running|is paused|unpause the container", NotRunning, ""),
    (r"address already in use|port is already allocated|bind for .* failed", LeaseTaken,
     "another program holds the port: end it, or publish another"),
    (r"subnet .*(already|being used)|pool overlaps", LeaseTaken, "another network has that subnet"),
    (r"no space left on device|disk quota exceeded", CannotTell,
     "the disk is full: `{engine} system prune` gives unused images and containers back"),
    (r"permission denied|operation not permitted|must be root", CannotTell,
     "this user may not do that: run it as root, or set {engine} up for this user"),
    (r"cannot connect to the docker daemon|is the docker daemon running|cannot connect to podman", CannotTell,
     "start the service: `systemctl start docker` (or name another engine: [providers.containers] engine)"),
)  # fmt: skip
"""What engines say, what it is, and what to do about it."""


def refusal(engine: Engine, what: str, done: Finished) -> CannotTell:
    """The error for a call that the engine refused."""
    said = said_by(done)
    for pattern, kind, remedy in REFUSALS:
        if re.search(pattern, said, re.IGNORECASE):
            help = f"; {remedy.format(engine=engine.name)}" if remedy else ""
            return kind(f"{what}: {engine.name} says: {said}{help}", evidence=done.stderr)
    return CannotTell(f"{what}: {engine.name} ended with {done.exit_code}: {said}", evidence=done.stderr)


def said_by(done: Finished) -> str:
    """The line that says why: engines warn first and err last."""
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("Error", "docker: "))] or lines
    return told[-1].removeprefix("docker: ").removeprefix("Error: ")[:500] if told else "nothing"


MAKING = (b"run", b"create")
"""Verbs of calls after which there is something more."""

STARTING = (b"start",)
"""The verb of calls that stay until the container ends."""


async def clients_gone(
    engine: Engine, names: Sequence[str], seconds: float = 30.0, verbs: Sequence[bytes] = MAKING
) -> None:
    """Wait for calls with one of these verbs for one of these names, also where their caller is gone: what they make
    must not come after a look. CannotTell when one goes on."""
    wanted = [name.encode() for name in names if name]
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    while busy := _clients(os.fsencode(engine.program), wanted, verbs):
        if clock() > until:
            raise CannotTell(f"a call of the container engine still goes on (process {busy[0]}) for {names[0]}")
        await asyncio.sleep(0.02)


def _is_engine(word: bytes) -> bool:
    return word.rpartition(b"/")[2] in (b"podman", b"docker")


def _clients(program: bytes, wanted: Sequence[bytes], verbs: Sequence[bytes]) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        # A script in the engine's place has its interpreter before it, and becomes the engine.
        at = next((number for number, word in enumerate(words[:3]) if word == program or _is_engine(word)), None)
        if at is None or not set(verbs) & set(words[at + 1 : at + 3]):
            continue
        if any(name in words for name in wanted):
            found.append(int(entry))
    return found
