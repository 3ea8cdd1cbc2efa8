"""Concurrency groups held and requested by a run, from its workflow files and the workflows they call."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from seatrial.errors import DocumentError, Problem
from seatrial.links.forge.workflows.expressions import (
    ExpressionError,
    Unknown,
    condition,
    condition_calls,
    pieces,
    templated,
    value,
)
from seatrial.links.forge.workflows.reading import read_workflow
from seatrial.links.forge.workflows.workflow import Concurrency, Job, Workflow, expand, title, typed_inputs

DEEPEST = 10
"""Levels of workflows calling workflows; GitHub follows no further."""

Read = Callable[[str], str | None]
"""The text of a workflow by its path from the repository's root; None when it does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A concurrency group, held or requested by a run."""

    group: tuple[str | Unknown, ...]
    """The name in pieces: known text, and gaps for unknown parts."""
    template: str
    """Its text in the file."""
    whose: str
    """`the workflow`, `the job deploy`, …"""
    file: str
    line: int
    cancels: bool = False
    """It cancels the holder of the group, instead of waiting."""
    maybe: str = ""
    """Why the run may not claim it at all."""

    @property
    def name(self) -> str:
        """The group for people: unknown parts are in braces."""
        return "".join(one if isinstance(one, str) else f"{{{one.name}}}" for one in self.group)

    @property
    def unknown(self) -> str:
        """The unknown parts of the group's name, and why; empty: none."""
        found = [one for one in self.group if isinstance(one, Unknown)]
        return ", ".join(f"{one.name} ({one.why})" if one.why else one.name for one in found)

    def may_be(self, other: Claim) -> bool:
        """Whether both could be one group, as far as their names are known. Groups have no case."""
        mine, theirs = ([one.lower() if isinstance(one, str) else None for one in side.group] for side in (self, other))
        if None not in mine and None not in theirs:
            return "".join(map(str, mine)) == "".join(map(str, theirs))
        return _agree(mine, theirs, str.startswith) and _agree(mine, theirs, str.endswith)

    def __str__(self) -> str:
        return f"{self.name!r} of {self.whose} ({self.file}:{self.line})"


class Claims:
    """The claims of one run, from its files."""

    def __init__(self, read: Read, repository: str, doubts: list[str]) -> None:
        self.read = read
        self.repository = repository
        self.doubts = doubts

    def all(
        self, workflow: Workflow, names: Mapping[str, Any], whose: str = "the workflow", depth: int = 0
    ) -> Iterator[Claim]:
        """All groups requested by a run, sooner or later."""
        if workflow.concurrency is not None:
            yield self.claim(workflow.concurrency, names, whose, workflow.path)
        for job in workflow.jobs.values():
            yield from self.job(workflow, job, names, depth)

    def around(self, workflow: Workflow, names: Mapping[str, Any], current: str) -> Iterator[Claim]:
        """The groups held while the job `current` runs: other jobs end without waiting for it."""
        if workflow.concurrency is not None:
            yield self.claim(workflow.concurrency, names, "the workflow", workflow.path)
        if current in workflow.jobs and not workflow.jobs[current].uses:
            yield from self.job(workflow, workflow.jobs[current], names, 0, ours=True)
            return
        # The job belongs to a workflow called by this one; GitHub does not name the call.
        calling = [job for job in workflow.jobs.values() if job.uses]
        for job in calling:
            yield from self.job(workflow, job, names, 0, ours=len(calling) == 1, current=current)

    def job(
        self,
        workflow: Workflow,
        job: Job,
        names: Mapping[str, Any],
        depth: int,
        *,
        ours: bool = False,
        current: str | None = None,
    ) -> Iterator[Claim]:
        whose = f"the job {job.id}"
        maybe = "" if ours else self.may_run(job, names)
        if maybe is None:
            return
        if current is not None and not ours:
            maybe = "it is not known which of the called workflows is running"
        combinations = self.combinations(job, names)
        if ours and len(combinations) > 1:
            maybe = "it is not known which job of its matrix is running"
        for combination in combinations:
            inside = {**names, "matrix": combination, "strategy": Unknown("strategy"), "needs": Unknown("needs")}
            label = f"{whose} {title(combination)}".strip() if isinstance(combination, dict) else whose
            if job.concurrency is not None:
                yield self.claim(job.concurrency, inside, label, workflow.path, maybe)
            if job.uses:
                yield from self.called(job, inside, label, depth + 1, maybe, current)

    def called(
        self, job: Job, names: Mapping[str, Any], label: str, depth: int, maybe: str, current: str | None
    ) -> Iterator[Claim]:
        path = self.local(job.uses)
        text = self.read(path) if path and depth <= DEEPEST else None
        if text is None:
            self.doubts.append(f"{label} calls {job.uses}, which cannot be read here, so its groups are unknown")
            return
        workflow = read_workflow(text, path)
        given = {key: _known_or_not(one, names, f"inputs.{key}") for key, one in job.with_.items()}
        declared = workflow.call.inputs if workflow.call else {}
        inside = {"github": names["github"], "vars": names["vars"], "inputs": typed_inputs(declared, given)}
        whose = f"the workflow called by {label}"
        claims = self.all(workflow, inside, whose, depth)
        if current is not None:
            alone = {key: one for key, one in workflow.jobs.items() if key == current}
            claims = self.all(replace(workflow, jobs=alone), inside, whose, depth)
        for claim in claims:
            yield replace(claim, maybe=claim.maybe or maybe)

    def local(self, uses: str) -> str:
        """The path of a reusable workflow of this repository."""
        if uses.startswith("./"):
            return uses.removeprefix("./")
        prefix = f"{self.repository}/".lower()
        return uses.partition("@")[0][len(prefix) :] if uses.lower().startswith(prefix) else ""

    def claim(self, about: Concurrency, names: Mapping[str, Any], whose: str, path: str, maybe: str = "") -> Claim:
        try:
            group = tuple(pieces(about.group, names))
        except ExpressionError as error:
            raise DocumentError([Problem(path, about.line, 1, f"the concurrency group of {whose}: {error}")]) from None
        cancels = _known_or_not(about.cancel_in_progress, names, "cancel-in-progress") is True
        template, line = about.group, about.line
        return Claim(group=group, template=template, whose=whose, file=path, line=line, cancels=cancels, maybe=maybe)

    def combinations(self, job: Job, names: Mapping[str, Any]) -> list[Any]:
        try:
            return list(expand(value(job.strategy.matrix, {**names, "needs": Unknown("needs")})))
        except ExpressionError:
            return [Unknown("matrix", "it is made by an expression")]

    def may_run(self, job: Job, names: Mapping[str, Any]) -> str | None:
        """Empty: it runs if all goes well; None: it does not; else the reason it is unknown."""
        if not job.condition:
            return ""
        try:
            if condition_calls(job.condition) & {"failure", "cancelled"}:
                return "it depends on how others end"
            inside = {**names, "needs": Unknown("needs")}
            ask = {"success": lambda *_: True, "always": lambda: True}
            return "" if condition(job.condition, inside, ask) else None
        except ExpressionError as error:
            return f"its `if` cannot be evaluated: {error}"


def _known_or_not(template: Any, names: Mapping[str, Any], name: str) -> Any:
    """The value, or an Unknown of this name with the reason."""
    try:
        return value(template, names) if templated(template) else template
    except ExpressionError as error:
        return Unknown(name, str(error))


def _agree(mine: list[str | None], theirs: list[str | None], ask: Callable[[str, str], bool]) -> bool:
    """Whether the known text at one end of both names is compatible."""
    left, right = (_known_end(side, backwards=ask is str.endswith) for side in (mine, theirs))
    return ask(left, right) or ask(right, left)


def _known_end(parts: list[str | None], *, backwards: bool) -> str:
    found = list(itertools.takewhile(lambda one: one is not None, parts[::-1] if backwards else parts))
    return "".join(map(str, found[::-1] if backwards else found))
