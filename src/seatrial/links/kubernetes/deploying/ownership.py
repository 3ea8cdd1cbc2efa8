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
SHARED = "seatrial.shared"
"""The label of a definition (CRD) that Seatrial made; each trial that uses it leaves a mark on it."""
USED_BY = "used-by.seatrial/"
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


def marks(definition: Mapping[str, Any]) -> list[str]:
    """The trials that use a definition."""
    annotations = definition["metadata"].get("annotations") or {}
    return [name.removeprefix(USED_BY) for name in annotations if name.startswith(USED_BY)]
