"""Errors in the settings found before anything runs, by the local checkout and the environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seatrial import expressions
from seatrial.errors import CannotTell, UsageError
from seatrial.expressions import late
from seatrial.links.forge.runs.repository import LITERAL, Place, find_place
from seatrial.links.forge.runs.validation import Draft, Wrong, wrong_here
from seatrial.systems.github_actions.settings import DeploySettings, GithubActionsSettings, TeardownSettings

WRITTEN = (
    "a secret within an expression would appear in the ledger, needed to tear a deployment down after a crash: "
    "write ${{ secrets.NAME }} by itself, with text around it if necessary"
)

LATER: Any = object()
"""A value known only at run time."""


def wrong(
    settings: GithubActionsSettings, folder: Path, parameters: Mapping[str, Any], environment: Mapping[str, str]
) -> Iterator[Wrong]:
    """Every invalid key, with the error and a hint."""
    if settings.token and "${{" not in settings.token:
        yield ("token",), LITERAL, ""
    for name, value in settings.teardown.inputs.items():
        if isinstance(value, str) and late.mixed(value):
            yield ("teardown", "inputs", name), WRITTEN, ""
    try:
        place = _place(settings, folder, parameters, environment)
    except UsageError as error:
        yield (), str(error), ""
        return
    if place is None:
        return
    parts: Mapping[str, DeploySettings | TeardownSettings] = {"deploy": settings.deploy, "teardown": settings.teardown}
    for key, part in parts.items():
        for path, message, hint in wrong_here(place, draft_of(part, parameters, environment), environment):
            yield (key, *path), message, hint


def _place(
    settings: GithubActionsSettings, folder: Path, parameters: Mapping[str, Any], environment: Mapping[str, str]
) -> Place | None:
    said = {
        name: settled(getattr(settings, name), parameters, environment) for name in ("repository", "api_url", "ref")
    }
    if LATER in said.values():
        return None
    return find_place(folder, environment, **said)


def draft_of(
    part: DeploySettings | TeardownSettings, parameters: Mapping[str, Any], environment: Mapping[str, str]
) -> Draft:
    """A dispatch with the values known by now."""
    known = {name: settled(value, parameters, environment) for name, value in part.inputs.items()}
    return Draft(
        workflow=part.workflow,
        inputs={name: value for name, value in known.items() if value is not LATER},
        later=frozenset(name for name, value in known.items() if value is LATER),
        correlation_input=part.correlation_input,
    )


def settled(value: Any, parameters: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """A value with its parameters and environment variables filled in; LATER when it names anything else."""
    try:
        return expressions.bind(value, {"parameters": parameters, "env": environment})
    except CannotTell:
        return LATER
