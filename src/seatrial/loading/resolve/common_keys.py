"""Keys of every step and check, whatever its class: one reader for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Literal, Protocol

from seatrial import expressions
from seatrial.errors import nearest
from seatrial.loading.fields import Again
from seatrial.loading.read.positions import Place
from seatrial.loading.site import Site, shown
from seatrial.model.frozen import frozen
from seatrial.model.scenario import Retry
from seatrial.model.values import Duration, Expression, duration


@frozen
class StepKeys:
    """The keys of every step besides those of its own class."""

    id: str = ""
    """The name for `steps.ID.outputs`; unique in the workflow."""
    description: str | None = None
    """The purpose of the step, for reports."""
    if_: Expression = Expression("")
    """A CEL expression; the step is skipped if it is false."""
    timeout: Duration | None = None
    """The timeout of one attempt."""
    retry: Retry | None = None
    """The retries of the step: a number of attempts, or a mapping."""
    allow_failure: bool = False
    """A failure does not change the verdict of the suite."""
    expect: Literal["failure", "success"] = "success"
    """`failure`: the step passes only by failing."""
    outputs: Mapping[str, Expression] = field(default_factory=dict)
    """More outputs, each a CEL expression over `outputs`."""
    needs: tuple[str, ...] = ()
    """Ids of steps of the same `parallel` to wait for."""


@frozen
class CheckKeys:
    """The keys of every check besides those of its own class."""

    name: str | None = None
    """The check's name in results."""
    retry: Retry | None = None
    """The retries of the check: a number of attempts, or a mapping."""
    allow_failure: bool = False
    """A failure does not change the verdict of the step."""


_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Steps(Site, Protocol):
    """A site with the names visible to expressions."""

    scope: expressions.Scope

    def old_names(self, text: str, place: Place) -> None:
        """Warn of renamed names."""


Reader = Callable[[Steps, Any, Place, dict[str, Any]], None]
"""Reads a key into the fields of a StepPlan or CheckPlan."""


def _read_id(site: Steps, value: Any, place: Place, found: dict[str, Any]) -> None:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        site.problem(place, f"invalid id {shown(value)}", "an id is a letter, then letters, digits, _ and -")


def _read_text(key: str) -> Reader:
    def read(site: Steps, value: Any, place: Place, found: dict[str, Any]) -> None:
        if isinstance(value, str):
            found[key] = value
        elif value is not None:
            site.problem(place, f"{shown(value)} is not text", "put it in quotes")

    return read


def _read_if(site: Steps, value: Any, place: Place, found: dict[str, Any]) -> None:
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else value
    if not isinstance(text, str):
        site.problem(place, f"{shown(value)} is not a condition", "write a CEL expression, true or false")
        return
    found["condition"] = expressions.strip(text)
    for message, hint in expressions.check(text, site.scope):
        site.problem(place, message, hint)
    site.old_names(text, place)


def _read_timeout(site: Steps, value: Any, place: Place, found: dict[str, Any]) -> None:
    if value is None:
        return
    try:
        found["timeout"] = duration(value)
    except ValueError as error:
        site.problem(place, str(error))
        return
    if found["timeout"] == 0:
        site.problem(place, "a timeout of 0 leaves no time", "remove it for no timeout")


def _read_retry(site: Steps, value: Any, place: Place, found: dict[str, Any]) -> None:
    found["retry"] = Again().read(value, place, site)


def _read_allow(site: Steps, value: Any, place: Place, found: dict[str, Any]) -> None:
    if isinstance(value, bool):
        found["allow_failure"] = value
    else:
        site.problem(place, f"{shown(value)} is not allowed", "allowed: true, false")


def _read_expect(site: Steps, value: Any, place: Place, found: dict[str, Any]) -> None:
    if value == "failure":
        found["expect_failure"] = True
    elif value != "success":
        site.problem(place, f"invalid value {shown(value)} of `expect`", nearest(str(value), ("failure", "success")))


def _read_outputs(site: Steps, value: Any, place: Place, found: dict[str, Any]) -> None:
    if not isinstance(value, Mapping):
        site.problem(place, f"{shown(value)} is not a mapping", "allowed: names, each with an expression")
        return
    scope = site.scope.with_names("outputs")
    made = {}
    for name, text in value.items():
        if not isinstance(text, str):
            site.problem((*place, name), f"{shown(text)} is not an expression", "write one over `outputs`, as text")
            continue
        made[name] = expressions.strip(text)
        for message, hint in expressions.check(text, scope):
            site.problem((*place, name), message, hint)
    found["outputs"] = made


def _read_needs(site: Steps, value: Any, place: Place, found: dict[str, Any]) -> None:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        site.problem(place, f"{shown(value)} is not a list of ids", "write ids of steps in brackets")
        return
    found["needs"] = tuple(value)


READERS: Mapping[str, Reader] = {
    "id": _read_id,
    "description": _read_text("description"),
    "name": _read_text("name"),
    "if": _read_if,
    "timeout": _read_timeout,
    "retry": _read_retry,
    "allow_failure": _read_allow,
    "expect": _read_expect,
    "outputs": _read_outputs,
    "needs": _read_needs,
}
