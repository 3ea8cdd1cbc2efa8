"""Dagger: a command in a container of a Dagger engine, with the sources that count; the engine ends it with the
session. `sources` picks the files, `images` the image, `services` and `values` the rest."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from seatrial.errors import CannotTell, StepFailed, ToolMissing
from seatrial.links.dagger.session import Session
from seatrial.links.output import Lines, end
from seatrial.links.process import TimedOut
from seatrial.preflight.cache.patterns import alternatives
from seatrial.preflight.executors.dagger import images, sources
from seatrial.preflight.executors.dagger.engine import NAME, TRACE, session_of
from seatrial.preflight.executors.dagger.services import DaggerServices
from seatrial.preflight.executors.dagger.values import plain, with_variables
from seatrial.preflight.executors.images import BUILDING
from seatrial.preflight.job import Answered, Job
from seatrial.preflight.log import INSIDE
from seatrial.preflight.services import filled
from seatrial.preflight.system import pipeline_of
from seatrial.spi import Context, Finished

IDENTITY = ("E2E_RUN_ID", "SEATRIAL_RUN_ID", "SEATRIAL_TRIAL_ID")

_NOT_THERE = re.compile(
    r'(exec: "[^"]*": executable file not found in \$PATH|fork/exec \S+: no such file or directory)'
)
"""What the engine's init prints in place of a program that is missing."""

FULL = "no space left on device"
"""The engine's words when its disk is full."""

TOLD = {"code": "exitCode", "stdout": "stdout", "stderr": "stderr", "both": "combinedOutput"}
"""The result of a command: one request asks for all of it."""


async def identity(ctx: Context, job: Job) -> str:
    """The digests of the image and the services; a reference counts by its name. CannotTell for a check with a service
    of a function: nobody knows all that it answers by."""
    if names := job.check.returned_services:
        raise CannotTell(f"its answers may come from the service of {names[0]}, which a function makes in each run")
    services = [[name, str(one), await images.identity_of(one.image, job.source)] for name, one in job.services.items()]
    return f"dagger {await images.identity(job)} {sorted(services) or ''}".rstrip()


async def run(ctx: Context, job: Job) -> Finished:
    """See Executor."""
    files = await asyncio.to_thread(sources.files_of, job)
    session = await session_of(ctx)
    services = await pipeline_of(ctx).part(DaggerServices).up(ctx, session, job)
    argv, env = filled(ctx, job, {name: one.view for name, one in services.items()})
    if any(ctx.masked(word) != word for word in argv):
        raise CannotTell("a secret is on its command line, and Dagger would keep it in a layer: pass it in `env`")
    bound = {one.view.address: one.service for one in services.values()}
    container = await _prepared(ctx, session, job, files, bound)
    container = with_variables(ctx, session, container, env, job.secrets)
    done, cached = await _once(ctx, session, job, container, argv, fresh=not job.reusable)
    if cached is not False and done.exit_code not in _passing(job):
        # Only a pass is answered from a cache: a check may fail by chance. Without a report nobody knows.
        done, _ = await _once(ctx, session, job, container, argv, fresh=True)
    return done


async def _prepared(ctx: Context, session: Session, job: Job, files: set[str], services: Mapping[str, Any]) -> Any:
    """The container with the sources, caches and services."""
    import dagger

    client, check = session.client, job.check
    limit = min(check.timeout or BUILDING, BUILDING)
    try:
        async with asyncio.timeout(limit):
            container, user = await pipeline_of(ctx).part(images.Looked).at(session, job)
    except TimeoutError:
        raise TimedOut(f"the image of {job.name} was not ready within {limit:g} s", "", "") from None
    except dagger.DaggerError as error:
        raise await _no_image(ctx, session, job, error) from error
    user = user.partition(":")[0]
    owner = "" if user in ("", "0", "root") else user
    tree = sources.directory(client, job.source, files)
    for path, file in sorted(job.given.items()):
        tree = tree.with_file(path, client.host().file(str(file), no_cache=True))
    container = container.with_mounted_directory(INSIDE, tree, owner=owner)
    for name, inside in sorted(job.caches.items()):
        container = container.with_mounted_cache(inside, client.cache_volume(f"seatrial-{name}"), owner=owner)
    for name, service in services.items():
        container = container.with_service_binding(name, service)
    return container.with_mounted_temp("/tmp").with_workdir(str(PurePosixPath(INSIDE) / check.cwd))


async def _once(
    ctx: Context, session: Session, job: Job, container: Any, argv: tuple[str, ...], *, fresh: bool
) -> tuple[Answered, bool | None]:
    """Run the command, and whether the engine's cache answered; None: nobody knows. `fresh`: it must not."""
    import dagger

    if fresh:
        around = ctx.environment()
        given = {name: around[name] for name in IDENTITY if name in around}
        for name, value in {**given, "DAGGER_ATTEMPT": secrets.token_hex(8)}.items():
            container = container.with_env_variable(name, value)
    made = container.with_exec(list(argv), expect=dagger.ReturnType.ANY)
    lines, came = Lines(job.output or (lambda _: None)), bytearray()

    def output(data: bytes) -> None:
        came.extend(data)
        lines.add(data)

    with session.telemetry.tracing(output) as trace:
        try:
            async with asyncio.timeout(job.check.timeout):
                told = await made._select_multiple(**TOLD).execute(dict[str, Any])
                code, stdout, stderr = int(told["code"]), str(told["stdout"]), str(told["stderr"])
                if job.taken is not None and code in _passing(job):
                    await _take_out(job, made, job.taken)
        except TimeoutError:
            _written(job, bytes(came))
            why = f"{argv[0]} did not end within {job.check.timeout:g} s"
            raise TimedOut(why, came.decode(errors="replace"), "") from None
        except dagger.DaggerError as error:
            _written(job, bytes(came))
            raise await _refused(ctx, session, job, error) from error
        except BaseException:
            _written(job, bytes(came))
            raise
        finally:
            lines.end()
        _written(job, str(told["both"]).encode())
        if code == 1 and not stdout and _NOT_THERE.fullmatch(stderr.strip()):
            raise ToolMissing(_not_there(job, argv[0]), evidence=stderr)
        cached = False if fresh else await session.telemetry.cached(trace, TRACE)
    return Answered(exit_code=code, stdout=stdout, stderr=stderr, cached_by=NAME if cached else ""), cached


async def _take_out(job: Job, made: Any, target: Path) -> None:
    """Export its possible artifacts; missing ones are not an error here."""
    patterns = [one for pattern in job.check.artifacts for one in alternatives(pattern)]
    target.mkdir(parents=True, exist_ok=True)
    folder = str(PurePosixPath(INSIDE) / job.check.cwd)
    await made.directory(folder).filter(include=patterns).export(str(target))


def _not_there(job: Job, program: str) -> str:
    return f"the program {program!r} is not in the image {job.check.image or 'of this build'}"


def _no_room(job: Job) -> str:
    return f"the engine has no room left on its disk for {job.name}: `dagger core engine local-cache prune` frees some"


def _passing(job: Job) -> set[int]:
    return {*job.check.passing, *(int(code) for code in job.check.pass_exit_codes)}


def _written(job: Job, content: bytes) -> None:
    if job.log is not None and content:
        job.log.write_bytes(content)


async def _no_image(ctx: Context, session: Session, job: Job, error: Exception) -> CannotTell | StepFailed:
    """Why there is no container: a failed command of its Dockerfile is the product's, all else is not."""
    import dagger

    if job.check.build is not None and isinstance(error, dagger.ExecError):
        said = ctx.masked(f"{error.stdout}\n{error.stderr}".strip())
        return StepFailed(f"its image cannot be built: {end(said.rpartition(chr(10))[2], 300)}", evidence=said[-2000:])
    text = plain(ctx, error)
    if FULL in text:
        return CannotTell(_no_room(job), evidence=text)
    what = job.check.image or "of its build"
    return CannotTell(
        await session.lost(error) or f"Dagger cannot get the image {what}: {end(text, 400)}", evidence=text
    )


async def _refused(ctx: Context, session: Session, job: Job, error: Exception) -> CannotTell:
    import dagger

    text = plain(ctx, error)
    if lost := await session.lost(error):
        return CannotTell(f"the engine was lost while {job.name} ran: {ctx.masked(lost)}", evidence=text)
    if "executable file not found" in text or "no such file or directory" in text:
        return ToolMissing(_not_there(job, job.argv[0]), evidence=text)
    if not isinstance(error, dagger.QueryError):
        return CannotTell(f"the engine was lost while {job.name} ran: {end(text, 200)}", evidence=text)
    # The engine keeps the exit code in a file of its own: an empty one could not be written.
    if FULL in text or 'could not parse exit code ""' in text:
        return CannotTell(_no_room(job), evidence=text)
    return CannotTell(f"Dagger could not run {job.name}: {end(text, 400)}", evidence=text)
