"""Finds the working container engine of this machine by starting a container, and records how to reach it again."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from seatrial.errors import CannotTell, ToolMissing
from seatrial.links.containers import Engine, NoSuchImage, refusal, said_by
from seatrial.links.paths import cache_folder, write_whole

KNOWN = ("podman", "docker")
"""Engines in order of preference."""

VARIABLES = {
    "podman": ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINER_HOST", "CONTAINER_CONNECTION"),
    "docker": ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"),
}
"""Environment variables that select an engine or one of its stores."""

TRY = 30.0
"""Seconds for a trial container to start."""

CONFIGURATION = "containers.conf"
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

DENIED = "this user may not use docker's socket: run as root, or add the user to the group `docker`"


async def find(named: str = "", *, image: str = "") -> Engine:
    """The engine of this name or path, else the first working one; ToolMissing lists the attempts.

    On some machines Podman needs special settings to start containers. A trial container finds this out, once per boot;
    then Podman gets Seatrial's own configuration, for Seatrial's calls only.
    """
    tried = []
    for word in (named,) if named else KNOWN:
        path = shutil.which(word)
        if path is None:
            tried.append(f"{word} is not installed")
            continue
        program = str(Path(path).resolve())
        name = kind_of(program)
        plain = Engine(program, name, {key: os.environ[key] for key in VARIABLES[name] if key in os.environ})
        answer = await (_podman(plain, image) if plain.podman else _docker(plain))
        if isinstance(answer, Engine):
            return answer
        tried.append(answer)
    remedy = "apt-get install podman runc netavark aardvark-dns catatonit (Debian), or install Docker"
    raise ToolMissing(f"no container engine works here: {'; '.join(tried)}. {remedy}")


def kind_of(program: str) -> str:
    """`podman` or `docker`, by the name of the program: all other programs must behave like Docker."""
    return "podman" if "podman" in Path(program).name else "docker"


def detail_of(engine: Engine) -> dict[str, object]:
    """A record to reach the same engine again."""
    return {"engine": engine.program, "engine_environment": dict(engine.extra)}


def again(detail: Mapping[str, object]) -> Engine:
    """The engine of a record; a deleted configuration of Seatrial is written again."""
    program, given = str(detail["engine"]), detail.get("engine_environment")
    extra = {str(key): str(value) for key, value in given.items()} if isinstance(given, Mapping) else {}
    engine = Engine(program, kind_of(program), extra)
    # A new configuration does not move podman's stores, but a missing file is an error.
    missing = "CONTAINERS_CONF" in extra and not Path(extra["CONTAINERS_CONF"]).is_file()
    return _configure(engine) if missing else engine


def configured(engine: Engine) -> bool:
    """Whether it uses Seatrial's own configuration."""
    return engine.extra.get("CONTAINERS_CONF") == str(_own_configuration())


def _own_configuration() -> Path:
    return cache_folder("containers") / CONFIGURATION


def _configure(engine: Engine) -> Engine:
    """The engine with Seatrial's own configuration, written now."""
    write_whole(_own_configuration(), OWN_CONFIGURATION)
    return replace(engine, extra={**engine.extra, "CONTAINERS_CONF": str(_own_configuration())})


async def _docker(plain: Engine) -> Engine | str:
    try:
        done = await plain.run("version", "--format", "{{.Server.Version}}", timeout=10)
    except TimeoutError:
        return "docker's daemon did not answer within 10 s"
    if done.ok and done.stdout.strip():
        return plain
    reason = said_by(done)
    remedy = DENIED if "permission denied" in reason.lower() else "start it: `systemctl start docker`"
    return f"docker is installed, but its daemon does not answer ({reason}); {remedy}"


async def _podman(plain: Engine, image: str) -> Engine | str:
    if {"CONTAINERS_CONF", "CONTAINER_HOST"} & set(plain.extra):
        return plain  # the user has decided
    known = cache_folder("containers") / f"podman-{_conditions(plain)}.json"
    if known.is_file():
        return _configure(plain) if json.loads(known.read_text())["own"] else plain
    try:
        why = await starts(plain, image)
    except NoSuchImage:
        return plain  # no image to test with; the caller that needs it reports the missing image
    if why is None:
        write_whole(known, json.dumps({"own": False}))
        return plain
    own = _configure(plain)
    if still := await starts(own, image):
        return f"podman is installed, but starts no container: {why}; with Seatrial's own configuration: {still}"
    write_whole(known, json.dumps({"own": True, "why": why}))
    return own


async def starts(engine: Engine, image: str) -> str | None:
    """Start a container with only this machine's own files, or of the image if the user lacks rights for that. Returns
    the reason of a failure, or None. NoSuchImage when there is no image for the test."""
    disk = ["--tmpfs", "/run:rw,notmpcopyup", "--tmpfs", "/tmp:rw,notmpcopyup", "--rootfs", "/:O"]
    if os.geteuid():
        disk = ["--pull=never", image]
    name = f"seatrial-try-{secrets.token_hex(6)}"
    try:
        done = await engine.run("run", "--rm", "--name", name, "--label", "seatrial.try=1", *disk, "true", timeout=TRY)
    except BaseException as error:
        with contextlib.suppress(TimeoutError):
            await asyncio.shield(engine.run("rm", "--force", name, timeout=TRY))
        if isinstance(error, TimeoutError):
            return f"it did not start within {TRY:g} s"
        raise
    if done.ok:
        return None
    why = refusal(engine, f"the image {image}", done)
    if disk[-1] == image and isinstance(why, NoSuchImage):
        raise why
    return said_by(done)


def _conditions(engine: Engine) -> str:
    """The conditions of a cached answer: this boot, this program, this user."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    about = f"{boot}/{engine.program}/{Path(engine.program).stat().st_mtime_ns}/{os.geteuid()}/{dict(engine.extra)}"
    return hashlib.blake2b(about.encode(), digest_size=8).hexdigest()


async def reachable(engine: Engine) -> bool:
    """Whether this host reaches the containers' own addresses: not with a rootless engine or one in a VM."""
    what = f"asking whether {engine.name} runs as root"
    if not engine.podman:
        form = "{{.OperatingSystem}} {{json .SecurityOptions}}"
        info = await engine.call("info", "--format", form, what=what)
        return "rootless" not in info and "Docker Desktop" not in info
    if _true_root() and "CONTAINER_HOST" not in os.environ:
        return True
    return (await engine.call("info", "--format", "{{.Host.Security.Rootless}}", what=what)).strip() != "true"


def _true_root() -> bool:
    """Whether this is real root, not only root of a user namespace: it saves a query of 0.1 s to the engine."""
    return os.geteuid() == 0 and Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]


def mark_used(engine: Engine) -> None:
    """Remember the engine: from now on it is an error if its list cannot be read."""
    record = json.dumps(detail_of(engine), sort_keys=True)
    digest = hashlib.blake2b(record.encode(), digest_size=4).hexdigest()
    write_whole(cache_folder("containers") / f"used-{engine.name}-{digest}.json", record)


def used() -> list[tuple[Engine, Path]]:
    """The installed engines with resources of this user's trials, each with its marker file."""
    files = sorted(cache_folder("containers").glob("used-*.json"))
    engines = [(again(json.loads(file.read_text())), file) for file in files]
    return [(engine, file) for engine, file in engines if Path(engine.program).exists()]


def out_of_reach(error: CannotTell, file: Path) -> CannotTell:
    """The same error, with the hint for an engine that never comes back."""
    return CannotTell(f"{error}; if this engine is gone for good, delete {file}", evidence=error.evidence)
