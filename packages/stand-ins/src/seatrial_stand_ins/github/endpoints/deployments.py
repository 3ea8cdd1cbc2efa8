"""Environments, the deployments to them, and the names of secrets and variables."""

from __future__ import annotations

from urllib.parse import unquote

from seatrial_stand_ins.github.answer import Answer
from seatrial_stand_ins.github.asked import Asked, Endpoint, not_found
from seatrial_stand_ins.github.records import Deployment
from seatrial_stand_ins.github.shapes import stamp

REPOSITORY = "/repos/{owner}/{repo}"
HERE = f"{REPOSITORY}/deployments"
ONE = f"{HERE}/{{deployment_id}}"


async def deployments(asked: Asked) -> Answer:
    """Newest first, of an environment, a sha or a ref if it is named."""
    found = [
        one
        for one in reversed(asked.repository.deployments)
        if asked.query.get("environment", one.environment) == one.environment
        and asked.query.get("sha", one.sha) == one.sha
        and asked.query.get("ref", one.ref) == one.ref
    ]
    return asked.page(found, lambda one: asked.shapes.deployment(asked.repository.name, one))


def _one(asked: Asked) -> Deployment:
    wanted = asked.number("deployment_id")
    for one in asked.repository.deployments:
        if one.deployment_id == wanted:
            return one
    raise not_found()


async def deployment(asked: Asked) -> Answer:
    """One."""
    return Answer(json=asked.shapes.deployment(asked.repository.name, _one(asked)))


async def statuses(asked: Asked) -> Answer:
    """Its statuses, newest first."""
    found = _one(asked)
    name = asked.repository.name
    return asked.page(found.states[::-1], lambda state: asked.shapes.deployment_status(name, found, state))


async def environments(asked: Asked) -> Answer:
    """All of them."""
    listed = list(asked.repository.environments.values())
    return asked.page(listed, lambda one: asked.shapes.environment(asked.repository.name, one), "environments")


async def environment(asked: Asked) -> Answer:
    """One, by its name."""
    found = asked.repository.environments.get(unquote(asked.variables["environment_name"]))
    if found is None:
        raise not_found()
    return Answer(json=asked.shapes.environment(asked.repository.name, found))


async def secrets(asked: Asked) -> Answer:
    """The names of the repository's secrets, never their values."""
    when = stamp(asked.repository.created_at)
    names = sorted(asked.repository.secrets)
    return asked.page(names, lambda name: {"name": name, "created_at": when, "updated_at": when}, "secrets")


async def variables(asked: Asked) -> Answer:
    """The repository's variables."""
    when = stamp(asked.repository.created_at)
    listed = sorted(asked.repository.variables.items())
    return asked.page(
        listed,
        lambda one: {"name": one[0], "value": one[1], "created_at": when, "updated_at": when},
        "variables",
    )


ENDPOINTS = (
    Endpoint("GET", HERE, deployments, "deployments:read"),
    Endpoint("GET", ONE, deployment, "deployments:read"),
    Endpoint("GET", f"{ONE}/statuses", statuses, "deployments:read"),
    Endpoint("GET", f"{REPOSITORY}/environments", environments, "actions:read"),
    Endpoint("GET", f"{REPOSITORY}/environments/{{environment_name}}", environment, "actions:read"),
    Endpoint("GET", f"{REPOSITORY}/actions/secrets", secrets, "secrets:read", signed_in=True),
    Endpoint("GET", f"{REPOSITORY}/actions/variables", variables, "variables:read", signed_in=True),
)
