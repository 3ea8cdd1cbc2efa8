"""The jobs of a workflow: dependencies, skipped jobs, matrices, and called workflows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seatrial.links.forge.workflows.expressions import ExpressionError, condition, render, templated, value
from seatrial.links.forge.workflows.reading import read_workflow
from seatrial.links.forge.workflows.values import as_number, as_text
from seatrial.links.forge.workflows.workflow import Job, Workflow, expand, title, typed_inputs, wrong_inputs
from seatrial.links.forge.workflows.yaml_tree import WorkflowError
from seatrial_stand_ins.github.runner import jobs
from seatrial_stand_ins.github.runner.jobs import Result
from seatrial_stand_ins.github.runner.settings import Settings
from seatrial_stand_ins.github.seam import Conclusion, Run
from seatrial_stand_ins.github.seam import Job as SeamJob

DEEPEST = 10
"""The depth of workflows calling workflows; GitHub's limit."""


@dataclass(kw_only=True)
class Graph:
    """One workflow of a run: its own, or one called by a job."""

    settings: Settings
    run: Run
    workflow: Workflow
    github: Mapping[str, Any]
    inputs: Mapping[str, Any]
    secrets: Callable[[str], Mapping[str, str]]
    """By the environment of a job."""
    remembered: dict[tuple[int, str], Mapping[str, str]]
    """Outputs of jobs of earlier attempts, by run and key."""
    prefix: str = ""
    """The keys and names of the calling jobs."""
    depth: int = 0
    stopped: tuple[asyncio.Event, ...] = ()
    """Each is set to end a calling job: another of its matrix failed."""
    results: dict[str, Result] = field(default_factory=dict)
    _done: dict[str, asyncio.Event] = field(default_factory=dict)

    async def execute(self) -> Conclusion:
        """Run all jobs; the conclusion of the whole."""
        self._done = {name: asyncio.Event() for name in self.workflow.jobs}
        async with asyncio.TaskGroup() as group:
            for job in self.workflow.jobs.values():
                group.create_task(self._turn(job))
        return overall(list(self.results.values()), self.run.cancelled.is_set())

    def outputs(self) -> dict[str, str]:
        """The outputs of a called workflow for its caller."""
        if self.workflow.call is None:
            return {}
        contexts = {
            "jobs": {name: {"outputs": one.outputs, "result": one.counts} for name, one in self.results.items()},
            "github": self.github,
            "inputs": self.inputs,
            "vars": self.run.variables,
        }
        return {name: render(text, contexts) for name, text in self.workflow.call.outputs.items()}

    async def _turn(self, job: Job) -> None:
        """Wait for the job's needs, and run it."""
        for name in job.needs:
            await self._done[name].wait()
        self.results[job.id] = await self._one(job)
        self._done[job.id].set()

    def _before(self, job: Job) -> set[str]:
        """All jobs needed by the job, directly or through others."""
        found: set[str] = set()
        queue = list(job.needs)
        while queue:
            name = queue.pop()
            if name not in found:
                found.add(name)
                queue += self.workflow.jobs[name].needs
        return found

    def _contexts(self, job: Job) -> dict[str, Any]:
        return {
            "github": self.github,
            "inputs": self.inputs,
            "vars": self.run.variables,
            "needs": {
                name: {"result": self.results[name].counts, "outputs": self.results[name].outputs} for name in job.needs
            },
        }

    def _due(self, job: Job, *, cancelled: bool) -> bool:
        """The result of the job's `if`; by default: all jobs before it succeeded."""
        ended = [self.results[name].counts for name in self._before(job)]
        functions = {
            "success": lambda: not cancelled and all(one == "success" for one in ended),
            "failure": lambda: not cancelled and "failure" in ended,
            "cancelled": lambda: cancelled,
            "always": lambda: True,
        }
        return condition(job.condition, self._contexts(job), functions)

    async def _one(self, job: Job) -> Result:
        key, contexts = self.prefix + job.id, self._contexts(job)
        try:
            if not self._due(job, cancelled=self._cancelled()):
                self.run.skip_job(key, self.prefix + _name(job, {}, contexts))
                return Result(result="skipped")
            combinations = expand(value(job.strategy.matrix, contexts))
            fail_fast = value(job.strategy.fail_fast, contexts) is not False
            most = value(job.strategy.max_parallel, contexts)
        except ExpressionError as error:
            return _broken(self.run.begin_job(key, self.prefix + job.id), str(error))
        slots = asyncio.Semaphore(len(combinations) if most is None else max(1, int(as_number(most))))
        failed = asyncio.Event()
        results: list[Result] = []

        async def run(number: int, combination: Mapping[str, Any]) -> None:
            async with slots:
                strategy = {
                    "fail-fast": fail_fast,
                    "job-index": number,
                    "job-total": len(combinations),
                    "max-parallel": len(combinations) if most is None else most,
                }
                inside = {**contexts, "matrix": combination, "strategy": strategy}
                result = await self._instance(job, inside, combination, failed)
                results.append(result)
                if result.counts == "failure" and fail_fast and len(combinations) > 1:
                    failed.set()

        async with asyncio.TaskGroup() as group:
            for number, combination in enumerate(combinations):
                group.create_task(run(number, combination))
        outputs: dict[str, str] = {}
        for one in results:
            outputs |= {name: text for name, text in one.outputs.items() if text or name not in outputs}
        return Result(
            result=overall(results, False),
            outputs=outputs,
            excused=any(one.excused for one in results) and all(one.counts == "success" for one in results),
        )

    def _cancelled(self) -> bool:
        return self.run.cancelled.is_set() or any(one.is_set() for one in self.stopped)

    async def _instance(
        self, job: Job, contexts: Mapping[str, Any], combination: Mapping[str, Any], failed: asyncio.Event
    ) -> Result:
        """One job of a matrix, or the job."""
        key = self.prefix + job.id + (f" {title(combination)}" if combination else "")
        name = self.prefix + _name(job, combination, contexts)
        if (kept := self.run.kept.get(key)) is not None:
            return Result(result=kept, outputs=self.remembered.get((self.run.run_id, key), {}))
        if failed.is_set() or (self._cancelled() and not self._due(job, cancelled=True)):
            self.run.begin_job(key, name, waiting=True).end("cancelled")
            return Result(result="cancelled")
        if job.uses:
            return await self._called(job, contexts, key, name, failed)
        result = await self._steps(job, contexts, key, name, failed)
        self.remembered[self.run.run_id, key] = result.outputs
        return result

    async def _steps(self, job: Job, contexts: Mapping[str, Any], key: str, name: str, failed: asyncio.Event) -> Result:
        labels = _labels(job, contexts)
        seam = self.run.begin_job(key, name, labels=labels, waiting=job.concurrency is not None)
        result: Result | None = None
        try:
            environment = render(job.environment, contexts)
            if job.concurrency is not None:
                group = render(job.concurrency.group, contexts)
                cancels = value(job.concurrency.cancel_in_progress, contexts) is True
                if not await seam.hold(group, cancel_in_progress=cancels):
                    result = Result(result="cancelled")
                    return result
                seam.begin()
            if environment:
                seam.deploy_to(environment, _address(job, contexts))
            result = await jobs.execute(
                settings=self.settings,
                run=self.run,
                job=job,
                seam=seam,
                contexts={
                    **contexts,
                    "secrets": self.secrets(environment),
                    "vars": self.run.environment_variables(environment) if environment else self.run.variables,
                },
                workflow_env=self.workflow.env,
                defaults=self.workflow.defaults,
                stopped=(failed, *self.stopped),
                stays=lambda: self._stays(job),
            )
        except ExpressionError as error:
            seam.annotate("failure", str(error), path=self.workflow.path, line=job.line)
            result = Result(result="failure")
        finally:
            seam.end(result.result if result is not None else "cancelled")
        return result

    def _stays(self, job: Job) -> bool:
        """Whether a job continues although the run was cancelled."""
        try:
            return bool(job.condition) and self._due(job, cancelled=True)
        except ExpressionError:
            return False

    async def _called(
        self, job: Job, contexts: Mapping[str, Any], key: str, name: str, failed: asyncio.Event
    ) -> Result:
        """A job calling a workflow of this repository."""
        try:
            graph = await self._inner(job, contexts, key, name, failed)
        except (ExpressionError, WorkflowError) as error:
            return _broken(self.run.begin_job(key, name), str(error))
        result = await graph.execute()
        return Result(result=result, outputs=graph.outputs())

    async def _inner(self, job: Job, contexts: Mapping[str, Any], key: str, name: str, failed: asyncio.Event) -> Graph:
        if job.concurrency is not None:
            raise ExpressionError(f"this runner does not know `concurrency` of a job that calls a workflow ({job.id})")
        if not job.uses.startswith("./"):
            raise ExpressionError(f"this runner calls workflows of its own repository only (`./…`), not {job.uses}")
        path = job.uses.removeprefix("./")
        content = await self.run.read(path)
        if content is None:
            raise ExpressionError(f"the workflow {path} called by the job {job.id} does not exist")
        if self.depth >= DEEPEST:
            raise ExpressionError(f"workflows call each other more than {DEEPEST} levels deep")
        workflow = read_workflow(content.decode("utf-8", "replace"), path, strict=True)
        if workflow.call is None:
            raise ExpressionError(f"{path} cannot be called: it has no `on: workflow_call`")
        if workflow.concurrency is not None:
            raise ExpressionError(f"{path}: this runner does not know `concurrency` of a workflow that is called")
        given = {one: value(text, contexts) if templated(text) else text for one, text in job.with_.items()}
        if wrong := wrong_inputs(workflow.call.inputs, given):
            raise ExpressionError(f"{path}: {'; '.join(wrong)}")
        return Graph(
            settings=self.settings,
            run=self.run,
            workflow=workflow,
            github=self.github,
            inputs=typed_inputs(workflow.call.inputs, given),
            secrets=self._secrets_for(job, contexts, workflow),
            remembered=self.remembered,
            prefix=f"{name} / ",
            depth=self.depth + 1,
            stopped=(failed, *self.stopped),
        )

    def _secrets_for(
        self, job: Job, contexts: Mapping[str, Any], workflow: Workflow
    ) -> Callable[[str], Mapping[str, str]]:
        if job.secrets == "inherit" or isinstance(job.secrets, str):
            return self.secrets
        ours = self.secrets("")
        given = {name: render(as_text(one), {**contexts, "secrets": ours}) for name, one in job.secrets.items()}
        must = workflow.call.secrets if workflow.call else {}
        if missing := [name for name, needed in must.items() if needed and not given.get(name)]:
            raise ExpressionError(f"{workflow.path}: the secret {missing[0]} is required and is not given")
        token = {name: one for name, one in ours.items() if name == "GITHUB_TOKEN"}
        return lambda environment: {**given, **token}


def overall(results: list[Result], cancelled: bool) -> Conclusion:
    """The common conclusion of several jobs."""
    ended = [one.counts for one in results]
    if cancelled and any(one != "success" for one in ended):
        return "cancelled"
    for word in ("failure", "cancelled"):
        if word in ended:
            return "failure" if word == "failure" else "cancelled"
    return "skipped" if ended and all(one == "skipped" for one in ended) else "success"


def _address(job: Job, contexts: Mapping[str, Any]) -> str:
    """The address of an environment, unless it depends on a step."""
    try:
        return render(job.environment_url, contexts)
    except ExpressionError:
        return ""


def _name(job: Job, combination: Mapping[str, Any], contexts: Mapping[str, Any]) -> str:
    if job.name:
        try:
            return render(job.name, {"matrix": combination, "strategy": {}, **contexts})
        except ExpressionError:
            return job.name
    return job.id + (f" {title(combination)}" if combination else "")


def _labels(job: Job, contexts: Mapping[str, Any]) -> tuple[str, ...]:
    found = value(job.runs_on, contexts)
    if isinstance(found, Mapping):
        found = found.get("labels") or [found.get("group")]
    return tuple(map(as_text, found)) if isinstance(found, list) else (as_text(found),)


def _broken(seam: SeamJob, message: str) -> Result:
    """A job with an error before its start."""
    seam.annotate("failure", message, path=".github", line=1)
    seam.end("failure")
    return Result(result="failure")
