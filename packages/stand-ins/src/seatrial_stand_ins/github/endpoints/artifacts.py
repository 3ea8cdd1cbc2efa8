"""Artifacts: listing, looking, downloading, deleting."""

from __future__ import annotations

from seatrial_stand_ins.github.answer import Answer
from seatrial_stand_ins.github.asked import Asked, Endpoint, Refused, not_found
from seatrial_stand_ins.github.records import Artifact, RunRecord

REPOSITORY = "/repos/{owner}/{repo}"
HERE = f"{REPOSITORY}/actions/artifacts"
ONE = f"{HERE}/{{artifact_id}}"


async def artifacts(asked: Asked) -> Answer:
    """Of all runs, newest first."""
    return _listed(asked, [(run, one) for run in reversed(asked.repository.runs) for one in run.artifacts])


async def artifacts_of_run(asked: Asked) -> Answer:
    """Of one run."""
    run = asked.run()
    return _listed(asked, [(run, one) for one in run.artifacts])


def _listed(asked: Asked, among: list[tuple[RunRecord, Artifact]]) -> Answer:
    wanted = asked.query.get("name", "")
    matching = [(run, one) for run, one in among if wanted in ("", one.name)]
    return asked.page(matching, lambda pair: asked.shapes.artifact(pair[0], asked.repository, pair[1]), "artifacts")


def _one(asked: Asked) -> tuple[RunRecord, Artifact]:
    wanted = asked.number("artifact_id")
    for run in asked.repository.runs:
        for one in run.artifacts:
            if one.artifact_id == wanted:
                return run, one
    raise not_found()


async def artifact(asked: Asked) -> Answer:
    """One."""
    run, found = _one(asked)
    return Answer(json=asked.shapes.artifact(run, asked.repository, found))


async def delete(asked: Asked) -> Answer:
    """Take it away."""
    run, found = _one(asked)
    run.artifacts.remove(found)
    return Answer(status=204)


async def download(asked: Asked) -> Answer:
    """Where its archive is."""
    _, found = _one(asked)
    if asked.variables["archive_format"] != "zip":
        raise not_found()
    if found.expired:
        raise Refused(410, "Artifact has expired")
    return Answer(status=302, headers={"location": asked.forge.storage.put_artifact(found)})


ENDPOINTS = (
    Endpoint("GET", HERE, artifacts, "actions:read"),
    Endpoint("GET", f"{REPOSITORY}/actions/runs/{{run_id}}/artifacts", artifacts_of_run, "actions:read"),
    Endpoint("GET", ONE, artifact, "actions:read"),
    Endpoint("DELETE", ONE, delete, "actions:write", signed_in=True),
    Endpoint("GET", f"{ONE}/{{archive_format}}", download, "actions:read", signed_in=True),
)
