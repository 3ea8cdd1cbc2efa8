"""Parameters without any use: a misspelt one would change nothing, and the run would pass without it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Set

from seatrial.expressions.text import texts
from seatrial.loading.merge.levels import Merged
from seatrial.loading.resolve.validation import MEMORY
from seatrial.model.scenario import CheckPlan, StepPlan, Suite
from seatrial.registry import Registry
from seatrial.spi import KnowsParameters, ProviderTraits, traits

OWN = "seatrial."
"""Begins the module of a class that reads parameters only as it declares; a plugin's may read any."""


def readable(suite: Suite, registry: Registry) -> frozenset[str] | None:
    """The parameters that the suite's system or its provider reads; None: a plugin may read any."""
    factory = suite.system.factory
    own = factory.parameter_names(suite) if issubclass(factory, KnowsParameters) else None
    if own is None or any(not module.startswith(OWN) for module in _modules(suite.steps)):
        return None
    found = _of_provider(suite.provider, registry) if suite.provider in registry.names("provider") else ()
    return None if found is None else frozenset({*own, *MEMORY, *found})


def _of_provider(name: str, registry: Registry) -> Collection[str] | None:
    return traits(registry.get("provider", name), ProviderTraits).parameter_names


def unread(suite: Suite, merged: Merged, registry: Registry) -> dict[str, str]:
    """Each parameter that nothing reads, with what to write instead."""
    settled = {name for name, value in (merged.get("parameters") or {}).items() if isinstance(value, list)}
    candidates = set(suite.parameters) - settled - set(suite.fallbacks) - suite.unflagged
    if not candidates:
        return {}
    known = readable(suite, registry)
    if known is None or candidates <= known:
        return {}
    own = {key: value for key, value in merged.values.items() if key != "parameters"}
    text = "\n".join(texts((own, suite.steps, suite.provider_settings)))
    named = set(re.findall(r"\bparameters\.(\w+)", text))
    if re.search(r"\bparameters\b(?!\.)", text) or candidates <= named | known:
        return {}
    # A suite may run on another provider. To look at all of them takes as long as the rest of the check.
    known = known.union(*(_of_provider(name, registry) or () for name in registry.names("provider")))
    missing = sorted(candidates - named - known)
    written = set(merged.get("parameters") or {})
    free = (named | known) - written
    return {name: _remedy(name, suite, free if name in written else free | written) for name in missing}


def _remedy(name: str, suite: Suite, known: Set[str]) -> str:
    """`known` are the names that may be meant."""
    use = f"use it as ${{{{ parameters.{name} }}}}"
    if hasattr(suite.system.settings, "parameters_as_flags"):
        first = "init" if suite.system.settings.init else "deploy"
        use += f", or write `parameters_as_flags: [{first}]` into `system:`"
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean {near[0]!r}? Otherwise {use}" if near else use


def _modules(steps: Collection[StepPlan]) -> Iterator[str]:
    """The modules of all steps and checks."""
    for step in steps:
        yield step.factory.__module__
        yield from _modules(step.children)
        for value in step.fields.values():
            checks = value if isinstance(value, tuple) else ()
            yield from (one.factory.__module__ for one in checks if isinstance(one, CheckPlan))
