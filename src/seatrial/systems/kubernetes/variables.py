"""Names and values that differ between trials, in manifests that stay as they are: `${E2E_RUN_ID}` and the like."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.links.kubernetes import Object

ALWAYS = ("E2E_RUN_ID", "E2E_TEST_NAMESPACE", "E2E_CONTROLLER_NAMESPACE")
"""Variables of the trial that every manifest may use."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def filled(objects: Sequence[Object], values: Mapping[str, str]) -> list[Object]:
    """Copies of the objects with the known variables filled in, in each text. Any other `${…}` stays: it may be meant
    for a shell. The objects are parsed already, so a value cannot become a part of their structure."""
    return [_filled(thing, values) for thing in objects]


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: values.get(match[1], match[0]), value)
    if isinstance(value, dict):
        return {key: _filled(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, values) for inner in value]
    return value
