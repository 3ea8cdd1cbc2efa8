"""Reads a deployer's `status` and `health` in Seatrial's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.errors import CannotTell
from seatrial.model.cluster import SAME_STATE
from seatrial.model.reading import Health, Reading, absent, reported

STATUS = "the deployer's status"
HEALTH = "the deployer's health"

WELL = ("ok", "healthy", "running", "up", "true", "pass", "passed")
"""Words for a healthy part of a node."""

ANSWERS = ("running", "degraded")
"""States of a whole with a working service, if the deployer reports only a state."""

SILENT = ("critical", "stopped", "destroyed", "initialized")

Words = Mapping[str, str]
"""The deployer's word for a state to Seatrial's."""


def word(told: object, words: Words) -> str:
    """A state in Seatrial's words; an unknown one is kept: a system may have states of its own."""
    ours = words.get(str(told), str(told))
    return SAME_STATE.get(ours, ours)


def parts(told: object, node: str, service: str, words: Words) -> dict[str, Reading[Health]]:
    """The parts of a node's health; `service` is the part of this name, else the worst of all but `ssh`."""
    if not isinstance(told, Mapping):
        return {"service": absent(Health.UNKNOWN, f"the deployer's health does not report {node}", by=HEALTH)}
    found = {str(name): reading(value, str(name), words) for name, value in told.items()}
    if service in found:
        return {**found, "service": found[service]}
    others = [one for name, one in found.items() if name != "ssh"]
    order = (Health.NOT_OK, Health.UNKNOWN, Health.OK)
    nothing = absent(Health.UNKNOWN, f"the deployer's health reports no part of {node}", by=HEALTH)
    return {**found, "service": min(others, key=lambda one: order.index(one.value), default=nothing)}


def reading(value: object, part: str, words: Words) -> Reading[Health]:
    """One part: a word, true or false, or a mapping with `status`, `state` or `ok`; null is not measured."""
    if isinstance(value, Mapping):
        value = value.get("status", value.get("state", value.get("ok")))
    if value is None:
        return absent(Health.UNKNOWN, f"the deployer reports no value of {part}", by=HEALTH)
    said = str(value).lower()
    well = words.get(said, said) in WELL
    return reported(Health.OK, by=HEALTH) if well else reported(Health.NOT_OK, f"{part} is {value}", by=HEALTH)


def powers(told: object, key: str, words: Words) -> dict[str, str]:
    """Node to its state in Seatrial's words, from a mapping (of states, or of mappings with `key`) or a list of
    mappings."""
    if isinstance(told, list):
        told = {one.get("name"): one for one in told if isinstance(one, Mapping)}
    if not isinstance(told, Mapping):
        return {}
    states = {str(name): one.get(key, "") if isinstance(one, Mapping) else one for name, one in told.items()}
    return {name: word(one, words) for name, one in states.items()}


def service_by_state(state: str) -> Reading[Health]:
    """Whether the service answers, by the state of the whole."""
    if state in ANSWERS:
        return reported(Health.OK, by=STATUS)
    why = f"the deployer reports {state}"
    return reported(Health.NOT_OK, why, by=STATUS) if state in SILENT else absent(Health.UNKNOWN, why, by=STATUS)


def at(found: object, path: str, verb: str, absent: object = None) -> Any:
    """The value at a dotted path; CannotTell when it is missing, unless `absent` gives a default."""
    here = found
    for name in path.split("."):
        if not isinstance(here, Mapping) or name not in here:
            if absent is not None:
                return absent
            known = ", ".join(map(str, here)) if isinstance(here, Mapping) else type(here).__name__
            raise CannotTell(f"the JSON of {verb} has no {path!r}; it has {known}")
        here = here[name]
    return here
