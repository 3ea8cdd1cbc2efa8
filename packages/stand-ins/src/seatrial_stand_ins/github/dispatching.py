"""From a dispatch to a run: the ref, the inputs and their types, the run's name, and who else dispatches meanwhile."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seatrial.links.forge.workflows.expressions import ExpressionError, render
from seatrial.links.forge.workflows.values import as_number, as_text
from seatrial.links.forge.workflows.workflow import Input, typed_inputs
from seatrial.links.forge.workflows.yaml_tree import WorkflowError
from seatrial_stand_ins.github.plants import ForeignRuns, LateRuns
from seatrial_stand_ins.github.reading import read
from seatrial_stand_ins.github.records import RunRecord, WorkflowRecord
from seatrial_stand_ins.github.repository import Repository
from seatrial_stand_ins.github.shapes import run_commit

if TYPE_CHECKING:
    from seatrial_stand_ins.github.forge import Forge

DOCUMENTED = "/actions/workflows#create-a-workflow-dispatch-event"
MOST_INPUTS = 25


class NotDispatched(ValueError):
    """It is refused, in GitHub's words."""


async def dispatch(
    forge: Forge,
    repository: Repository,
    workflow: WorkflowRecord,
    ref: str,
    inputs: Mapping[str, object],
    *,
    actor: str,
) -> RunRecord:
    """Make a run, unless the ref, the workflow there or the inputs are wrong; foreign runs come before and after."""
    refs = await repository.refs()
    full = next((name for name in (ref, f"refs/heads/{ref}", f"refs/tags/{ref}") if name in refs), None)
    if full is None:
        raise NotDispatched(f"No ref found for: {ref}")
    sha = refs[full]
    if workflow.state.startswith("disabled"):
        raise NotDispatched("Cannot trigger a 'workflow_dispatch' on a disabled workflow")
    text = (await repository.read(sha, workflow.path) or b"").decode(errors="replace")
    typed = _typed(text, workflow.path, inputs, sorted(repository.environments))
    foreign = [
        one.plant
        for one in list(forge.bed)
        if isinstance(one.plant, ForeignRuns) and one.plant.workflow in ("", _file(workflow)) and one.happens()
    ]
    commit = run_commit(await repository.about(sha))
    title = str(commit["message"]).split("\n")[0]

    def make(who: str, given: Mapping[str, object]) -> RunRecord:
        workflow.runs += 1
        run = RunRecord(
            repository=repository.name, workflow=workflow, text=text, number=workflow.runs,
            event="workflow_dispatch", ref=full, sha=sha, actor=who, title=title, inputs=given, commit=commit,
        )  # fmt: skip
        run.title = _title(run, repository) or workflow.name
        _late(forge, run)
        repository.runs.append(run)
        forge.scheduler.queue(repository, run, actor=who, kept={})
        return run

    # Nothing is awaited from here on: all of these are there at once.
    others = [(plant, actor if plant.actor == "same" else plant.actor) for plant in foreign]
    for plant, who in others:
        for _ in range(plant.before):
            make(who, _typed(text, workflow.path, plant.inputs or inputs, sorted(repository.environments)))
    own = make(actor, typed)
    for plant, who in others:
        for _ in range(plant.after):
            make(who, _typed(text, workflow.path, plant.inputs or inputs, sorted(repository.environments)))
    return own


def _file(workflow: WorkflowRecord) -> str:
    return workflow.path.rpartition("/")[2]


def _late(forge: Forge, run: RunRecord) -> None:
    for one in list(forge.bed):
        if isinstance(one.plant, LateRuns) and one.happens():
            run.unseen = max(run.unseen, one.plant.looks)
            run.unseen_until = max(run.unseen_until, time.monotonic() + one.plant.seconds)
            run.unseen_by_id = run.unseen_by_id or one.plant.by_id


def _title(run: RunRecord, repository: Repository) -> str:
    template = read(run.text, run.workflow.path).run_name
    names = {
        "repository": run.repository, "ref": run.ref, "ref_name": run.branch, "sha": run.sha, "actor": run.actor,
        "event_name": run.event, "workflow": run.workflow.name, "run_id": str(run.run_id),
        "run_number": str(run.number), "event": {"inputs": run.inputs},
    }  # fmt: skip
    try:
        return render(template, {"inputs": run.inputs, "github": names, "vars": repository.variables}).strip()
    except ExpressionError:
        return ""  # GitHub then shows the workflow's own name


def _typed(text: str, path: str, given: Mapping[str, object], environments: Sequence[str]) -> Mapping[str, object]:
    """The inputs as expressions have them; NotDispatched when they are not as the workflow wants them."""
    try:
        declared = read(text, path).dispatch if text else None
    except WorkflowError as error:
        raise NotDispatched(f"failed to parse workflow: {error}") from error
    if declared is None:
        raise NotDispatched("Workflow does not have 'workflow_dispatch' trigger")
    if len(given) > MOST_INPUTS:
        raise NotDispatched(
            f"Invalid request.\n\nNo more than {MOST_INPUTS} properties are allowed; {len(given)} were supplied."
        )
    if unexpected := [name for name in given if name not in declared]:
        raise NotDispatched(f"Unexpected inputs provided: {json.dumps(unexpected)}")
    for name, about in declared.items():
        _check(name, about, given.get(name, about.default), name in given, environments)
    return typed_inputs(declared, given)


def _check(name: str, about: Input, value: object, given: bool, environments: Sequence[str]) -> None:
    text = as_text(value)
    if about.required and not text:
        raise NotDispatched(f"Required input '{name}' not provided")
    if not given:
        return
    allowed = {"boolean": ("true", "false"), "choice": about.options, "environment": environments}.get(about.type)
    if allowed is not None and text not in allowed and (text or about.type == "boolean"):
        raise NotDispatched(f"Provided value '{text}' for input '{name}' not in the list of allowed values")
    if about.type == "number" and math.isnan(as_number(value)):
        raise NotDispatched(f"Provided value '{text}' for input '{name}' is not a number")
