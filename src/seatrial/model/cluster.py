"""The states of a cluster, derived from the readings of each node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from enum import StrEnum

from seatrial.model.frozen import frozen
from seatrial.model.reading import Health, Reading, Source, Weight, absent, concluded, trusted

__all__ = ["ClusterStatus", "NodeHealth", "PowerState", "all_off", "cluster_status"]


class PowerState(StrEnum):
    """A node is running, stopped (powered off for any reason), unreachable (no answer) or paused."""

    RUNNING = "running"
    STOPPED = "stopped"
    UNREACHABLE = "unreachable"
    PAUSED = "paused"
    UNKNOWN = "unknown"


OFF = (PowerState.STOPPED, PowerState.PAUSED)
"""In these states nothing on the node can answer."""


@frozen
class NodeHealth:
    """The readings of one node; `ssh` is its link, `service` its service, other keys are the system's own parts."""

    power: Reading[PowerState]
    parts: Mapping[str, Reading[Health]] = field(default_factory=dict)

    @property
    def healthy(self) -> Reading[Health]:
        """Ok when it runs and every part is ok; unknown only without a not-ok reading."""
        power, parts = self.power, self.parts.values()
        why = "" if power.value is PowerState.RUNNING else power.why
        if power.value in (*OFF, PowerState.UNREACHABLE):
            return concluded(Health.NOT_OK, why, [power])
        values = {reading.value for reading in parts}
        if Health.NOT_OK in values:
            return concluded(Health.NOT_OK, why, [part for part in parts if part.value is Health.NOT_OK])
        if Health.UNKNOWN in values or power.value is PowerState.UNKNOWN or not values:
            return concluded(Health.UNKNOWN, why, self.readings())
        return concluded(Health.OK, why, self.readings())

    def readings(self) -> Iterator[Reading[object]]:
        """All its readings."""
        yield self.power
        yield from self.parts.values()

    def trusted(self, trust: Weight) -> NodeHealth:
        """The same, with unknown for every reading too weak for a verdict."""
        parts = {name: trusted(reading, Health.UNKNOWN, trust) for name, reading in self.parts.items()}
        return NodeHealth(power=trusted(self.power, PowerState.UNKNOWN, trust), parts=parts)


def all_off(power: Reading[PowerState], why: str) -> NodeHealth:
    """The health of a powered-off node: link and service are not ok, with the source of its power."""
    off = concluded(Health.NOT_OK, why, [power])
    return NodeHealth(power=replace(power, why=why), parts={"ssh": off, "service": off})


def power_by_parts(
    parts: Mapping[str, Reading[Health]], said: Reading[PowerState] | None = None
) -> Reading[PowerState]:
    """The power of a node without an API for it: a part that answers shows that it runs, a silent link that it cannot
    be reached. `said` is what a provider or another program says; a measurement confirms or refutes a report."""
    link = parts.get("ssh")
    silent = link if link is not None and (link.value, link.source) == (Health.NOT_OK, Source.MEASURED) else None
    if said is not None and said.source is Source.MEASURED and not (silent and said.value is PowerState.RUNNING):
        return said
    measured = {name: part for name, part in parts.items() if part.source is Source.MEASURED}
    alive = [name for name, part in measured.items() if part.value is Health.OK]
    report = (f"{said.by} reports that it is {said.value}" if said.by else said.why) if said else ""
    if alive and silent is None:
        running = concluded(PowerState.RUNNING, "", [measured[alive[0]]])
        if said is None or said.value is PowerState.RUNNING:
            return running
        disputed = report if said.source is Source.REPORTED else ""
        return replace(running, why=f"its {alive[0]} answers, but {report}", disputed=disputed)
    if said is not None and said.value in OFF and not alive:
        return concluded(said.value, report, list(measured.values()) or [said])
    if silent is not None:
        return concluded(PowerState.UNREACHABLE, "; ".join(filter(None, (silent.why, report))), [silent])
    return said or absent(PowerState.UNKNOWN, "no source reports its power state, and no part of it answers")


NOT_ASKED = absent(Health.UNKNOWN, "")
"""The service, if only the state of the whole is known."""


@frozen
class ClusterStatus:
    """The readings of the whole; `state` is empty when it could not be measured, and its `why` has the reason."""

    state: Reading[str]
    nodes: Mapping[str, NodeHealth] = field(default_factory=dict)
    service: Reading[Health] = NOT_ASKED
    hopeless: str = ""
    """Why no waiting can bring the state `running` any more, in one line; empty: it may still come."""
    category: str = ""
    """Where to look first for a state that is not `running`; empty: unknown."""

    def trusted(self, trust: Weight) -> ClusterStatus:
        """The same, with unknown for every reading too weak for a verdict."""
        nodes = {name: health.trusted(trust) for name, health in self.nodes.items()}
        service = trusted(self.service, Health.UNKNOWN, trust)
        return replace(self, state=trusted(self.state, "", trust), nodes=nodes, service=service)


SAME_STATE = {"database_ready": "running"}
"""Synonyms of states."""

STATES = ("initialized", "destroyed", "stopped", "critical", "degraded", "running")


def majority(healthy: int, total: int) -> bool:
    """More than half of the nodes are healthy."""
    return healthy * 2 > total


RULES: Mapping[str, Callable[[int, int], bool]] = {
    "majority": majority,
    "all": lambda healthy, total: healthy == total,
    "any": lambda healthy, total: healthy > 0,
}
"""Name to rule over the numbers of healthy nodes and of all."""


def service_of(nodes: Mapping[str, NodeHealth]) -> Reading[Health]:
    """The service answers when its part on any node does."""
    on = [health.parts for health in nodes.values() if health.power.value not in (*OFF, PowerState.UNREACHABLE)]
    known = [parts["service"] for parts in on if "service" in parts]
    for wanted in (Health.OK, Health.UNKNOWN):
        for reading in known:
            if reading.value is wanted:
                return reading
    powers = [health.power for health in nodes.values()]
    if any(one.power.value is PowerState.UNKNOWN and "service" not in one.parts for one in nodes.values()):
        return concluded(Health.UNKNOWN, "the power state of a node could not be read", powers)
    if on and not known:
        return concluded(Health.UNKNOWN, "nothing measures the service on any node", powers)
    return concluded(Health.NOT_OK, known[0].why if known else "no node is running", known or powers)


def cluster_status(
    nodes: Mapping[str, NodeHealth],
    *,
    rule: Callable[[int, int], bool] = majority,
    service: Reading[Health] | None = None,
) -> ClusterStatus:
    """The state of a deployed cluster: the first match of stopped, critical, degraded, running."""
    answers = service if service is not None else service_of(nodes)
    powers = [health.power for health in nodes.values()]
    healths = {name: health.healthy for name, health in nodes.items()}

    def named(value: Health) -> list[str]:
        return sorted(name for name, health in healths.items() if health.value is value)

    def status(state: str, why: str, *grounds: Reading[object]) -> ClusterStatus:
        reading = concluded(state, why, grounds or (answers, *healths.values()))
        return ClusterStatus(state=reading, nodes=nodes, service=answers)

    if not nodes:
        return ClusterStatus(state=absent("", "the system has no nodes"), nodes=nodes, service=answers)
    if all(power.value is PowerState.STOPPED for power in powers):
        return status("stopped", "every node is powered off", *powers)
    if answers.value is Health.NOT_OK:
        return status("critical", f"the service does not answer: {answers.why}", answers)
    healthy, unclear, sick = named(Health.OK), named(Health.UNKNOWN), named(Health.NOT_OK)
    if not rule(len(healthy) + len(unclear), len(nodes)):
        # Whatever the unclear ones are: it rests on the others alone.
        grounds = [healths[name] for name in sick]
        return status("critical", f"only {len(healthy)} of {len(nodes)} nodes are healthy", *grounds)
    if answers.value is Health.UNKNOWN:
        return status("", answers.why or "the service could not be asked", answers)
    if unclear:
        reasons = _reasons(nodes, Health.UNKNOWN)
        return status("", f"the health of {', '.join(unclear)} could not be measured: {reasons}")
    if sick:
        return status("degraded", f"not healthy: {', '.join(sick)} ({_reasons(nodes, Health.NOT_OK)})")
    return status("running", f"all {len(nodes)} nodes are healthy")


def _reasons(nodes: Mapping[str, NodeHealth], wanted: Health) -> str:
    reasons = []
    for name, health in sorted(nodes.items()):
        for part, reading in health.parts.items():
            if reading.value is wanted:
                reasons.append(f"{name}.{part}: {reading.why or wanted}")
        if health.healthy.value is wanted and health.power.value is not PowerState.RUNNING:
            reasons.append(f"{name}: {health.power.why or health.power.value}")
    return "; ".join(reasons)
