"""Whose an object is: labels and annotations of the trial on everything that Seatrial applies."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from seatrial.links.kubernetes.deploying.manifests import Object

TRIAL = "seatrial.trial"
SERVICE = "seatrial.service"
"""The label of what a shared service has: no trial owns it."""
RUN = "seatrial.run"
SHARED = "seatrial.shared"
"""The label of a definition (CRD) that Seatrial made; each trial that uses it leaves a mark on it."""
USED_BY = "used-by.seatrial/"
HANDED_TO = "handed-to.seatrial/"
"""The annotation of a definition that a trial uses without having it in its own record: an earlier trial handed it
over. Its value is the namespace of the new one, as NAME/UID."""
DEFINITION = "seatrial.definition"
"""The annotation with a checksum of the definition as it was written."""

_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


def stamped(thing: Mapping[str, Any], labels: Mapping[str, str], namespace: str = "") -> Object:
    """A copy with the trial's labels; what cannot be the value of a label is an annotation. `namespace`: for an object
    without one."""
    made: Object = copy.deepcopy(dict(thing))
    metadata = made["metadata"]
    plain = {name: value for name, value in labels.items() if _VALUE.fullmatch(value)}
    rest = {name: value for name, value in labels.items() if name not in plain}
    metadata["labels"] = {**(metadata.get("labels") or {}), **plain}
    if rest:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **rest}
    if namespace:
        metadata.setdefault("namespace", namespace)
    return made


def belongs(thing: Mapping[str, Any], owner: str) -> bool:
    """Whether a trial or a shared service made it."""
    labels = thing["metadata"].get("labels") or {}
    return owner in (labels.get(TRIAL), labels.get(SERVICE))


def owner_of(thing: Mapping[str, Any]) -> str:
    """The trial or the shared service that made it; empty: neither."""
    labels = thing["metadata"].get("labels") or {}
    return str(labels.get(TRIAL) or labels.get(SERVICE) or "")


def marks(definition: Mapping[str, Any]) -> list[str]:
    """The trials that use a definition."""
    annotations = definition["metadata"].get("annotations") or {}
    return [name.removeprefix(USED_BY) for name in annotations if name.startswith(USED_BY)]


def handed(definition: Mapping[str, Any], trial: str) -> str:
    """The namespace of a trial to which a definition was handed over; empty: the trial has it in its own record."""
    return str((definition["metadata"].get("annotations") or {}).get(f"{HANDED_TO}{trial}") or "")
