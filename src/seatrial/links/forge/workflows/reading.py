"""From the data of a workflow or action file to its shape, with every problem and its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from seatrial.errors import nearest
from seatrial.links.forge.workflows.expressions import ExpressionError, condition_calls, templates
from seatrial.links.forge.workflows.workflow import (
    Action,
    Call,
    Concurrency,
    Defaults,
    Input,
    Job,
    Step,
    Strategy,
    Workflow,
)
from seatrial.links.forge.workflows.yaml_tree import Place, Tree, read_tree

_TOP = ("name", "run-name", "on", "permissions", "env", "defaults", "concurrency", "jobs")
_JOB = (
    "name", "permissions", "needs", "if", "runs-on", "snapshot", "environment", "concurrency", "outputs", "env",
    "defaults", "steps", "timeout-minutes", "strategy", "continue-on-error", "container", "services", "uses", "with",
    "secrets",
)  # fmt: skip
_CALLING = ("name", "needs", "if", "uses", "with", "secrets", "strategy", "permissions", "concurrency")
_STEP = (
    "id", "if", "name", "uses", "run", "working-directory", "shell", "with", "env", "continue-on-error",
    "timeout-minutes",
)  # fmt: skip
_INPUT = ("description", "required", "default", "type", "options", "deprecationMessage")
_TYPES = ("string", "boolean", "number", "choice", "environment")
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_IDS = "letters, digits, `_` and `-`, beginning with a letter or `_`"


def read_workflow(text: str, path: str = "", *, strict: bool = False) -> Workflow:
    """Read a workflow file; WorkflowError with every problem of its triggers, inputs, names and groups, by file and
    line. `strict`: with every problem of its jobs too, which are `doubts` otherwise."""
    return _Reader(read_tree(text, path), strict=strict).workflow()


def read_action(text: str, path: str = "") -> Action:
    """Read an `action.yml`; WorkflowError with every problem, by file and line."""
    tree = read_tree(text, path)
    reading = _Reader(tree)
    data = tree.data
    tree.keys((), data, ("name", "author", "description", "inputs", "outputs", "runs", "branding"))
    runs = reading.mapping((), data, "runs")
    using = reading.text(("runs",), runs, "using")
    if not using:
        tree.wrong(("runs",), "`runs.using` names the kind of action", "for example `using: composite`")
    steps = reading.steps(("runs", "steps"), runs.get("steps") or []) if using == "composite" else ()
    for number, step in enumerate(steps):
        if step.run and not step.shell:
            tree.wrong(("runs", "steps", number), "a `run` step of a composite action must say its `shell`")
    reading.expressions(data, ())
    tree.done(strict=True)
    outputs = reading.outputs((), data) if using == "composite" else {}
    return Action(inputs=reading.inputs((), data), outputs=outputs, using=using, steps=steps)


class _Reader:
    def __init__(self, tree: Tree, *, strict: bool = True) -> None:
        self.tree = tree
        self.strict = strict

    def workflow(self) -> Workflow:
        data = self.tree.data
        self.tree.keys((), data, _TOP)
        triggers = self.triggers(data.get("on"))
        jobs = self.mapping((), data, "jobs")
        if not jobs:
            self.tree.wrong(("jobs",), "a workflow has at least one job under `jobs`")
        read = {name: self.job(name, one) for name, one in jobs.items()}
        self.needs(read)
        call = triggers.get("workflow_call")
        self.expressions(data, ())
        found = Workflow(
            path=self.tree.path,
            name=self.text((), data, "name") or self.tree.path,
            run_name=self.text((), data, "run-name"),
            triggers=triggers,
            dispatch=self.inputs(("on", "workflow_dispatch"), triggers["workflow_dispatch"])
            if "workflow_dispatch" in triggers
            else None,
            call=self.call(call) if "workflow_call" in triggers else None,
            concurrency=self.concurrency((), data),
            env=self.environment((), data),
            defaults=self.defaults((), data),
            jobs=read,
            permissions=data.get("permissions"),
            doubts=tuple(self.tree.doubts),
        )
        self.tree.done(strict=self.strict)
        return found

    def triggers(self, found: Any) -> Mapping[str, Any]:
        """The value of `on`: a word, a list or a mapping."""
        if isinstance(found, str):
            return {found: None}
        if isinstance(found, list):
            return {str(one): None for one in found}
        if isinstance(found, dict) and found:
            return found
        self.tree.wrong(("on",), "`on` must name at least one event", "for example `on: workflow_dispatch`")
        return {}

    def inputs(self, place: Place, found: Any) -> dict[str, Input]:
        inputs: dict[str, Input] = {}
        for name, about in self.mapping(place, found or {}, "inputs").items():
            at = (*place, "inputs", name)
            about = about if about is not None else {}
            if not isinstance(about, dict):
                self.tree.wrong(at, f"the input {name!r} must be a mapping", f"its keys: {', '.join(_INPUT)}")
                continue
            self.tree.keys(at, about, _INPUT)
            kind = str(about.get("type") or "string")
            if kind not in _TYPES:
                self.tree.wrong((*at, "type"), f"unknown input type {kind!r}", nearest(kind, _TYPES))
            options = about.get("options")
            if kind == "choice" and not (isinstance(options, list) and options):
                self.tree.wrong(at, f"the input {name!r} of type choice has no `options`", "list the choices")
            inputs[name] = Input(
                name=name,
                type=kind,
                required=about.get("required") is True,
                default=about.get("default"),
                options=tuple(map(_word, options)) if isinstance(options, list) else (),
                line=self.tree.line(at),
            )
        return inputs

    def call(self, found: Any) -> Call:
        place = ("on", "workflow_call")
        found = found if isinstance(found, dict) else {}
        secrets = self.mapping(place, found, "secrets")
        return Call(
            inputs=self.inputs(place, found),
            secrets={name: isinstance(one, dict) and one.get("required") is True for name, one in secrets.items()},
            outputs=self.outputs(place, found),
        )

    def outputs(self, place: Place, found: Any) -> dict[str, str]:
        """Values of the outputs of a reusable workflow or an action."""
        outputs = {}
        for name, about in self.mapping(place, found, "outputs").items():
            if isinstance(about, dict) and about.get("value") is not None:
                outputs[name] = _word(about["value"])
            else:
                self.tree.wrong((*place, "outputs", name), f"the output {name!r} has no `value`")
        return outputs

    def job(self, name: str, found: Any) -> Job:
        place: Place = ("jobs", name)
        if not _ID.fullmatch(name):
            self.tree.wrong(place, f"{name!r} is not a valid job id", f"allowed: {_IDS}")
        if not isinstance(found, dict):
            self.tree.wrong(place, f"the job {name!r} must be a mapping")
            return Job(id=name)
        calling = "uses" in found
        self.tree.keys(place, found, _CALLING if calling else _JOB)
        if not calling and found.get("runs-on") is None:
            self.tree.wrong(place, f"the job {name!r} has no `runs-on`")
        if not calling and not found.get("steps"):
            self.tree.wrong(place, f"the job {name!r} has no `steps`")
        steps = found.get("steps") or []
        needs = found.get("needs") or []
        about = found.get("environment")
        environment: Mapping[str, Any] = about if isinstance(about, dict) else {"name": about}
        return Job(
            id=name,
            needs=tuple(map(_word, needs if isinstance(needs, list) else [needs])),
            runs_on=found.get("runs-on"),
            steps=self.steps((*place, "steps"), steps),
            outputs={key: _word(one) for key, one in self.mapping(place, found, "outputs").items()},
            defaults=self.defaults(place, found),
            concurrency=self.concurrency(place, found),
            environment=_word(environment.get("name")),
            environment_url=_word(environment.get("url")),
            strategy=self.strategy(place, found),
            secrets="inherit" if found.get("secrets") == "inherit" else self.mapping(place, found, "secrets"),
            container=found.get("container"),
            services=self.mapping(place, found, "services"),
            **self.part(place, found),
        )

    def part(self, place: Place, found: Mapping[str, Any]) -> dict[str, Any]:
        """The keys of a job that a step has too."""
        return {
            "name": self.text(place, found, "name"),
            "condition": self.condition(place, found),
            "uses": self.text(place, found, "uses"),
            "with_": self.mapping(place, found, "with"),
            "env": self.environment(place, found),
            "continue_on_error": self.flag(place, found, "continue-on-error", False),
            "timeout_minutes": self.minutes(place, found),
            "line": self.tree.line(place),
        }

    def steps(self, place: Place, found: Any) -> tuple[Step, ...]:
        if not isinstance(found, list):
            self.tree.wrong(place, "`steps` must be a list")
            return ()
        steps = tuple(self.step((*place, number), one) for number, one in enumerate(found))
        seen: set[str] = set()
        for number, step in enumerate(steps):
            if step.id and step.id.lower() in seen:
                self.tree.wrong((*place, number, "id"), f"duplicate step id {step.id!r}", "ids are unique in a job")
            seen.add(step.id.lower())
        return steps

    def step(self, place: Place, found: Any) -> Step:
        if not isinstance(found, dict):
            self.tree.wrong(place, "a step must be a mapping with `run` or `uses`")
            return Step()
        self.tree.keys(place, found, _STEP)
        if ("run" in found) == ("uses" in found):
            which = "both `run` and `uses`" if "run" in found else "neither `run` nor `uses`"
            self.tree.wrong(place, f"a step has {which}", "it has one of them")
        name = self.text(place, found, "id")
        if name and not _ID.fullmatch(name):
            self.tree.wrong((*place, "id"), f"{name!r} is not a valid step id", f"allowed: {_IDS}")
        return Step(
            id=name,
            run=self.text(place, found, "run"),
            shell=self.text(place, found, "shell"),
            working_directory=self.text(place, found, "working-directory"),
            **self.part(place, found),
        )

    def strategy(self, place: Place, found: Mapping[str, Any]) -> Strategy:
        at = (*place, "strategy")
        if _template(found.get("strategy")) and not self.strict:
            return Strategy(matrix=found["strategy"])  # its combinations are unknown
        about = self.mapping(place, found, "strategy")
        self.tree.keys(at, about, ("matrix", "fail-fast", "max-parallel"))
        matrix = about.get("matrix")
        if matrix is not None and not isinstance(matrix, dict) and not _template(matrix):
            self.tree.wrong(
                (*at, "matrix"), "a matrix must be a mapping, or an expression with a mapping as its result"
            )
        return Strategy(
            matrix=matrix, fail_fast=self.flag(at, about, "fail-fast", True), max_parallel=about.get("max-parallel")
        )

    def concurrency(self, place: Place, found: Mapping[str, Any]) -> Concurrency | None:
        """`concurrency: GROUP`, or with `group` and `cancel-in-progress`."""
        about = found.get("concurrency")
        if about is None:
            return None
        at = (*place, "concurrency")
        if not isinstance(about, dict):
            return Concurrency(group=self.text(place, found, "concurrency"), line=self.tree.line(at))
        self.tree.keys(at, about, ("group", "cancel-in-progress", "queue"))
        if about.get("group") is None:
            self.tree.wrong(at, "`concurrency` has no `group`")
        return Concurrency(
            group=self.text(at, about, "group"),
            cancel_in_progress=self.flag(at, about, "cancel-in-progress", False),
            line=self.tree.line((*at, "group")),
        )

    def defaults(self, place: Place, found: Mapping[str, Any]) -> Defaults:
        about = self.mapping((*place, "defaults"), self.mapping(place, found, "defaults"), "run")
        return Defaults(shell=_word(about.get("shell")), working_directory=_word(about.get("working-directory")))

    def environment(self, place: Place, found: Mapping[str, Any]) -> dict[str, Any]:
        """`env`: names to values, each a scalar."""
        env = self.mapping(place, found, "env")
        for name, one in env.items():
            if isinstance(one, dict | list):
                self.tree.wrong((*place, "env", name), f"the variable {name!r} must be a scalar")
        return env

    def condition(self, place: Place, found: Mapping[str, Any]) -> str:
        """`if`: an expression, with or without `${{ }}`."""
        about = found.get("if")
        text = _word(about)
        if text:
            try:
                condition_calls(text)
            except ExpressionError as error:
                self.tree.wrong((*place, "if"), str(error))
        return text

    def minutes(self, place: Place, found: Mapping[str, Any]) -> float | str | None:
        about = found.get("timeout-minutes")
        if about is None or _template(about):
            return about
        if isinstance(about, bool) or not isinstance(about, int | float):
            self.tree.wrong((*place, "timeout-minutes"), "`timeout-minutes` must be a number")
            return None
        return float(about)

    def flag(self, place: Place, found: Mapping[str, Any], key: str, default: bool) -> bool | str:
        """A boolean, or an expression with a boolean as its result."""
        about: bool | str = found.get(key, default)
        if isinstance(about, bool) or _template(about):
            return about
        self.tree.wrong((*place, key), f"`{key}` must be true, false or an expression")
        return default

    def text(self, place: Place, found: Mapping[str, Any], key: str) -> str:
        about = found.get(key)
        if isinstance(about, dict | list):
            self.tree.wrong((*place, key), f"`{key}` must be a text")
            return ""
        return _word(about)

    def mapping(self, place: Place, found: Any, key: str) -> dict[str, Any]:
        """A mapping under a key; empty when it is missing."""
        about = found.get(key) if isinstance(found, Mapping) else None
        if about is None:
            return {}
        if isinstance(about, dict):
            return about
        if self.strict or key not in ("env", "with", "services") or not _template(about) or place[2:3] == ("with",):
            self.tree.wrong((*place, key), f"`{key}` must be a mapping")
        return {}

    def needs(self, jobs: Mapping[str, Job]) -> None:
        for job in jobs.values():
            for name in job.needs:
                if name not in jobs:
                    self.tree.wrong(("jobs", job.id, "needs"), f"unknown job {name!r}", nearest(name, jobs))
        done: set[str] = set()
        while ready := [job.id for job in jobs.values() if job.id not in done and done >= set(job.needs)]:
            done.update(ready)
        for job in jobs.values():
            if job.id not in done and all(name in jobs for name in job.needs):
                self.tree.wrong(("jobs", job.id, "needs"), f"the job {job.id!r} would wait for itself")

    def expressions(self, found: Any, place: Place) -> None:
        if isinstance(found, dict):
            for key, one in found.items():
                if key != "if":  # has been looked at
                    self.expressions(one, (*place, key))
        elif isinstance(found, list):
            for number, one in enumerate(found):
                self.expressions(one, (*place, number))
        elif isinstance(found, str) and "${{" in found:
            try:
                templates(found)
            except ExpressionError as error:
                self.tree.wrong(place, str(error))


def _word(found: Any) -> str:
    if found is None:
        return ""
    return ("true" if found else "false") if isinstance(found, bool) else str(found)


def _template(found: Any) -> bool:
    return isinstance(found, str) and found.strip().startswith("${{")
