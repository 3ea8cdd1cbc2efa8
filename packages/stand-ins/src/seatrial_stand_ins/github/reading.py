"""Parts of a workflow file needed by the server itself: its name, its permissions, and texts with expressions."""

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
    """A workflow file; WorkflowError with all its faults."""
    return read_workflow(text, path, strict=True)


def workflow_name(text: str, path: str) -> str:
    """Its `name` in lists; its path if it has no name or cannot be read."""
    try:
        return read(text, path).name
    except WorkflowError:
        return path


def permissions(workflow: Workflow) -> Mapping[str, str] | None:
    """The rights of a job's token, from `permissions`; None: not given, so it has all."""
    said = workflow.permissions
    if said in ("read-all", "write-all"):
        return dict.fromkeys(PERMISSIONS, said.partition("-")[0])
    return {str(name): str(level) for name, level in said.items()} if isinstance(said, Mapping) else None


def job_name(job: Job, contexts: Mapping[str, Any]) -> str:
    """The name shown for the job, as far as it is known before the job runs."""
    return _shown(job.name or job.id, contexts)


def step_name(step: Step, contexts: Mapping[str, Any]) -> str:
    """The name shown for a step; without a name, its action or command."""
    if step.name:
        return _shown(step.name, contexts)
    return "Run " + _shown(step.uses or step.run.strip().split("\n")[0], contexts)


def _shown(text: str, contexts: Mapping[str, Any]) -> str:
    try:
        return render(text, contexts)
    except ExpressionError:
        return text
