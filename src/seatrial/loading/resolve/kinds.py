"""The classes of steps and checks named by documents, with all facts needed to compile them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from seatrial import expressions, spi
from seatrial.errors import NotSupported
from seatrial.loading.fields import described
from seatrial.loading.suite_keys import CheckKeys, StepKeys
from seatrial.model.record import record
from seatrial.model.scenario import CheckPlan
from seatrial.registry import RESERVED, Registry

_BRANCHES = ("steps", "rollback", "finally")
"""Fields of child steps, in their order of execution."""

_NODE_FIELDS = ("target_node", "node", "nodes", "target_nodes")


class Kind:
    """The class of a step or check, with facts computed once before its values are read."""

    def __init__(self, registry: Registry, kind: str, name: str) -> None:
        if name in RESERVED.get(kind, ()):
            raise NotSupported(f"the {kind} {name!r} is not implemented yet: its name is reserved")
        factory = registry.get(kind, name)
        fields = described(factory)
        self.name, self.factory, self.fields = name, factory, fields
        self.title = f"{kind} {name!r}"
        keys = described(StepKeys if kind == "step" else CheckKeys)
        self.common = {key: field for key, field in keys.items() if key not in fields}
        """The keys of every step (check), without those of the class itself."""
        self.besides = frozenset((kind, *self.common))
        self.branches = sorted((key for key in fields if fields[key].compiled and key != "checks"), key=branch)
        self.names_nodes = issubclass(factory, spi.NamesNodes)
        self.checks_system = issubclass(factory, spi.ChecksSystem)
        self.rests = issubclass(factory, spi.RestsOn)
        self.node_keys = [key for key in _NODE_FIELDS if key in fields and not self.names_nodes]
        self.needs_powers = issubclass(factory, spi.NeedsPowers)
        self.checks_files = issubclass(factory, spi.ChecksFiles)
        self.checks_templates = issubclass(factory, spi.ChecksTemplates)
        """It can check a step even with templates in it."""
        step = spi.traits(factory, spi.StepTraits)
        extras = spi.traits(factory, spi.CheckTraits).expression_names if kind == "check" else step.expression_names
        check = spi.traits(factory, spi.CheckTraits)
        self.may_be_empty = (*check.may_be_empty, *check.may_be_written_empty)
        """Keys of a check with a use for an empty value in the document."""
        self.extras = expressions.CHECK_NAMES if extras is None else extras
        self.child_extras, self.sets_variables = step.child_names, step.sets_variables
        self.allow_failure = kind == "check" and registry.mark(kind, name).allow_failure


@record
class Kinds:
    """The classes used by one invocation."""

    registry: Registry
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The project's keys for each check, by its name."""
    found: dict[tuple[str, str], Kind] = field(default_factory=dict)
    texts: dict[str, tuple[CheckPlan, tuple[str, ...], tuple[int, ...], Kind]] = field(default_factory=dict)
    """Checks written as text, with their node names and ports: suites often repeat the same few."""

    def get(self, kind: str, name: str) -> Kind:
        """A class by name; UsageError if it is unknown or cannot be written in a document."""
        if (kind, name) not in self.found:
            self.found[(kind, name)] = Kind(self.registry, kind, name)
        return self.found[(kind, name)]


def branch(key: str) -> int:
    """The rank of a key: children after all other keys, in their order of execution."""
    return _BRANCHES.index(key) if key in _BRANCHES else len(_BRANCHES)
