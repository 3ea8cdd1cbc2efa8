"""The `github` context, also as GITHUB_… in the environment of programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.links.forge.workflows.values import as_text
from seatrial.links.forge.workflows.workflow import Workflow
from seatrial_stand_ins.github.seam import Run

_NOT_IN_ENVIRONMENT = ("event", "token")


def event_of(run: Run) -> dict[str, Any]:
    """The content of `github.event` and GITHUB_EVENT_PATH."""
    owner, _, name = run.repository.partition("/")
    return {
        "inputs": {key: as_text(one) for key, one in run.inputs.items()},
        "ref": run.ref,
        "repository": {
            "name": name,
            "full_name": run.repository,
            "owner": {"login": owner},
            "html_url": f"{run.server_url}/{run.repository}",
        },
        "sender": {"login": run.actor},
        "workflow": run.workflow.path,
    }


def github(run: Run, workflow: Workflow) -> dict[str, Any]:
    """The context, without the additions of a job and a step."""
    return {
        "actor": run.actor,
        "api_url": run.api_url,
        "base_ref": "",
        "event": event_of(run),
        "event_name": run.event,
        "graphql_url": run.graphql_url,
        "head_ref": "",
        "ref": run.ref,
        "ref_name": run.ref.split("/", 2)[-1],
        "ref_protected": False,
        "ref_type": "tag" if run.ref.startswith("refs/tags/") else "branch",
        "repository": run.repository,
        "repository_owner": run.repository.partition("/")[0],
        "run_attempt": str(run.attempt),
        "run_id": str(run.run_id),
        "run_number": str(run.run_number),
        "server_url": run.server_url,
        "sha": run.sha,
        "token": run.secrets.get("GITHUB_TOKEN", ""),
        "triggering_actor": run.actor,
        "workflow": workflow.name,
        "workflow_ref": f"{run.repository}/{run.workflow.path}@{run.ref}",
        "workflow_sha": run.sha,
    }


def as_environment(github_context: Mapping[str, Any], runner: Mapping[str, Any]) -> dict[str, str]:
    """GITHUB_… and RUNNER_… for programs."""
    found = {
        f"GITHUB_{name.upper()}": as_text(one)
        for name, one in github_context.items()
        if name not in _NOT_IN_ENVIRONMENT
    }
    found |= {f"RUNNER_{name.upper()}": as_text(one) for name, one in runner.items()}
    return {**found, "GITHUB_ACTIONS": "true"}
