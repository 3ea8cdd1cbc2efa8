"""The `github` context of a run: our own, and one about to be dispatched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.links.forge.workflows.values import Unknown, as_text

_NAMES = (
    "actor", "actor_id", "api_url", "base_ref", "event_name", "graphql_url", "head_ref", "job", "ref", "ref_name",
    "ref_protected", "ref_type", "repository", "repository_id", "repository_owner", "repository_owner_id",
    "retention_days", "run_attempt", "run_id", "run_number", "server_url", "sha", "triggering_actor", "workflow",
    "workflow_ref", "workflow_sha", "workspace",
)  # fmt: skip
"""Fields of `github`, also in a job's environment as `GITHUB_…`."""

_OF_THE_REPOSITORY = (
    "api_url", "graphql_url", "repository", "repository_id", "repository_owner", "repository_owner_id", "server_url",
)  # fmt: skip
"""Fields shared by two runs of one repository."""


def running(environment: Mapping[str, str], event: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The `github` context of the job with this environment; `event` is the contents of its GITHUB_EVENT_PATH."""
    github: dict[str, Any] = {
        name: environment.get(f"GITHUB_{name.upper()}", Unknown(f"github.{name}", f"GITHUB_{name.upper()} is not set"))
        for name in _NAMES
    }
    github["event"] = event if event is not None else Unknown("github.event", "the event's file was not read")
    github["token"] = Unknown("github.token", "it is a secret")
    return github


def dispatched(
    *, repository: str, path: str, ref: str, name: str, inputs: Mapping[str, Any], like: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The `github` context of a future run; `like` is one of the same repository."""
    later = "the run does not exist yet"
    github: dict[str, Any] = {one: Unknown(f"github.{one}", later) for one in _NAMES}
    for one in _OF_THE_REPOSITORY:
        if like is not None and one in like:
            github[one] = like[one]
    full = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
    given = {key: one if isinstance(one, Unknown) else as_text(one) for key, one in inputs.items()}
    github |= {
        "repository": repository,
        "repository_owner": repository.partition("/")[0],
        "ref": full,
        "ref_name": full.split("/", 2)[-1],
        "ref_type": "tag" if full.startswith("refs/tags/") else "branch",
        "base_ref": "",
        "head_ref": "",
        "event_name": "workflow_dispatch",
        "event": {"inputs": given, "ref": full, "workflow": path},
        "run_attempt": "1",
        # Unique to the run: no other run shares a group named with it.
        "run_id": "(the id of the new run)",
        "workflow": name,
        "workflow_ref": f"{repository}/{path}@{full}",
        "token": Unknown("github.token", "it is a secret"),
    }
    return github
