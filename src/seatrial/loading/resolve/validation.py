"""Checks of a suite before it is planned: its node names, its powers, the budget."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from seatrial import spi
from seatrial.errors import UsageError, nearest
from seatrial.links.paths import SETTINGS
from seatrial.loading.merge.levels import Merged
from seatrial.loading.resolve.workflow import Workflow
from seatrial.loading.site import Problems
from seatrial.model.scenario import Budget, Suite, SystemPlan
from seatrial.spi import Powers, known_nodes, own_powers, traits

BY_API = frozenset({Powers.STOP, Powers.START, Powers.CRASH, Powers.GRACEFUL_RESTART, Powers.SNAPSHOT,
                    Powers.PAUSE, Powers.DISCONNECT, Powers.CORDON, Powers.DRAIN})  # fmt: skip
"""The powers forbidden by `power: guest`."""

MEMORY = ("memory_gb", "libvirt_memory_gb", "containers_memory_gb")
"""Parameters with the memory of one node."""

_OTHER_METHOD = {
    Powers.GUEST_CRASH: (Powers.CRASH, "destroy"),
    Powers.CRASH: (Powers.GUEST_CRASH, "ssh"),
    Powers.GUEST_REBOOT: (Powers.GRACEFUL_RESTART, "graceful"),
    Powers.GRACEFUL_RESTART: (Powers.GUEST_REBOOT, "ssh"),
}
"""Power to another one with the same end, and the step's `method` for it."""

_WAY_IN = "it needs an `inventory` with SSH"

ANY_NODE = frozenset({"*", "any", "all"})


def sized(suite: Suite, problems: Problems, merged: Merged, *, moot: bool) -> Suite:
    """The suite with its number of nodes and memory; with `moot` (another provider) its memory does not count."""
    size = suite.parameters.get("cluster_size")
    given = size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else 1
    nodes = len(_names(suite, problems, merged)) or given
    memory = 0.0
    for name in MEMORY:
        value = suite.parameters.get(name)
        if value is None or moot:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            hint = "allowed: GB for each node, a number from 0"
            problems.add(*merged.where("parameters", name), f"invalid amount of memory {value!r}", hint)
        else:
            memory = max(memory, float(value) * nodes)
    return replace(suite, nodes=nodes, memory_gb=memory)


def _names(suite: Suite, problems: Problems, merged: Merged) -> tuple[str, ...]:
    try:
        return known_nodes(suite.system.factory, suite.system.settings, suite.parameters, suite.document_folder)
    except (UsageError, ValueError, TypeError) as error:
        where = merged.where("parameters", "cluster_size")
        problems.add(*where, f"the node names cannot be computed: {error}")
        return ()


def hold(suite: Suite, merged: Merged, workflow: Workflow, provider: type[Any]) -> None:
    """Reject unknown node names, what the system never measures, powers missing in both provider and system, and
    settings the system itself rejects."""
    _by_the_system(suite, workflow.problems, merged)
    hold_steps(suite, merged, workflow, provider)


def hold_steps(suite: Suite, merged: Merged, workflow: Workflow, provider: type[Any]) -> None:
    """The same for the steps alone."""
    names = frozenset(_names(suite, Problems(), merged)) if workflow.selectors or workflow.nodes else frozenset()
    if names:
        factory = suite.system.factory
        # Words selecting nodes by their current role, defined in the system's settings.
        roles = factory.role_names(suite.system.settings) if issubclass(factory, spi.FindsRoles) else ()
        known = names | frozenset(roles)
        why_none: Mapping[str, str] = {}
        if issubclass(factory, spi.FindsNodes):
            why_none = factory.node_names_in(suite.system.settings, suite.document_folder) or {}
        for selector, place in workflow.selectors:
            for word in (word.strip() for word in selector.split(",")):
                if word not in known | ANY_NODE and not _random(word):
                    hint = why_none.get(word) or nearest(word, known, what="nodes") + "; also *, any, random:N"
                    workflow.problem(place, f"unknown node {word!r}", hint)
        for name, place in workflow.nodes:
            if name not in names:
                hint = why_none.get(name) or nearest(name, names, what="nodes")
                workflow.problem(place, f"unknown node {name!r}", hint)
    for check, place in workflow.checks:
        for message, hint in check.check_system(suite.system.factory, suite.system.settings):
            workflow.problem(place, message, hint)
    if workflow.ports and issubclass(suite.system.factory, spi.MovesPorts):
        moved = suite.system.factory.moved_ports(suite.system.settings, suite.document_folder)
        for port, place in workflow.ports:
            if port in moved:
                owner, instead = moved[port]
                message = f"port {port} of this machine is not the trial's: {owner} gets a free one"
                workflow.problem(place, message, f"write `{instead}` in place of {port}")
    gaps = spi.gaps_of(suite.system.factory, suite.system.settings)
    for one, title, place in workflow.rests if gaps else ():
        if gap := next((gaps[need] for need in one.rests_on() if need in gaps), None):
            workflow.problem(place, f"the {title} can never tell: {gap.why}", gap.remedy)
    if workflow.powers:
        system = suite.system
        held = _over_nodes(provider, system) | own_powers(system.factory, system.settings)
        reasons = traits(provider, spi.ProviderTraits).why_missing
        usable = held - BY_API if suite.power == "guest" else held
        for step, kind, place in workflow.powers:
            missing = sorted(_wanted(step, suite.power) - usable)
            if missing:
                message, hint = _missing(suite, kind, missing, held, reasons)
                workflow.problems.add(workflow.document, place, message, hint, kind="power")


def _by_the_system(suite: Suite, problems: Problems, merged: Merged) -> None:
    """The problems a system finds before the run from files and environment: its `check_suite`."""
    system = suite.system.factory
    if issubclass(system, spi.WarnsOfSuite):
        for path, message in system.warnings(suite):
            problems.warn(*merged.where(*path), message)
    if suite.skip or not issubclass(system, spi.ChecksSuite):
        return
    for path, message, hint in system.check_suite(suite, os.environ):
        place = ("system", *path)
        document, where = merged.where(*place[:2])
        problems.add(document, (*where, *place[2:]) if len(place) > 2 else where, message, hint)


def reuse_of(merged: Merged, problems: Problems, provider: type[Any], system: SystemPlan, *, on: str) -> str:
    """The effective `reuse`; rejected if impossible. With `on`, the suite runs on another provider than its own, so a
    missing power gives a warning and every suite deploys."""
    reuse = str(merged.get("reuse") or "none")
    if reuse == "none":
        return reuse
    document, place = merged.where("reuse")
    held, power = frozenset(provider.powers), Powers.SNAPSHOT.value
    hint = "remove `reuse`"
    if not issubclass(system.factory, spi.HandsOver):
        message = f"`reuse: snapshot` needs a system able to hand over its cluster; {system.kind!r} is not"
        hint += ", or use the system 'processes'"
    elif Powers.SNAPSHOT not in held:
        name = on or str(merged.get("provider") or "local")
        if on:
            problems.warn(document, place, f"every suite deploys: the provider {on!r} cannot {power}")
            return "none"
        message = f"`reuse: snapshot` needs the power {power!r}; the provider {name!r} does not have it"
        hint += f"; it has: {', '.join(sorted(held)) or 'none'}"
    elif merged.get("power") == "guest":
        message = f"`reuse: snapshot` needs the power {power!r}, but `power: guest` forbids it"
    else:
        return reuse
    problems.add(document, place, message, hint, kind="power")
    return "none"


def _over_nodes(provider: type[Any], system: SystemPlan) -> frozenset[Powers]:
    """The provider's powers over the system's nodes: none over nodes brought by the system itself, unless the provider
    reaches any node or adopts them."""
    ours = system.factory.places_nodes or traits(provider, spi.ProviderTraits).reaches_any_node
    recognised = traits(system.factory, spi.SystemTraits).adopts_nodes and issubclass(provider, spi.AdoptsNodes)
    return frozenset(provider.powers) if ours or recognised else frozenset()


def _wanted(step: Any, power: str) -> frozenset[Powers]:
    """A step may need other powers if those of the API are forbidden."""
    in_guest = power == "guest" and isinstance(step, spi.NeedsPowersInGuest)
    return frozenset(step.needs_powers_in_guest() if in_guest else step.needs_powers())


def _missing(
    suite: Suite, kind: str, missing: Sequence[Powers], held: frozenset[Powers], reasons: Mapping[Powers, str]
) -> tuple[str, str]:
    """The problem of a step without the powers it needs, and a hint."""
    words = ", ".join(missing)
    needs = f"the step {kind!r} needs the power {words!r}"
    has = f"it has: {', '.join(sorted(held)) or 'none'}"
    instead = ""
    other, method = _OTHER_METHOD.get(missing[0], (None, ""))
    if kind in ("crash_node", "restart_node") and other in held and not (suite.power == "guest" and other in BY_API):
        instead = f"write `method: {method}`"
    if frozenset(missing) <= held:
        inside = "" if kind == "inject" else "use a method inside the guest (`method: ssh`), or "
        hint = f"{inside}remove `power: guest`"
        return f"{needs}, but `power: guest` forbids it", hint
    if not suite.system.factory.places_nodes:
        words_of = traits(suite.system.factory, spi.SystemTraits).power_keys
        keys = list(dict.fromkeys(words_of[power] for power in missing if power in words_of))
        own = f"write {' and '.join(keys)} into `system:`" if keys else ""
        ways = ", or ".join(way for way in (instead, own) if way) or _WAY_IN
        where = f"the provider {suite.named_provider!r} has power only over its own nodes"
        if suite.foreign:
            where = (
                f"{suite.foreign!r} is only your deployer's word here: a cloud that Seatrial knows needs its table, "
                f"[providers.{suite.foreign}], in {SETTINGS}"
            )
        return f"{needs}; the system {suite.system.kind!r} does not have it over its nodes", f"{ways}; {has}; {where}"
    why = dict.fromkeys(reasons[power] for power in missing if power in reasons)
    return f"{needs}; the provider {suite.provider!r} does not have it", "; ".join(
        [*([instead] if instead else []), has, *why]
    )


def _random(word: str) -> bool:
    name, _, count = word.partition(":")
    return name == "random" and (not count or (count.isdigit() and int(count) > 0))


def over_budget(suite: Suite, budget: Budget) -> str:
    """Why a suite can never fit, empty if it can."""
    limits = [limit.nodes for limit in suite.node_limits]
    most = min(limits if budget.nodes is None else [*limits, budget.nodes], default=suite.nodes)
    if suite.nodes > most:
        return f"the suite {suite.name!r} has {suite.nodes} nodes; at most {most} may run at a time"
    if budget.memory_gb is not None and suite.memory_gb > budget.memory_gb:
        return f"the suite {suite.name!r} needs {suite.memory_gb:g} GB of memory; the budget is {budget.memory_gb:g} GB"
    return ""
