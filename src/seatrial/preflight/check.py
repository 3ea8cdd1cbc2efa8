"""`pipeline_check`: one command of a pipeline, judged by its exit code, with the problems it printed."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from seatrial.errors import CannotTell, Overrun, StepFailed, ToolMissing
from seatrial.links.process import TimedOut
from seatrial.model import json_text
from seatrial.model.scenario import Outputs
from seatrial.model.values import Argv
from seatrial.preflight.cache import Cache
from seatrial.preflight.cache.cached_run import CachedRun
from seatrial.preflight.cache.patterns import files_like
from seatrial.preflight.job import Answered, Executor, Job, folder_of
from seatrial.preflight.lease import alone
from seatrial.preflight.log import Log
from seatrial.registry import step
from seatrial.spi import Context, Finished
from seatrial.spi.link import NOT_FOUND, shell_complaint

READ_ONLY = "Read-only file system"
"""The system's words for a write into a mount that allows none."""

_NO_MODULE = re.compile(r"\S*python[\d.]*: No module named '?([\w-]+)[\w.]*'?.*")
TOOLS = frozenset({"mypy", "pytest", "ruff", "black", "isort", "flake8", "pylint", "coverage", "django", "build",
                   "pip", "bandit", "tox", "nox", "sphinx", "mkdocs", "uv", "poetry"})  # fmt: skip
"""Modules for `python -m` whose absence is not the product's fault."""


@step("pipeline_check")
@dataclass(frozen=True, kw_only=True)
class PipelineCheck:
    """Run one command of a pipeline."""

    job: Job
    """The command; the fields below have its values with expressions, filled in when it starts."""
    run_: Argv
    cwd: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    artifacts: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    args: Mapping[str, object] = field(default_factory=dict)
    """The arguments of its function."""
    cache: Cache | None = None
    """The cache of results; None: there is none."""

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed (product) on a failing exit code; Overrun; ToolMissing and CannotTell when there is no result.
        Outputs: `exit_code`, `note` (the meaning of an unusual passing exit code), and the declared ones."""
        job = self._job(ctx)
        async with alone(ctx, job):
            return await self._run(ctx, job)

    async def _run(self, ctx: Context, job: Job) -> Outputs:
        log = Log(ctx, job)
        job = replace(job, log=log.raw)
        place = _place(job)
        attempt = CachedRun(ctx, job, self.cache or Cache(source=job.source, off="the cache is off"))
        stored = await attempt.look(place, log)
        if stored is not None:
            return stored
        try:
            with attempt.running() as running, log.following() as output:
                done = await place.run(ctx, replace(running, output=output, reusable=attempt.reusable))
        except asyncio.CancelledError:
            log.keep()
            log.tell([])
            raise
        except (TimedOut, CannotTell, StepFailed) as error:
            log.keep()
            log.tell([], str(error))
            if isinstance(error, TimedOut):
                raise Overrun(str(error), evidence=log.evidence) from error
            raise
        finally:
            log.keep()
        outputs = {**self._judged(ctx, done, log), **await self._outputs(ctx, done), **_kept(ctx, job, log)}
        if not (isinstance(done, Answered) and done.serves):
            attempt.keep(outputs, log)
        by = done.cached_by if isinstance(done, Answered) else ""
        return {**outputs, "cached_by": by} if by else outputs

    def _job(self, ctx: Context) -> Job:
        job = self.job
        check = replace(job.check, run=self.run_, cwd=self.cwd, image=self.image, artifacts=self.artifacts)
        if check.build is not None:
            args = {name: str(value) for name, value in ctx.bind(check.build.args).items()}
            check = replace(check, build=replace(check.build, args=args))
        if check.function is not None:
            check = replace(check, function=replace(check.function, args=self.args))
        given = {
            str(Path(folder) / file.relative_to(top)): file
            for name, folder in job.uses.items()
            for top in [ctx.artifacts / folder_of(name)]
            for file in sorted(top.rglob("*"))
            if file.is_file()
        }
        services = {name: replace(one, image=str(ctx.bind(one.image))) for name, one in job.services.items()}
        job = replace(job, check=check, env=self.env, secrets=self.secrets, services=services, given=given)
        return replace(job, taken=ctx.state / "taken" / ctx.step) if job.contained and check.artifacts else job

    def _judged(self, ctx: Context, done: Finished, log: Log) -> dict[str, object]:
        code = done.exit_code
        if code in self.job.check.passing:
            return {"exit_code": code}
        if (note := self.job.check.pass_exit_codes.get(str(code))) is not None:
            return {"exit_code": code, "note": note}
        if missing := self._missing(ctx.masked(done.stderr), code):
            log.tell([])
            raise ToolMissing(missing, evidence=log.evidence)
        log.look(self.run_, self.job.check.problems)
        if done.accident:
            raise CannotTell(f"{_ended(code, log.last)}; {done.accident}", evidence=log.evidence)
        message = log.first or _ended(code, log.last)
        if self.job.contained and self.job.check.source == "read-only" and READ_ONLY in done.stdout + done.stderr:
            message = f"{message}; its sources are read-only: leave `source: read-only` out, and it can write"
        raise StepFailed(message, evidence=log.evidence)

    def _missing(self, stderr: str, code: int) -> str:
        """The missing tool named by the failure; empty: the product is at fault."""
        last = stderr.rstrip().rpartition("\n")[2].strip()
        if code == NOT_FOUND and isinstance(self.run_, str):
            return f"the shell did not find the program: {last[:200]}"
        if complaint := shell_complaint(self.job.argv, stderr):
            return f"the shell could not run the command: {complaint}"
        module = _NO_MODULE.fullmatch(last)
        if code == 1 and module and module[1] in TOOLS:
            return f"the module {module[1]} is not installed for this python: {last[:200]}"
        return ""

    async def _outputs(self, ctx: Context, done: Finished) -> dict[str, object]:
        if not self.job.check.outputs:
            return {}
        names: dict[str, object] = {"stdout": done.stdout.rstrip("\n"), "exit_code": done.exit_code}
        with suppress(ValueError):  # an expression over `json` reports its absence
            names["json"] = json_text.loads(done.stdout)
        return {name: await ctx.evaluate(expression, **names) for name, expression in self.job.check.outputs.items()}


def _place(job: Job) -> Executor:
    if job.check.function is not None:
        from seatrial.preflight.executors.dagger import functions

        return functions
    if job.contained and job.executor:
        from seatrial.preflight.executors import dagger

        return dagger
    if job.contained:
        from seatrial.preflight.executors import container

        return container
    from seatrial.preflight.executors import host

    return host


def _kept(ctx: Context, job: Job, log: Log) -> dict[str, object]:
    """Copy the declared files to the run's artifacts; StepFailed when a pattern matches no file, or a file outside."""
    folder = job.taken or job.folder
    within = (job.taken or job.source).resolve()
    kept = []
    for pattern in job.check.artifacts:
        files = files_like(folder, pattern)
        if not files:
            log.tell([])
            raise StepFailed(f"it left no file for its declared artifact {pattern!r}")
        for file in files:
            if not file.resolve().is_relative_to(within):
                log.tell([])
                name = file.relative_to(folder)
                raise StepFailed(f"its artifact {str(name)!r} leads out of the source by a link: {file.resolve()}")
            target = ctx.artifacts / folder_of(job.name) / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
            kept.append(str(target.relative_to(ctx.folder)))
    return {"artifacts": kept} if kept else {}


def _ended(code: int, last: str) -> str:
    names = {128 + one.value: f" ({one.name})" for one in signal.Signals}
    return f"the command ended with exit code {code}{names.get(code, '')}" + (f": {last}" if last else "")
