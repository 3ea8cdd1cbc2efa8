"""Podman or Docker by its own command, which needs no daemon of ours and says what is wrong in the same words.

Every call is one process: an argument list, JSON or text back. What the engine refuses is told apart here, once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, LeaseTaken, ToolMissing
from seatrial.links import process
from seatrial.links.caches import cache_folder, write_whole
from seatrial.spi import Finished

KNOWN = ("podman", "docker")
"""Engines in the order in which they are looked for."""

CALL = 60.0
"""Seconds that one call may take."""

OWN_CONFIGURATION = """\
# Where plain podman does not start a container: cgroups of version 1, no systemd, no right to raise limits.
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""


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

    @property
    def podman(self) -> bool:
        """Whether it is Podman, for the few words in which they differ."""
        return self.name == "podman"

    def environment(self) -> dict[str, str]:
        """What its processes have in their environment."""
        return {**os.environ, **self.extra}

    async def run(self, *argv: str, timeout: float = CALL, input: str = "") -> Finished:
        """One call, whatever it ends with; TimeoutError."""
        return await process.run([self.program, *argv], env=self.environment(), timeout=timeout, input=input, grace=1.0)

    async def call(self, *argv: str, what: str, timeout: float = CALL, input: str = "") -> str:
        """One call that has to succeed: what it printed. `what` it was for is said in the error."""
        try:
            done = await self.run(*argv, timeout=timeout, input=input)
        except TimeoutError as error:
            raise CannotTell(f"{what}: {self.name} did not answer within {timeout:g} s") from error
        if not done.ok:
            raise refusal(self, what, done)
        return done.stdout

    async def look(self, *argv: str, what: str) -> Any:
        """One call whose answer is JSON: a list, or lines of objects (Docker)."""
        text = await self.call(*argv, what=what)
        try:
            return json.loads(text or "[]")
        except ValueError:
            try:
                return [json.loads(line) for line in text.splitlines() if line.strip()]
            except ValueError as error:
                raise CannotTell(f"{what}: {self.name} answered no JSON: {text[:200]!r}") from error


REFUSALS: tuple[tuple[str, type[CannotTell], str], ...] = (
    (r"image not known|no such image|unable to find image|manifest unknown|repository does not exist", NoSuchImage, ""),
    (r"no such container|no container with name|no such object|network not found|no such network|"
     r"unable to find network|no such volume|no volume with name", NoSuchThing, ""),
    (r"container state improper|is not running|is paused|unpause the container", NotRunning, ""),
    (r"address already in use|port is already allocated|bind for .* failed", LeaseTaken,
     "another program holds the port: end it, or take `publish` out of the settings"),
    (r"subnet .*(already|being used)|pool overlaps", LeaseTaken, "another network has that subnet"),
    (r"no space left on device|disk quota exceeded", CannotTell,
     "the disk is full: `{engine} system prune` gives unused images and containers back"),
    (r"permission denied|operation not permitted|must be root", CannotTell,
     "this user may not do that: run it as root, or set {engine} up for this user"),
    (r"cannot connect to the docker daemon|is the docker daemon running|cannot connect to podman", ToolMissing,
     "start the service: `systemctl start docker` (or name another engine: [providers.containers] engine)"),
    (r"executable file not found in \$path|no such file or directory", CannotTell, ""),
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
    told = [line for line in lines if line.startswith("Error")] or lines
    return told[-1].removeprefix("Error: ")[:500] if told else "nothing"


async def find(named: str = "", *, image: str = "") -> Engine:
    """The engine of this name or path, else the first that is installed and works; ToolMissing says what was tried.

    Podman starts no container on some machines unless it is configured for them: that is found out by starting one,
    once per boot of this machine, and then it gets a configuration of our own for our calls alone.
    """
    tried = []
    for word in (named,) if named else KNOWN:
        program = shutil.which(word)
        if program is None:
            tried.append(f"{word} is not installed")
            continue
        name = "podman" if "podman" in Path(program).name else "docker"
        plain = Engine(program, name)
        answer = await (_podman(plain, image) if plain.podman else _docker(plain))
        if isinstance(answer, Engine):
            return answer
        tried.append(answer)
    remedy = "apt-get install podman runc netavark aardvark-dns catatonit (Debian), or install Docker"
    raise ToolMissing(f"no container engine works here: {'; '.join(tried)}. {remedy}")


async def _docker(plain: Engine) -> Engine | str:
    try:
        done = await plain.run("version", "--format", "{{.Server.Version}}", timeout=10)
    except TimeoutError:
        return "docker's daemon did not answer within 10 s"
    if done.ok and done.stdout.strip():
        return plain
    return f"docker is installed, and its daemon does not answer ({said_by(done)}): `systemctl start docker`"


async def _podman(plain: Engine, image: str) -> Engine | str:
    if "CONTAINERS_CONF" in os.environ:
        return plain  # the user has decided
    folder = cache_folder("containers")
    known = folder / f"podman-{_state_of_things(plain.program)}.json"
    own = Engine(plain.program, plain.name, {"CONTAINERS_CONF": str(folder / "containers.conf")})
    if known.is_file():
        kept = json.loads(known.read_text())
        if not kept["own"]:
            return plain
        if not Path(own.extra["CONTAINERS_CONF"]).is_file():
            write_whole(Path(own.extra["CONTAINERS_CONF"]), OWN_CONFIGURATION)
        return own
    why = await starts(plain, image)
    if why is None:
        write_whole(known, json.dumps({"own": False}))
        return plain
    write_whole(Path(own.extra["CONTAINERS_CONF"]), OWN_CONFIGURATION)
    if await starts(own, image) is None:
        write_whole(known, json.dumps({"own": True, "why": why}))
        return own
    return f"podman is installed, and starts no container: {why}"


async def starts(engine: Engine, image: str) -> str | None:
    """Start a container with nothing but this machine's own files in it, or the image; why it did not, or None."""
    disk = ["--tmpfs", "/run:rw,notmpcopyup", "--tmpfs", "/tmp:rw,notmpcopyup", "--rootfs", "/:O"]
    if os.geteuid() or not engine.podman:
        disk = ["--pull=never", image]
    argv = ["run", "--rm", "--label", "seatrial.try=1", *disk, "true"]
    try:
        done = await engine.run(*argv, timeout=30)
    except TimeoutError:
        return "it did not start within 30 s"
    if done.ok or (disk[-1] == image and isinstance(refusal(engine, "", done), NoSuchImage)):
        return None  # without the image there is nothing to try with: its absence is told where it is needed
    return said_by(done)


def _state_of_things(program: str) -> str:
    """What an answer about this machine stands on: this boot, this program."""
    about = Path(program).stat()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return hashlib.blake2b(f"{boot}/{program}/{about.st_mtime_ns}/{os.geteuid()}".encode(), digest_size=8).hexdigest()


async def clients_gone(names: Sequence[str], seconds: float = 30.0) -> None:
    """Wait for calls that name one of these and whose caller is gone: what they make must not come after a look.

    CannotTell when one goes on."""
    wanted = [name.encode() for name in names if name]
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    while busy := _clients(wanted):
        if clock() > until:
            raise CannotTell(f"a call of the container engine still goes on (process {busy[0]}) for {names[0]}")
        await asyncio.sleep(0.02)


def _clients(wanted: Sequence[bytes]) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        program = words[0].rpartition(b"/")[2]
        making = b"run" in words[1:3] or b"create" in words[1:4]
        if program in (b"podman", b"docker") and making and any(name in words for name in wanted):
            found.append(int(entry))
    return found
