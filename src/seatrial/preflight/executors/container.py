"""Containers: a command in an image with the sources; the container is removed at the end."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Literal

from seatrial.errors import CannotTell, ToolMissing
from seatrial.links import process
from seatrial.links.containers import Engine, NoSuchThing, refusal, said_by
from seatrial.links.containers.resources import environment_words, labelled, status_of
from seatrial.links.output import beginning
from seatrial.links.paths import cache_folder
from seatrial.links.process import TimedOut
from seatrial.preflight.cache.hashes import Hashes
from seatrial.preflight.cache.patterns import outright
from seatrial.preflight.cache.tree import GIT, Tree
from seatrial.preflight.executors.images import image_id, image_of, services_id
from seatrial.preflight.job import Job
from seatrial.preflight.log import INSIDE
from seatrial.preflight.running_service import RunningService
from seatrial.preflight.services import Services, filled
from seatrial.preflight.system import pipeline_of, taken_away
from seatrial.spi import Context, Finished

IDENTITY = ("E2E_RUN_ID", "SEATRIAL_RUN_ID", "SEATRIAL_TRIAL_ID")
COPY = 600.0
"""Seconds for copying files into or out of a container."""

ENDED = 10.0
"""Seconds for the engine's `start` call to end after its container was removed."""

STATE = ".seatrial"
"""The project's own state, not part of the sources."""

COPIED = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)
"""Kinds of files in a copy: an engine cannot copy pipes and sockets."""

Kind = Literal["overlay", "read-only", "copy", "whole copy"]
"""How a container gets the sources."""

MISSING = "executable file .*not found|no such file or directory"
"""An engine's words for a missing program."""

NOT_STARTED = ("created", "configured", "initialized")


async def identity(ctx: Context, job: Job) -> str:
    """The digests of the image and the services; empty when the image is not in the store yet."""
    image = await image_id(ctx, await pipeline_of(ctx).engine(), job)
    services = await services_id(ctx, job.services, host=False)
    return f"container {image} {services}" if image else ""


async def run(ctx: Context, job: Job) -> Finished:
    """See Executor."""
    try:
        engine = await pipeline_of(ctx).engine()
    except ToolMissing as error:
        raise ToolMissing(f"{error}; --host runs {job.name} on this host, without its image") from error
    image = await image_of(ctx, engine, job)
    if not job.check.copied:
        _find_folder(job, job.source)
    running = await pipeline_of(ctx).part(Services).up(ctx, job.services, host=False)
    kind = await _kind_of_sources(ctx, engine, job, image)
    try:
        return await _ran(ctx, engine, job, image, running, kind)
    except _NoOverlay as error:
        ctx.log(f"the engine cannot put an overlay on {job.source}; checks get copies: {error}", "warning")
        pipeline_of(ctx).part(_Overlays).refused = True
    return await _ran(ctx, engine, job, image, running, "whole copy")


class _NoOverlay(Exception):
    """The engine cannot mount an overlay here: the sources are, for example, on another overlay."""


class _Overlays:
    """What the checks of a run know about overlays of their sources."""

    def __init__(self) -> None:
        self.refused = False
        self.users: dict[str, str] = {}
        """The user of each image."""


async def _kind_of_sources(ctx: Context, engine: Engine, job: Job, image: str) -> Kind:
    if job.check.copied:
        return "copy"
    if job.check.source == "read-only":
        return "read-only"
    known = pipeline_of(ctx).part(_Overlays)
    if not engine.podman or known.refused:  # Docker has no overlay for a mounted folder
        return "whole copy"
    if image not in known.users:
        argv = ("image", "inspect", "--format", "{{.User}}", image)
        known.users[image] = (await engine.attempt(*argv, what=f"the user of {image}")).stdout.strip()
    # In an overlay, the files keep their owner, so only root can write; files of a copy belong to the container's user.
    return "overlay" if known.users[image].partition(":")[0] in ("", "0", "root") else "whole copy"


async def _ran(
    ctx: Context, engine: Engine, job: Job, image: str, running: Mapping[str, RunningService], kind: Kind
) -> Finished:
    name = f"{ctx.trial_id}-{re.sub(r'[^A-Za-z0-9]+', '-', job.name).strip('-')[:40]}-{secrets.token_hex(3)}"
    file = ctx.state / f"{name}.env"
    argv, environment = await _described(ctx, engine, job, image, running, file, kind)
    create = ("create", "--name", name, *labelled(ctx.labels()), *argv)
    try:
        what = f"making the container of {job.name}"
        try:
            await pipeline_of(ctx).make(ctx, "container", name, create, what=what, env=environment)
        except CannotTell as error:
            if kind == "overlay" and "overlay" in str(error):
                raise _NoOverlay(str(error)) from error
            raise
        if kind in ("copy", "whole copy"):
            await _copy_in(ctx, engine, job, name, whole=kind == "whole copy")
        done = await _through(ctx, engine, job, name, kind)
        if job.taken is not None:
            await _take_out(engine, job, name, job.taken)
        return done
    finally:
        file.unlink(missing_ok=True)
        await taken_away(ctx, "container", name)


async def _described(
    ctx: Context, engine: Engine, job: Job, image: str, running: Mapping[str, RunningService], file: Path, kind: Kind
) -> tuple[list[str], dict[str, str]]:
    """The arguments for the engine's `create`, and the environment variables for them."""
    # A service on this host is not on the trial's network: then the container joins the host's network.
    together = all(service.inside is not None for service in running.values())
    views = {name: (service.inside if together else None) or service.outside for name, service in running.items()}
    network = (await pipeline_of(ctx).network(ctx) if together else "host") if running else ""
    argv, given = filled(ctx, job, views)
    around = ctx.environment()
    env = {**{name: around[name] for name in IDENTITY if name in around}, **given}
    words, environment = environment_words(env, file)
    return [
        "--pull=never", "--log-driver=none", "--security-opt", "label=disable",
        "--tmpfs", "/tmp:rw,exec,mode=1777",
        *_mounts(job, kind), *_user(engine), *words,
        *(["--network", network] if network else []),
        *(["--cpus", f"{job.check.cpus:g}"] if job.check.cpus else []),
        *(["--memory", f"{round(job.check.memory_gb * 1024)}m"] if job.check.memory_gb else []),
        "--workdir", str(PurePosixPath(INSIDE) / job.check.cwd),
        "--entrypoint", argv[0], image, *argv[1:],
    ], environment  # fmt: skip


def _mounts(job: Job, kind: Kind) -> Iterable[str]:
    if kind in ("overlay", "read-only"):
        yield from ("--volume", f"{job.source}:{INSIDE}:{'O' if kind == 'overlay' else 'ro'}")
    for name, inside in job.caches.items():
        folder = cache_folder("dependencies") / name
        folder.mkdir(exist_ok=True)
        yield from ("--volume", f"{folder}:{inside}")


def _user(engine: Engine) -> list[str]:
    """The user inside. Rootless Podman maps root inside to this user outside; if only the engine is root, files would
    belong to root."""
    if engine.podman or not os.geteuid():
        return []
    return ["--user", f"{os.getuid()}:{os.getgid()}", "--env", "HOME=/tmp"]


async def _through(ctx: Context, engine: Engine, job: Job, name: str, kind: Kind) -> Finished:
    """Start it and wait for its end; TimedOut, CannotTell when it did not even start."""
    # Not a child of the trial (those are killed at its end): an engine killed during `start` loses track of the monitor
    # and the init it began. This call ends when its container is removed.
    argv = [engine.program, "start", "--attach", "--sig-proxy=false", name]
    environment = {**ctx.environment(), **engine.extra}
    call = asyncio.ensure_future(process.run(argv, cwd=job.source, env=environment, whole=job.log, output=job.output))
    try:
        await asyncio.wait([call], timeout=job.check.timeout)
        late = not call.done()
    finally:
        if not call.done():
            await taken_away(ctx, "container", name)
            await asyncio.wait([call], timeout=ENDED)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
    if late:
        printed = ("", "") if call.cancelled() else (call.result().stdout, call.result().stderr)
        raise TimedOut(f"{job.argv[0]} did not end within {job.check.timeout:g} s", *printed)
    done = call.result()
    if done.exit_code in (0, 1) and engine.podman:
        return done
    status, code = await status_of(engine, name)
    if status in NOT_STARTED or (code != str(done.exit_code) and not done.ok):
        said = said_by(done)
        if kind == "overlay" and status in NOT_STARTED and "overlay" in said:
            raise _NoOverlay(beginning(said, 300))
        # The engine may lack programs of its own, in the same words.
        if job.argv[0] in said and re.search(MISSING, said, re.IGNORECASE):
            missing = f"the program {job.argv[0]!r} is not in the image {job.check.image or 'of this build'}"
            raise ToolMissing(missing, evidence=said)
        raise refusal(engine, f"starting the container of {job.name}", done)
    return done


async def _copy_in(ctx: Context, engine: Engine, job: Job, name: str, *, whole: bool) -> None:
    """Copy the sources into it. They are gathered first, because the state of this run is in the same folder."""
    staged = ctx.state / "sources" / name
    try:
        try:
            await asyncio.to_thread(gather_all if whole else gather, job, staged)
            _find_folder(job, staged)
        except (OSError, shutil.Error) as error:
            raise CannotTell(f"the sources of {job.name} cannot be copied: {beginning(str(error), 300)}") from error
        own = [] if engine.podman else ["--archive"]  # Podman sets their owner to the container's user
        what = f"copying the sources of {job.name}"
        await engine.call("cp", *own, f"{staged}/.", f"{name}:{INSIDE}", what=what, timeout=COPY)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _find_folder(job: Job, sources: Path) -> None:
    """ToolMissing when the folder to run in does not exist: an engine would make an empty one."""
    if not (sources / job.check.cwd).is_dir():
        raise ToolMissing(f"the folder {job.check.cwd!r} is not in the sources")


async def _take_out(engine: Engine, job: Job, name: str, target: Path) -> None:
    """Copy its possible artifacts out of it; missing ones are not an error here."""
    folder = PurePosixPath(INSIDE) / job.check.cwd
    for part in sorted({outright(pattern)[0] for pattern in job.check.artifacts}):
        out = target / part
        out.parent.mkdir(parents=True, exist_ok=True)
        source, end = (f"{folder / part}", str(out)) if part else (f"{folder}/.", str(target))
        what = f"copying the artifacts of {job.name}"
        done = await engine.attempt("cp", f"{name}:{source}", end, what=what, timeout=COPY)
        if not done.ok and not re.search(r"could not (be found|find)|no such file", done.stderr, re.IGNORECASE):
            refused = refusal(engine, what, done)
            if not isinstance(refused, NoSuchThing):
                raise refused


# Its own copy of the sources: a fresh checkout, plus its inputs and the artifacts it uses


def gather(job: Job, target: Path) -> None:
    """Copy them into a new folder; OSError, shutil.Error, CannotTell when they are unreadable."""
    target.mkdir(parents=True)
    tree = Tree(job.source, Hashes(Path()))
    wanted: set[str] = set()
    for pattern in ("**", *job.check.wanted):
        with suppress(CannotTell):  # the pattern matches no file
            wanted |= tree.files([pattern])
    links: set[str] = set()
    for path in sorted(wanted):
        parents = [str(one) for one in Path(path).parents]
        # A file behind a link to a folder is at the link's target: the link itself is copied.
        if path.partition("/")[0] == STATE or links.intersection(parents):
            continue
        source, copy = job.source / path, target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink() and source.is_dir():
            links.add(path)
        _linked(str(source), str(copy))
    if (job.source / GIT).is_dir():
        shutil.copytree(job.source / GIT, target / GIT, symlinks=True, copy_function=_linked)
    elif (job.source / GIT).exists():
        _linked(str(job.source / GIT), str(target / GIT))
    for path, file in job.given.items():
        copy = target / path
        if not copy.parent.resolve().is_relative_to(target.resolve()):
            raise CannotTell(f"{job.name} cannot get {path}: the path follows a link out of the sources")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.unlink(missing_ok=True)
        shutil.copy2(file, copy)


def gather_all(job: Job, target: Path) -> None:
    """Copy all files into a new folder, in place of an overlay; OSError, shutil.Error when they are unreadable."""

    def unfit(folder: str, names: list[str]) -> set[str]:
        own = {STATE} if Path(folder) == job.source else set()
        return own | {name for name in names if stat.S_IFMT(os.lstat(f"{folder}/{name}").st_mode) not in COPIED}

    shutil.copytree(job.source, target, symlinks=True, ignore=unfit, copy_function=_linked)


def _linked(source: str, target: str) -> None:
    """Hard-link the read-only file if possible, else copy it."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
