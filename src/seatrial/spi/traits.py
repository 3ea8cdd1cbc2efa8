"""Reading the class attributes of a plugin (its traits), with their defaults.

Only this module asks a plugin for an attribute by name. Optional methods are protocols: ask
`isinstance(plugin, ReportsFailure)`, or `issubclass(factory, NeedsPowers)` where you have only the class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from seatrial.spi.check import CheckTraits
from seatrial.spi.provider import ProviderTraits
from seatrial.spi.step import StepTraits
from seatrial.spi.system import SystemTraits

Traits = TypeVar("Traits", StepTraits, CheckTraits, ProviderTraits, SystemTraits)

_NAMES: Mapping[type, Sequence[str]] = {
    kind: [one.name for one in fields(kind)] for kind in (StepTraits, CheckTraits, ProviderTraits, SystemTraits)
}


_of_classes: dict[tuple[type, type], Any] = {}
"""Those already read, because each step of a run asks twice."""


def traits(plugin: object, kind: type[Traits]) -> Traits:
    """The traits of a plugin or of its class."""
    if not isinstance(plugin, type):
        return _read(plugin, kind)
    found: Traits | None = _of_classes.get((plugin, kind))
    if found is None:
        found = _of_classes[plugin, kind] = _read(plugin, kind)
    return found


def _read(plugin: object, kind: type[Traits]) -> Traits:
    return kind(**{name: getattr(plugin, name) for name in _NAMES[kind] if hasattr(plugin, name)})
