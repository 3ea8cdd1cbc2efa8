"""Reading what a deployer's `status` and `health` tell, in Seatrial's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.errors import CannotTell
from seatrial.model.cluster import SAME_STATE
from seatrial.model.reading import Health, Reading, absent, reported

STATUS = "the deployer's status"
HEALTH = "the deployer's health"

WELL = ("ok", "healthy", "running", "up", "true", "pass", "passed")
"""What a part of a node's health may say when it is well."""

ANSWERS = ("running", "degraded")
"""States of the whole in which the service answers, where only the state is told."""

SILENT = ("critical", "stopped", "destroyed", "initialized")

Words = Mapping[str, str]
"""The deployer's word for a state to ours."""


def word(told: object, words: Words) -> str:
    """A state in our words; one that we do not know stays as it is: a system may have states of its own."""
    ours = words.get(str(told), str(told))
    return SAME_STATE.get(ours, ours)


def parts(told: object, node: str, service: str, words: Words) -> dict[str, Reading[Health]]:
    """The parts of a node's health; `service` is the part of that name, else the worst of all but `ssh`."""
    if not isinstance(told, Mapping):
        return {"service": absent(Health.UNKNOWN, f"the deployer's health says nothing of {node}", by=HEALTH)}
    found = {str(name): reading(value, str(name), words) for name, value in told.items()}
    if service in found:
        return {**found, "service": found[service]}
    others = [one for name, one in found.items() if name != "ssh"]
    order = (Health.NOT_OK, Health.UNKNOWN, Health.OK)
    nothing = absent(Health.UNKNOWN, f"the deployer's health tells no part of {node}", by=HEALTH)
    return {**found, "service": min(others, key=lambda one: order.index(one.value), default=nothing)}


def reading(value: object, part: str, words: Words) -> Reading[Health]:
    """One part: a word, true or false, or a mapping with `status`, `state` or `ok`; null is not measured."""
    if isinstance(value, Mapping):
        value = value.get("status", value.get("state", value.get("ok")))
    if value is None:
        return absent(Health.UNKNOWN, f"the deployer tells no value of {part}", by=HEALTH)
    said = str(value).lower()
    well = words.get(said, said) in WELL
    return reported(Health.OK, by=HEALTH) if well else reported(Health.NOT_OK, f"{part} is {value}", by=HEALTH)


def powers(told: object, key: str, words: Words) -> dict[str, str]:
    """Node to its state in our words, from a mapping (of states, or of mappings with `key`) or a list of mappings."""
    if isinstance(told, list):
        told = {one.get("name"): one for one in told if isinstance(one, Mapping)}
    if not isinstance(told, Mapping):
        return {}
    states = {str(name): one.get(key, "") if isinstance(one, Mapping) else one for name, one in told.items()}
    return {name: word(one, words) for name, one in states.items()}


def service_by_state(state: str) -> Reading[Health]:
    """Whether the service answers, as far as the state of the whole says so."""
    if state in ANSWERS:
        return reported(Health.OK, by=STATUS)
    why = f"the deployer says {state}"
    return reported(Health.NOT_OK, why, by=STATUS) if state in SILENT else absent(Health.UNKNOWN, why, by=STATUS)


def at(found: object, path: str, verb: str, absent: object = None) -> Any:
    """What is at a dotted path; CannotTell when it is not there, unless `absent` says what to take then."""
    here = found
    for name in path.split("."):
        if not isinstance(here, Mapping) or name not in here:
            if absent is not None:
                return absent
            known = ", ".join(map(str, here)) if isinstance(here, Mapping) else type(here).__name__
            raise CannotTell(f"the JSON of {verb} has no {path!r}; it has {known}")
        here = here[name]
    return here
