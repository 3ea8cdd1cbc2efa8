"""A function of a Dagger module as a check: what it returns is the check's output and its artifacts."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, ToolMissing
from seatrial.links.dagger import modules, without_trace
from seatrial.links.dagger.session import Session
from seatrial.links.output import Lines, end
from seatrial.links.process import TimedOut
from seatrial.preflight.cache.patterns import alternatives
from seatrial.preflight.document import Function
from seatrial.preflight.executors.dagger import services, sources
from seatrial.preflight.executors.dagger.engine import NAME, TRACE, session_of
from seatrial.preflight.executors.dagger.values import secret
from seatrial.preflight.executors.images import NOT_BROUGHT
from seatrial.preflight.job import Answered, Job
from seatrial.preflight.services import filled
from seatrial.spi import Context, Finished

PLAIN = frozenset(("String", "Int", "Float", "Boolean", "JSON", "Platform"))

REFUSED = re.compile(f"{NOT_BROUGHT}|no space left on device|failed to compute cache key", re.IGNORECASE)
"""The engine's words, in a function's error, for what is not the product's fault."""


async def identity(ctx: Context, job: Job) -> str:
    """The engine's version and the module's digest: a function may read what is in its module's folder."""
    session = await _session(ctx, job)
    return f"dagger {session.version} {await modules.digest(session, _folder(job))}"


async def run(ctx: Context, job: Job) -> Finished:
    """See Executor."""
    session = await _session(ctx, job)
    function, printed = _function(job), bytearray()
    lines = Lines(job.output or (lambda _: None))

    def output(data: bytes) -> None:
        printed.extend(data)
        lines.add(data)

    try:
        async with asyncio.timeout(job.check.timeout):
            module = await modules.loaded(session, _folder(job))
            called = module.call(function.words, function.args, _Values(ctx, session, job).of)
            with session.telemetry.tracing(output) as trace:
                code, stdout, stderr = await _ended(ctx, session, job, called)
                # A service runs, even if its definition came from the cache; an error is answered by none.
                asked = code == 0 and called.kind != "Service"
                cached = asked and await session.telemetry.idle(trace, TRACE)
    except TimeoutError:
        why = f"the function {function.words[-1]} did not end within {job.check.timeout:g} s"
        raise TimedOut(why, printed.decode(errors="replace"), "") from None
    finally:
        lines.end()
        if job.log is not None and printed:
            job.log.write_bytes(printed)
    for text in (stdout, stderr):
        if text.strip().encode() not in printed:  # what its programs printed came already
            output(b"" if not printed or printed.endswith(b"\n") else b"\n")
            output(f"{text}\n".encode())
    lines.end()
    if job.log is not None:
        job.log.write_bytes(printed)
    by, serves = NAME if cached else "", called.kind == "Service"
    return Answered(exit_code=code, stdout=stdout, stderr=stderr, cached_by=by, serves=serves)


async def _session(ctx: Context, job: Job) -> Session:
    if job.host:
        raise ToolMissing(f"{job.name} calls a function of a Dagger module, and --host uses no Dagger engine")
    return await session_of(ctx)


def _function(job: Job) -> Function:
    assert job.check.function is not None
    return job.check.function


def _folder(job: Job) -> Path:
    return (job.source / _function(job).module).resolve()


async def _ended(ctx: Context, session: Session, job: Job, called: modules.Result) -> tuple[int, str, str]:
    """The exit code, the text and the error of a function; CannotTell when the engine could not run it."""
    import dagger

    try:
        return 0, await _read(ctx, session, job, called), ""
    except dagger.ExecError as error:
        return error.exit_code or 1, error.stdout, error.stderr or without_trace(error.message)
    except dagger.DaggerError as error:
        text = without_trace(str(error))
        if (lost := await session.lost(error)) or not isinstance(error, dagger.QueryError):
            why = f"the engine was lost while {job.name} ran: {ctx.masked(lost or text)}"
            raise CannotTell(why, evidence=ctx.masked(text)) from error
        if REFUSED.search(text):
            why = f"Dagger could not run {job.name}: {end(ctx.masked(text), 400)}"
            raise CannotTell(why, evidence=ctx.masked(text)) from error
        return 1, "", text


async def _read(ctx: Context, session: Session, job: Job, called: modules.Result) -> str:
    """The function's value as text; files are exported for the check's artifacts, and a service stays for later
    checks."""
    import dagger

    context, kind = called.context, called.kind
    if called.many and kind in PLAIN:
        return "\n".join(_text(one) for one in await context.execute(list[Any]))
    if called.many or kind not in (*PLAIN, "Void", "Directory", "File", "Container", "Service"):
        many = "a list of " if called.many else ""
        raise CannotTell(f"the function returns {many}{kind}, and no check can use that: name one of its functions "
                         "after it in `function.name`")  # fmt: skip
    if kind == "Void":
        await context.execute()
        return ""
    if kind in PLAIN:
        return _text(await context.execute(Any))
    made = getattr(dagger, kind)(context)
    if kind == "Container":
        return str(await made.stdout())
    if kind == "Service":
        running = await services.returned(ctx, session, job, made)
        return "\n".join(f"{running.view.address}:{port}" for port in running.view.ports.values())
    return await _exported(job, made, whole=kind == "Directory")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _exported(job: Job, made: Any, *, whole: bool) -> str:
    """The names of its files; those of the declared artifacts are copied out."""
    target = job.taken
    if target is not None:
        target.mkdir(parents=True, exist_ok=True)
    if not whole:
        name = str(await made.name())
        await (made.export(str(target / name)) if target is not None else made.sync())
        return name
    if target is not None:
        patterns = [one for pattern in job.check.artifacts for one in alternatives(pattern)]
        await made.filter(include=patterns).export(str(target))
    return "\n".join(await made.entries())


class _Values:
    """The objects for the texts of a check's arguments."""

    def __init__(self, ctx: Context, session: Session, job: Job) -> None:
        self._ctx, self._session, self._job = ctx, session, job
        self._files: set[str] | None = None

    def of(self, kind: str, text: str) -> Any:
        """A folder or file of the sources, a secret of the pipeline, a cache by its name; all else as an address."""
        client = self._session.client
        if kind == "Directory" and "://" not in text:
            return self._sources() if text in ("", ".") else self._sources().directory(text)
        if kind == "File" and "://" not in text:
            return self._sources().file(text)
        if kind == "Secret" and "://" not in text:
            return self._secret(text)
        if kind == "CacheVolume":
            return client.cache_volume(f"seatrial-{text}")
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower()
        if not hasattr(client.address(text), words):
            raise CannotTell(f"an argument of the type {kind} cannot be written in a document")
        return getattr(client.address(text), words)()

    def _sources(self) -> Any:
        if self._files is None:
            # Its folder is where the artifacts go; it need not exist before.
            self._files = sources.files_of(replace(self._job, check=replace(self._job.check, cwd="")))
        client = self._session.client
        tree = sources.directory(client, self._job.source, self._files)
        for path, file in sorted(self._job.given.items()):
            tree = tree.with_file(path, client.host().file(str(file), no_cache=True))
        return tree

    def _secret(self, name: str) -> Any:
        _, env = filled(self._ctx, self._job, {})
        if name not in self._job.secrets:
            known = ", ".join(sorted(self._job.secrets)) or "none"
            raise CannotTell(f"unknown secret {name!r}: write the name of one from `secrets.required` ({known}), or an "
                             "address such as `env://NAME`")  # fmt: skip
        return secret(self._session, name, env[name])
