"""What the server itself has to know of a workflow file: its name, its permissions, and texts with expressions."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from seatrial.links.forge.workflows.expressions import ExpressionError, render
from seatrial.links.forge.workflows.reading import read_workflow
from seatrial.links.forge.workflows.workflow import Job, Step, Workflow
from seatrial.links.forge.workflows.yaml_tree import WorkflowError

PERMISSIONS = ("actions", "checks", "contents", "deployments", "secrets", "variables")


@functools.lru_cache(maxsize=256)
def read(text: str, path: str) -> Workflow:
    """A workflow file; WorkflowError with all that is wrong with it."""
    return read_workflow(text, path)


def workflow_name(text: str, path: str) -> str:
    """As lists show it: its `name`, else its path; its path too when it cannot be read."""
    try:
        return read(text, path).name
    except WorkflowError:
        return path


def permissions(workflow: Workflow) -> Mapping[str, str] | None:
    """What a job's token may, as `permissions` says for all jobs; None: nothing is said, and it may all."""
    said = workflow.permissions
    if said in ("read-all", "write-all"):
        return dict.fromkeys(PERMISSIONS, said.partition("-")[0])
    return {str(name): str(level) for name, level in said.items()} if isinstance(said, Mapping) else None


def job_name(job: Job, contexts: Mapping[str, Any]) -> str:
    """As a run shows it, as far as that can be told before it runs."""
    return _shown(job.name or job.id, contexts)


def step_name(step: Step, contexts: Mapping[str, Any]) -> str:
    """The same of a step: without a name, what it does."""
    if step.name:
        return _shown(step.name, contexts)
    return "Run " + _shown(step.uses or step.run.strip().split("\n")[0], contexts)


def _shown(text: str, contexts: Mapping[str, Any]) -> str:
    try:
        return render(text, contexts)
    except ExpressionError:
        return text
