"""Errors in the settings found before anything runs, by the local checkout and the environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seatrial import expressions
from seatrial.errors import CannotTell, UsageError
from seatrial.expressions import late
from seatrial.links.forge.runs.order import Dispatch, Order, order_of
from seatrial.links.forge.runs.repository import LITERAL, Place, find_place
from seatrial.links.forge.runs.validation import Wrong, later, wrong_here
from seatrial.links.forge.workflows.values import Unknown
from seatrial.systems.github_actions.settings import GithubActionsSettings

WORDS = ("repository", "api_url", "ref")
"""Settings that name the place of the workflows."""

WRITTEN = (
    "a secret within an expression would appear in the ledger, needed to tear a deployment down after a crash: "
    "write ${{ secrets.NAME }} by itself, with text around it if necessary"
)


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
    for key, part in (("deploy", settings.deploy), ("teardown", settings.teardown)):
        for path, message, hint in wrong_here(place, draft(part, place, parameters, environment), environment):
            yield (key, *path), message, hint


def _place(
    settings: GithubActionsSettings, folder: Path, parameters: Mapping[str, Any], environment: Mapping[str, str]
) -> Place | None:
    """None: it is known only at run time."""
    words = {word: _settled(word, getattr(settings, word), parameters, environment) for word in WORDS}
    return None if any(isinstance(one, Unknown) for one in words.values()) else find_place(folder, environment, **words)


def draft(part: Dispatch, place: Place, parameters: Mapping[str, Any], environment: Mapping[str, str]) -> Order:
    """An order with the inputs known by now; others are Unknown."""
    inputs = {name: _settled(name, value, parameters, environment) for name, value in part.inputs.items()}
    return order_of(part, place.ref, inputs)


def _settled(name: str, value: Any, parameters: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """A value with its parameters and environment variables filled in; Unknown when it names anything else."""
    try:
        return expressions.bind(value, {"parameters": parameters, "env": environment})
    except CannotTell:
        return later(name)
