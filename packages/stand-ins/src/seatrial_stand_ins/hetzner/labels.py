"""Labels and label selectors, as Hetzner reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from seatrial_stand_ins.clouds.server import Refused

_WORD = r"[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?"
_KEY = re.compile(rf"(?:[a-z0-9](?:[-.a-z0-9]{{0,251}}[a-z0-9])?/)?{_WORD}")
_VALUE = re.compile(rf"(?:{_WORD})?")
_IN = re.compile(r"(\S+)\s+(in|notin)\s*\((.*)\)")


def require_labels(labels: object) -> dict[str, str]:
    """The labels of a request; Refused for those that Hetzner does not accept."""
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        raise Refused(422, "invalid_input", "invalid input in field 'labels'")
    for key, value in labels.items():
        if not _KEY.fullmatch(str(key)) or not isinstance(value, str) or not _VALUE.fullmatch(value):
            text = f"label {key}={value} is not valid"
            fields = [{"name": "labels", "messages": [text]}]
            raise Refused(422, "invalid_input", "invalid input in field 'labels'", fields=fields)
    return {str(key): str(value) for key, value in labels.items()}


def selects(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether a selector selects a thing with these labels."""
    return all(_holds(part.strip(), labels) for part in re.split(r",(?![^(]*\))", selector) if part.strip())


def _holds(part: str, labels: Mapping[str, str]) -> bool:
    among = _IN.fullmatch(part)
    if among:
        values = {value.strip() for value in among[3].split(",")}
        inside = labels.get(among[1]) in values
        return inside if among[2] == "in" else not inside
    for sign, equal in (("!=", False), ("==", True), ("=", True)):
        key, found, value = part.partition(sign)
        if found:
            return (labels.get(key.strip()) == value.strip()) is equal
    return part[1:] not in labels if part.startswith("!") else part in labels
