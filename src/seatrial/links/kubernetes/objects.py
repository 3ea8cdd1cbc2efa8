"""What every object of the API has: a name, an end, conditions, a controller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def name_of(thing: Mapping[str, Any]) -> str:
    """Its name in its namespace."""
    return str(thing["metadata"]["name"])


def is_terminating(thing: Mapping[str, Any]) -> bool:
    """Whether its deletion has begun: it does not count any more."""
    return bool(thing["metadata"].get("deletionTimestamp"))


def condition(thing: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """A condition in its status; empty: it has none of this type."""
    conditions = (thing.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == kind), {})


def holds(thing: Mapping[str, Any], kind: str) -> bool:
    """Whether a condition is true."""
    return condition(thing, kind).get("status") == "True"


def controller(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    """The reference to its controller; empty: it has none."""
    owners = thing["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})
