"""`pipeline_check`: one command of a pipeline, judged by its exit code, with the problems it printed."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from seatrial.errors import CannotTell, Overrun, StepFailed, ToolMissing
from seatrial.links.process import TimedOut
from seatrial.model.scenario import Outputs
from seatrial.model.values import Argv
from seatrial.preflight.cache import Cache, Caching
from seatrial.preflight.cache.cached_run import CachedRun
from seatrial.preflight.document import Build, Service
from seatrial.preflight.executors import executor_for
from seatrial.preflight.job import Job
from seatrial.preflight.log import Log
from seatrial.preflight.names import folder_of
from seatrial.registry import step
from seatrial.spi import Context, Finished

NOT_FOUND = 127
"""The shell's exit codes for a missing program."""

_NO_MODULE = re.compile(r"\S*python[\d.]*: No module named '?([\w-]+)[\w.]*'?.*")
TOOLS = frozenset({"mypy", "pytest", "ruff", "black", "isort", "flake8", "pylint", "coverage", "django", "build",
                   "pip", "bandit", "tox", "nox", "sphinx", "mkdocs", "uv", "poetry"})  # fmt: skip
"""Modules for `python -m` whose absence is not the product's fault."""


@step("pipeline_check")
@dataclass(frozen=True, kw_only=True)
class PipelineCheck:
    """Run one command of a pipeline."""

    name: str
    """`stage/check`."""
    run_: Argv
    source: str
    """The folder of the sources."""
    cwd: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Secret environment variables: filled in late, and never shown."""
    timeout: float | None = None
    expect_exit_code: tuple[int, ...] = (0,)
    pass_exit_codes: Mapping[str, str] = field(default_factory=dict)
    results: Mapping[str, str] = field(default_factory=dict)
    """Names of outputs to expressions over `json`, `stdout` and `exit_code`."""
    artifacts: tuple[str, ...] = ()
    uses: Mapping[str, str] = field(default_factory=dict)
    """Checks with artifacts it uses, to the folders in which they ran."""
    image: str = ""
    build: Build | None = None
    copied: bool = False
    services: tuple[str, ...] = ()
    served: Mapping[str, Service] = field(default_factory=dict)
    """The definitions of these services."""
    caches: Mapping[str, str] = field(default_factory=dict)
    cpus: float | None = None
    memory_gb: float = 0.0
    problems: str = ""
    host: bool = False
    """Run it on this host, even if it names an image."""
    again: str = ""
    """The command to run this check alone."""
    caching: Caching | None = None
    """Its settings of the cache."""

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed (product) on a failing exit code; Overrun; ToolMissing and CannotTell when there is no result.
        Outputs: `exit_code`, `note` (the meaning of an unusual passing exit code), and the declared ones."""
        log = Log(ctx, name=self.name, folder=Path(self.source) / self.cwd, source=Path(self.source), again=self.again)
        job = Job(
            name=self.name,
            argv=_argv(self.run_),
            source=Path(self.source),
            cwd=self.cwd,
            env={**self.env, **self.secrets},
            timeout=self.timeout,
            log=log.raw,
            image=self.image,
            build=None if self.build is None else replace(self.build, args=_texts(ctx.bind(self.build.args))),
            copied=self.copied,
            given=self._given(ctx),
            inputs=self.caching.inputs if self.caching is not None else (),
            services={name: replace(one, image=str(ctx.bind(one.image))) for name, one in self.served.items()},
            caches=self.caches,
            cpus=self.cpus,
            memory_gb=self.memory_gb,
            artifacts=self.artifacts,
            taken=self._taken(ctx),
            host=self.host,
        )
        place = executor_for(job, host=self.host)
        visit = self._visit(ctx, job)
        found = await visit.look(place, log)
        if found is not None:
            return found
        try:
            with visit.running() as job:
                done = await place.run(ctx, job)
        except TimedOut as error:
            log.keep()
            log.tell([], str(error))
            raise Overrun(str(error), evidence=log.evidence) from error
        except (CannotTell, StepFailed) as error:
            log.keep()
            log.tell([], str(error))
            raise
        finally:
            log.keep()
        outputs = {**self._judged(ctx, done, log), **await self._outputs(ctx, done), **self._kept(ctx, log)}
        visit.keep(outputs, log)
        return outputs

    def _visit(self, ctx: Context, job: Job) -> CachedRun:
        command = {
            "the command": job.argv,
            "its folder": self.cwd,
            "how the check gets the sources": self.copied,
            "what passes": [self.expect_exit_code, self.pass_exit_codes],
            "outputs of the check": self.results,
            "artifacts of the check": self.artifacts,
            **({"checks with artifacts it uses": self.uses} if self.uses else {}),
        }
        return CachedRun(
            ctx,
            self.caching or Caching(cache=Cache(source=job.source, off="the cache is off")),
            job,
            command={name: json.dumps(value, sort_keys=True) for name, value in command.items()},
            variables=self.env,
            secret=self.secrets,
            on_host=self.host or not (self.image or self.build),
        )

    def _given(self, ctx: Context) -> Mapping[str, Path]:
        """The artifacts it uses, by their paths in the source."""
        return {
            str(Path(folder) / file.relative_to(ctx.artifacts / folder_of(name))): file
            for name, folder in self.uses.items()
            for file in sorted((ctx.artifacts / folder_of(name)).rglob("*"))
            if file.is_file()
        }

    def _taken(self, ctx: Context) -> Path | None:
        """The folder with the artifacts of a container; None: the check ran on this host."""
        inside = not self.host and (self.image or self.build) and self.artifacts
        return ctx.state / "taken" / ctx.step if inside else None

    def _judged(self, ctx: Context, done: Finished, log: Log) -> dict[str, object]:
        code = done.exit_code
        if code in self.expect_exit_code:
            return {"exit_code": code}
        if str(code) in self.pass_exit_codes:
            return {"exit_code": code, "note": self.pass_exit_codes[str(code)]}
        missing = self._missing(ctx.masked(done.stderr), done.exit_code)
        if missing:
            log.tell([])
            raise ToolMissing(missing, evidence=log.evidence)
        log.look(self.run_, self.problems)
        raise StepFailed(log.first or _ended(code, log.last), evidence=log.evidence)

    def _missing(self, stderr: str, code: int) -> str:
        """The missing tool named by the failure; empty: the product is at fault."""
        last = stderr.rstrip().rpartition("\n")[2].strip()
        if code == NOT_FOUND and isinstance(self.run_, str):
            return f"the shell did not find the program: {last[:200]}"
        module = _NO_MODULE.fullmatch(last)
        if code == 1 and module and module[1] in TOOLS:
            return f"the module {module[1]} is not installed for this python: {last[:200]}"
        return ""

    async def _outputs(self, ctx: Context, done: Finished) -> dict[str, object]:
        if not self.results:
            return {}
        names: dict[str, object] = {"stdout": done.stdout.rstrip("\n"), "exit_code": done.exit_code}
        with suppress(ValueError):  # an expression over `json` reports its absence
            names["json"] = json.loads(done.stdout)
        return {name: await ctx.evaluate(expression, **names) for name, expression in self.results.items()}

    def _kept(self, ctx: Context, log: Log) -> dict[str, object]:
        """Copy the declared files to the run's artifacts; StepFailed when a pattern matches no file."""
        folder = self._taken(ctx) or (Path(self.source) / self.cwd).resolve()
        within = folder if self._taken(ctx) else Path(self.source)
        kept = []
        for pattern in self.artifacts:
            files = [one for one in sorted(folder.glob(_files(pattern))) if one.is_file()]
            if not files:
                log.tell([])
                raise StepFailed(f"it left no file for its declared artifact {pattern!r}")
            for file in files:
                if not file.resolve().is_relative_to(within.resolve()):
                    continue  # this check did not make a file behind a link out of the source
                target = ctx.artifacts / folder_of(self.name) / file.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, target)
                kept.append(str(target.relative_to(ctx.folder)))
        return {"artifacts": kept} if kept else {}


def _texts(values: Mapping[str, object]) -> Mapping[str, str]:
    return {name: str(value) for name, value in values.items()}


def _ended(code: int, last: str) -> str:
    names = {128 + one.value: f" ({one.name})" for one in signal.Signals}
    return f"the command ended with {code}{names.get(code, '')}" + (f": {last}" if last else "")


def _argv(run: Argv) -> tuple[str, ...]:
    # Each command of a script must pass: without -e only the last one would count.
    return ("/bin/sh", "-e", "-c", run) if isinstance(run, str) else run


def _files(pattern: str) -> str:
    # `dist/**` also matches folders; only files are wanted.
    return f"{pattern}/*" if pattern.endswith("**") else pattern
