"""`pipeline_check`: one command of a pipeline, judged by its exit code, with the problems that it told."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, Overrun, StepFailed, ToolMissing
from seatrial.links.process import TimedOut
from seatrial.model.scenario import Outputs
from seatrial.model.values import Argv
from seatrial.pipeline.document import Build
from seatrial.pipeline.executors import Job, executor_for
from seatrial.registry import step
from seatrial.reports import problems
from seatrial.spi import Context, Finished

MOST = 50
"""Problems of one check that are told; the log has all of them."""

NOT_FOUND = 127
"""How a shell ends when it does not find the program."""

TAIL = 4000
"""Characters of the log that go into the event."""

_NO_MODULE = re.compile(r"\S*python[\d.]*: No module named '?([\w-]+)[\w.]*'?.*")
TOOLS = frozenset({"mypy", "pytest", "ruff", "black", "isort", "flake8", "pylint", "coverage", "django", "build",
                   "pip", "bandit", "tox", "nox", "sphinx", "mkdocs", "uv", "poetry"})  # fmt: skip
"""Modules run by `python -m` whose absence says nothing of the product."""


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
    """Environment variables that are secrets: bound late, and never told."""
    timeout: float | None = None
    expect_exit_code: tuple[int, ...] = (0,)
    pass_exit_codes: Mapping[str, str] = field(default_factory=dict)
    results: Mapping[str, str] = field(default_factory=dict)
    """Names of outputs to expressions over `json`, `stdout` and `exit_code`."""
    artifacts: tuple[str, ...] = ()
    image: str = ""
    build: Build | None = None
    copied: bool = False
    services: tuple[str, ...] = ()
    cpus: float = 1.0
    memory_gb: float = 0.0
    problems: str = ""
    host: bool = False
    """Run it on this host whatever it says of images."""
    again: str = ""
    """The command that runs it alone once more."""

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed (product) on an exit code that is no pass; Overrun; ToolMissing and CannotTell when nobody can
        say. Outputs: `exit_code`, `note` (what a passing exit code other than the usual means), and the declared."""
        job = Job(
            name=self.name,
            argv=_argv(self.run_),
            source=Path(self.source),
            cwd=self.cwd,
            env={**self.env, **self.secrets},
            timeout=self.timeout,
            image=self.image,
            build=self.build,
            copied=self.copied,
            services=self.services,
            cpus=self.cpus,
            memory_gb=self.memory_gb,
        )
        log = _Log(ctx, self)
        try:
            done = await executor_for(job, host=self.host).run(ctx, job)
        except TimedOut as error:
            log.keep(error.stdout, error.stderr)
            log.tell([], str(error))
            raise Overrun(str(error), evidence=log.evidence) from error
        except CannotTell as error:
            log.tell([], str(error))
            raise
        log.keep(done.stdout, done.stderr)
        return {**self._judged(ctx, done, log), **await self._outputs(ctx, done), **self._kept(ctx, log)}

    def _judged(self, ctx: Context, done: Finished, log: _Log) -> dict[str, object]:
        code = done.exit_code
        if code in self.expect_exit_code:
            return {"exit_code": code}
        if str(code) in self.pass_exit_codes:
            return {"exit_code": code, "note": self.pass_exit_codes[str(code)]}
        missing = self._missing(done)
        if missing:
            log.tell([])
            raise ToolMissing(missing, evidence=log.evidence)
        log.look()
        raise StepFailed(log.first or f"the command ended with {code}", evidence=log.evidence)

    def _missing(self, done: Finished) -> str:
        """Which tool the failure says is not there; empty: it is the product's."""
        last = done.stderr.rstrip().rpartition("\n")[2].strip()
        if done.exit_code == NOT_FOUND and isinstance(self.run_, str):
            return f"the shell found no such program: {last[:200]}"
        module = _NO_MODULE.fullmatch(last)
        if done.exit_code == 1 and module and module[1] in TOOLS:
            return f"the module {module[1]} is not installed for the python that was run: {last[:200]}"
        return ""

    async def _outputs(self, ctx: Context, done: Finished) -> dict[str, object]:
        if not self.results:
            return {}
        names: dict[str, object] = {"stdout": done.stdout.rstrip("\n"), "exit_code": done.exit_code}
        with suppress(ValueError):  # an expression that asks for `json` says that there is none
            names["json"] = json.loads(done.stdout)
        return {name: await ctx.evaluate(expression, **names) for name, expression in self.results.items()}

    def _kept(self, ctx: Context, log: _Log) -> dict[str, object]:
        """Copy the declared files to the run's artifacts; StepFailed for a pattern that no file is like."""
        folder = (Path(self.source) / self.cwd).resolve()
        kept = []
        for pattern in self.artifacts:
            files = [one for one in sorted(folder.glob(pattern)) if one.is_file()]
            if not files:
                log.tell([])
                raise StepFailed(f"it left no file that is like {pattern!r}, which it declares as an artifact")
            for file in files:
                if not file.resolve().is_relative_to(Path(self.source)):
                    continue  # a link out of the source is nothing that this check made
                target = ctx.artifacts / self.name / file.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, target)
                kept.append(str(target.relative_to(ctx.folder)))
        return {"artifacts": kept} if kept else {}


def _argv(run: Argv) -> tuple[str, ...]:
    # Of a text with several commands each has to pass: without -e the last alone would decide.
    return ("/bin/sh", "-e", "-c", run) if isinstance(run, str) else run


class _Log:
    """What a check printed: whole in a file of its own, its end in an event, and what is useful of it."""

    def __init__(self, ctx: Context, check: PipelineCheck) -> None:
        self._ctx = ctx
        self._check = check
        self._file = ""
        self._text = ""
        self.first = ""
        """The first problem in one line."""
        self.evidence = ""

    def keep(self, stdout: str, stderr: str) -> None:
        """Write it down, with every secret hidden before anything is cut."""
        text = "\n".join(part.rstrip("\n") for part in (stdout, stderr) if part.strip())
        if not text:
            return
        self._text = self._ctx.masked(text)
        name = re.sub(r"[^\w.=-]+", "-", self._check.name).strip("-")
        file = self._ctx.folder / "logs" / f"{name}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{self._text}\n")
        self._file = str(file.relative_to(self._ctx.folder))
        self.evidence = "\n".join(problems.useful(self._text))
        self._ctx.emit("output", step=self._ctx.step, source="log", text=self._text[-TAIL:], file=self._file)

    def look(self) -> None:
        """Find the problems in it, and tell them."""
        found = problems.find(self._text, self._check.run_, self._check.problems)
        errors = [one for one in found if one.severity == "error"] or found
        if errors:
            self.first = str(errors[0])
            self.evidence = "\n".join(map(str, errors[:MOST]))
        elif self.evidence:
            self.first = self.evidence.splitlines()[-1]
        self.tell(errors)

    def tell(self, found: Iterable[problems.Problem], why: str = "") -> None:
        """The event that reports fold: problems with their places, the useful lines, where the log is."""
        listed = list(found)
        told: list[Mapping[str, Any]] = [
            {"file": one.file, "path": self._path(one.file), "line": one.line, "column": one.column,
             "severity": one.severity, "message": one.message}
            for one in listed[:MOST]
        ]  # fmt: skip
        lines = [] if listed else (problems.useful(self._text, 8) or [why] * bool(why))
        self._ctx.emit(
            "problems",
            step=self._ctx.step,
            problems=told,
            count=len(listed),
            lines=lines,
            log=self._file,
            again=self._check.again,
        )

    def _path(self, file: str) -> str:
        """Where the file is on this host; empty when it is not there."""
        source = Path(self._check.source)
        for folder in (source / self._check.cwd, source):
            path = folder / file
            if path.is_file():
                return str(path)
        return ""
