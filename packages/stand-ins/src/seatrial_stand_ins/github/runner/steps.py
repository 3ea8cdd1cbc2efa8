"""The steps of a job and of composite actions, one after another."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.links.forge.workflows.expressions import ExpressionError, Function, condition, render, value
from seatrial.links.forge.workflows.values import CaseSensitive, as_number, as_text
from seatrial.links.forge.workflows.workflow import Step
from seatrial_stand_ins.github.runner import files, shells
from seatrial_stand_ins.github.runner.calls import ActionCancelled, ActionFailed
from seatrial_stand_ins.github.runner.commands import Output
from seatrial_stand_ins.github.runner.contexts import as_environment
from seatrial_stand_ins.github.runner.job_run import JobRun
from seatrial_stand_ins.github.runner.patterns import hash_files
from seatrial_stand_ins.github.runner.scope import Scope, title
from seatrial_stand_ins.github.runner.uses import composite, use
from seatrial_stand_ins.github.seam import Conclusion, Level


class Steps:
    """All steps of one job."""

    def __init__(self, here: JobRun) -> None:
        self.here = here
        self.scope = Scope(inputs=here.contexts["inputs"])

    async def all(self) -> None:
        """The job's steps, then its actions' callbacks."""
        for step in self.here.job.steps:
            await self._shown(step)
        for name, post in reversed(self.here.posts):
            await self._at_the_end(name, post)

    def outputs(self) -> dict[str, str]:
        """The job's outputs; as on GitHub, values with a secret are left out."""
        found = {}
        for name, template in self.here.job.outputs.items():
            text = render(template, self.contexts(self.scope))
            if any(mask in text for mask in self.here.masks):
                self.here.seam.annotate("warning", f"Skip output '{name}' since it may contain secret.", path=".github")
            else:
                found[name] = text
        return found

    async def _shown(self, step: Step) -> None:
        """A step of the job, shown by the API."""
        contexts = self.contexts(self.scope)
        try:
            name = render(step.name, contexts) if step.name else title(step, contexts)
            due = self.due(step, self.scope)
        except ExpressionError as error:
            self.here.begin(step.name or title(step, contexts))
            self.here.fail(str(error))
            self.here.failed = self.scope.failed = True
            self.here.end("failure")
            return
        if not due:
            self.here.seam.skip_step(self.here.masked(name))
            self.leave(step, self.scope, "skipped", "skipped", {})
            return
        self.here.begin(name)
        conclusion: Conclusion = "failure"
        try:
            conclusion = await self.one(step, self.scope)
        finally:
            self.here.end(conclusion)

    async def one(self, step: Step, scope: Scope) -> Conclusion:
        """Run the step that is next, and keep its result."""
        outputs: dict[str, str] = {}
        outcome: Conclusion = "failure"
        try:
            minutes = value(step.timeout_minutes, self.contexts(scope))
            seconds = None if minutes is None else as_number(minutes) * 60
            ending = await self.here.stop.guard(
                self._work(step, scope, outputs),
                timeout=seconds,
                # The steps of a composite action are cancelled one by one: steps under `always()` still run.
                stays=lambda: composite(self, step) or self.due(step, scope),
            )
            outcome = "success" if ending == "done" else "cancelled" if ending == "cancelled" else "failure"
            if ending == "timeout":
                self.here.fail(f"The action '{title(step, {})}' has timed out after {as_number(minutes):g} minutes.")
            elif ending == "cancelled":
                self.here.seam.log("##[error]The operation was canceled.")
        except ActionCancelled:
            outcome = "cancelled"
        except (ActionFailed, ExpressionError) as error:
            self.here.fail(str(error))
        scope.cancelled = scope.cancelled or outcome == "cancelled"
        conclusion = outcome
        if outcome == "failure":
            try:
                excused = value(step.continue_on_error, self.contexts(scope)) is True
            except ExpressionError as error:
                self.here.fail(str(error))
                excused = False
            if excused:
                conclusion = "success"
            else:
                scope.failed = True
                if scope is self.scope:
                    self.here.failed = True
        self.leave(step, scope, outcome, conclusion, outputs)
        return conclusion

    def due(self, step: Step, scope: Scope) -> bool:
        """The result of the step's `if` now; it sees the step's own `env` too."""
        own = self.own(step, scope) if step.condition else {}
        return condition(step.condition, self.contexts(scope, own), self.functions(scope))

    def own(self, step: Step, scope: Scope) -> dict[str, str]:
        """The step's own `env`, filled in."""
        functions = {"hashFiles": self.functions(scope)["hashFiles"]}
        return self.here.filled(step.env, self.contexts(scope), functions)

    def leave(
        self, step: Step, scope: Scope, outcome: Conclusion, conclusion: Conclusion, outputs: Mapping[str, str]
    ) -> None:
        """The step's state for later steps."""
        if step.id:
            scope.steps[step.id] = {"outputs": dict(outputs), "outcome": outcome, "conclusion": conclusion}

    def contexts(self, scope: Scope, more: Mapping[str, str] | None = None) -> dict[str, Any]:
        """All names in a step's expressions; `more` is the step's own env."""
        here = self.here
        return {
            **here.contexts,
            "github": {**here.contexts["github"], **scope.action},
            "inputs": scope.inputs,
            "steps": scope.steps,
            "job": {"status": here.status, "container": {}, "services": {}},
            "env": CaseSensitive({**here.env, **scope.env, **(more or {})}),
        }

    def functions(self, scope: Scope) -> Mapping[str, Function]:
        """The functions about the results of earlier steps and about the workspace."""
        stop = self.here.stop.asked
        return {
            "success": lambda: not (scope.failed or stop.is_set()),
            "failure": lambda: scope.failed and not stop.is_set(),
            "cancelled": stop.is_set,
            "always": lambda: True,
            "hashFiles": lambda *patterns: hash_files(self.here.machine.workspace, [as_text(one) for one in patterns]),
        }

    async def _work(self, step: Step, scope: Scope, outputs: dict[str, str]) -> None:
        """Do the step's work; ActionFailed when it fails."""
        functions = {"hashFiles": self.functions(scope)["hashFiles"]}
        own = self.own(step, scope)
        if step.uses:
            await use(self, step, scope, own, outputs)
        else:
            await self._script(step, scope, own, outputs, functions)

    async def _script(
        self,
        step: Step,
        scope: Scope,
        own: Mapping[str, str],
        outputs: dict[str, str],
        functions: Mapping[str, Function],
    ) -> None:
        here = self.here
        contexts = self.contexts(scope, own)
        script = render(step.run, contexts, functions)
        shell = render(step.shell or ("" if scope.depth else here.defaults.shell), contexts)
        folder = render(step.working_directory or ("" if scope.depth else here.defaults.working_directory), contexts)
        environment = self.environment(scope, own)
        which = lambda program: here.machine.which(program, environment["PATH"])  # noqa: E731
        argv, shown = shells.command(shell, script, here.machine.temp, which)
        first, *rest = script.rstrip().splitlines() or [""]
        for line in (f"##[group]Run {first}", first, *rest, f"shell: {shown}"):
            here.seam.log(line)
        self._log_env({**here.env, **scope.env, **own})
        here.seam.log("##[endgroup]")
        code = await self.program(argv, here.machine.workspace / folder, environment, outputs)
        if code:
            raise ActionFailed(f"Process completed with exit code {code}.")

    def _log_env(self, env: Mapping[str, str]) -> None:
        if env:
            self.here.seam.log("env:")
            for name, one in env.items():
                self.here.seam.log(f"  {name}: {one}")

    async def program(
        self, argv: Sequence[str], cwd: Path, environment: Mapping[str, str], outputs: dict[str, str]
    ) -> int:
        """Run a program with its own environment files, and read them afterwards; its exit code."""
        here = self.here
        given = here.machine.step_files()
        output = Output(self)
        try:
            code = await here.machine.programs.run(
                argv,
                cwd=cwd,
                env={**environment, **{name: str(path) for name, path in given.items()}},
                line=output.line,
            )
        finally:
            # Files of an interrupted step count for the steps after it.
            outputs.update(output.values["set-output"])
            self._take(given, outputs)
        if output.refused and not code:
            raise ActionFailed(output.refused[0])
        return code

    def _take(self, given: Mapping[str, Path], outputs: dict[str, str]) -> None:
        outputs.update(files.pairs(given["GITHUB_OUTPUT"], "output"))
        for name, one in files.pairs(given["GITHUB_ENV"], "env").items():
            self.export(name, one)
        for folder in files.folders(given["GITHUB_PATH"]):
            self.add_path(folder)
        if markdown := files.summary(given["GITHUB_STEP_SUMMARY"]):
            self.here.seam.summarise(markdown)

    def environment(self, scope: Scope, own: Mapping[str, str]) -> dict[str, str]:
        """The environment for a program of a step; GITHUB_… and RUNNER_… cannot be overridden."""
        here = self.here
        found = {**here.machine.environment(), **here.env, **scope.env, **own}
        found["PATH"] = os.pathsep.join(here.machine.path) if "PATH" not in {**here.env, **own} else found["PATH"]
        if here.run.ca_file is not None:
            found |= dict.fromkeys(
                ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"), str(here.run.ca_file)
            )
        about = {**here.contexts["github"], **scope.action}
        return {**found, **as_environment(about, here.contexts["runner"])}

    async def _at_the_end(self, name: str, post: Callable[[], Awaitable[None]]) -> None:
        """An action's callback after all steps."""
        self.here.begin(f"Post {name}")
        conclusion: Conclusion = "failure"
        try:
            ending = await self.here.stop.guard(_call(post), timeout=None, stays=lambda: True)
            conclusion = "success" if ending == "done" else "cancelled"
        except ActionFailed as error:
            self.here.failed = True
            self.here.fail(str(error))
        finally:
            self.here.end(conclusion)

    # The effects of commands and actions on the job.

    def log(self, line: str) -> None:
        """A line of the log."""
        self.here.seam.log(line)

    def mask(self, value: str) -> None:
        """Hide this text from now on."""
        self.here.mask(value)

    def note(self, level: Level, message: str, properties: Mapping[str, str]) -> None:
        """An annotation, and a line of the log."""
        word = "error" if level == "failure" else level
        self.here.seam.log(f"##[{word}]{message}")
        line = properties.get("line", "")
        self.here.seam.annotate(
            level,
            message,
            path=properties.get("file", ""),
            line=int(line) if line.isdecimal() else 0,
            title=properties.get("title", ""),
        )

    def annotate(self, level: Level, message: str) -> None:
        """An annotation without a place."""
        self.note(level, message, {})

    def export(self, name: str, value: str) -> None:
        """A variable for later steps."""
        if name.upper() == "NODE_OPTIONS":
            raise ActionFailed("Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command.")
        self.here.env[name] = value

    def add_path(self, folder: str) -> None:
        """A folder in front of PATH for later steps."""
        self.here.machine.path.insert(0, folder)

    async def execute(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> int:
        """Run a program for an action."""
        return await self.program(argv, cwd, env, {})

    def which(self, program: str) -> str | None:
        """Where a program is for this job."""
        return self.here.machine.which(program)


async def _call(post: Callable[[], Awaitable[None]]) -> None:
    await post()
