"""Workflows, and dispatching them."""

from __future__ import annotations

from seatrial_stand_ins.github.answer import Answer
from seatrial_stand_ins.github.asked import Asked, Endpoint, Refused, not_found
from seatrial_stand_ins.github.dispatching import DOCUMENTED, NotDispatched, dispatch
from seatrial_stand_ins.github.openapi import NEW
from seatrial_stand_ins.github.records import WorkflowRecord

HERE = "/repos/{owner}/{repo}/actions/workflows"
ONE = f"{HERE}/{{workflow_id}}"
KEYS = ("ref", "inputs")


async def _wanted(asked: Asked) -> WorkflowRecord:
    found = await asked.repository.workflow(asked.variables["workflow_id"])
    if found is None:
        raise not_found()
    return found


async def workflows(asked: Asked) -> Answer:
    """All of them."""
    listed = [one for one in await asked.repository.listed_workflows() if one.state != "deleted"]
    return asked.page(listed, lambda one: asked.shapes.workflow(asked.repository.name, one), "workflows")


async def workflow(asked: Asked) -> Answer:
    """One, by its number or the name of its file."""
    return Answer(json=asked.shapes.workflow(asked.repository.name, await _wanted(asked)))


async def enable(asked: Asked) -> Answer:
    """Let it be dispatched again."""
    (await _wanted(asked)).state = "active"
    return Answer(status=204)


async def disable(asked: Asked) -> Answer:
    """Let nobody dispatch it."""
    (await _wanted(asked)).state = "disabled_manually"
    return Answer(status=204)


async def dispatch_workflow(asked: Asked) -> Answer:
    """Start a run of it; the API version and the server's version decide whether the answer names the run."""
    found = await _wanted(asked)
    body = asked.body()
    details = asked.forge.run_details
    extra = ("return_run_details",) if details == "offered" and asked.version != NEW else ()
    for key in body:
        if key not in (*KEYS, *extra) and not (key == "return_run_details" and details == "ignored"):
            status = 400 if details == "refused" else 422
            raise Refused(status, f'Invalid request.\n\n"{key}" is not a permitted key.', documented=DOCUMENTED)
    if not isinstance(body.get("ref"), str):
        raise Refused(422, 'Invalid request.\n\n"ref" wasn\'t supplied.', documented=DOCUMENTED)
    inputs = body.get("inputs") or {}
    if not isinstance(inputs, dict):
        said = f"Invalid request.\n\nFor 'properties/inputs', {inputs!r} is not an object."
        raise Refused(422, said, documented=DOCUMENTED)
    wants = details == "offered" and (asked.version == NEW or body.get("return_run_details") is True)
    try:
        run = await dispatch(asked.forge, asked.repository, found, body["ref"], inputs, actor=asked.login)
    except NotDispatched as error:
        raise Refused(422, str(error), documented=DOCUMENTED) from error
    if not wants:
        return Answer(status=204)
    shown = asked.shapes.run(asked.repository, run)
    return Answer(json={"workflow_run_id": run.run_id, "run_url": shown["url"], "html_url": shown["html_url"]})


ENDPOINTS = (
    Endpoint("GET", HERE, workflows, "actions:read"),
    Endpoint("GET", ONE, workflow, "actions:read"),
    Endpoint("PUT", f"{ONE}/enable", enable, "actions:write", signed_in=True),
    Endpoint("PUT", f"{ONE}/disable", disable, "actions:write", signed_in=True),
    Endpoint("POST", f"{ONE}/dispatches", dispatch_workflow, "actions:write", signed_in=True),
)
