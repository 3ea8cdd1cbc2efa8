"""Reading the class attributes of a plugin (its traits), with their defaults.

Only this module asks a plugin for an attribute by name. Optional methods are protocols: ask
`isinstance(plugin, ReportsFailure)`, or `issubclass(factory, NeedsPowers)` where you have only the class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TypeVar

from seatrial.spi.check import CheckTraits
from seatrial.spi.provider import ProviderTraits
from seatrial.spi.step import StepTraits
from seatrial.spi.system import SystemTraits

Traits = TypeVar("Traits", StepTraits, CheckTraits, ProviderTraits, SystemTraits)

_NAMES: Mapping[type, Sequence[str]] = {
    kind: [one.name for one in fields(kind)] for kind in (StepTraits, CheckTraits, ProviderTraits, SystemTraits)
}
"""Asked twice for each step of a run."""


def traits(plugin: object, kind: type[Traits]) -> Traits:
    """The traits of a plugin or of its class."""
    return kind(**{name: getattr(plugin, name) for name in _NAMES[kind] if hasattr(plugin, name)})
