"""What the states of a cluster mean, worked out from what was measured on each node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Measured(StrEnum):
    """Not-ok and could-not-measure are different values, from the wire to the report."""

    OK = "ok"
    NOT_OK = "not_ok"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reading:
    """One part of a node's health, with the reason where it is not ok."""

    measured: Measured
    why: str = ""

    @property
    def ok(self) -> bool:
        """Measured, and found well."""
        return self.measured is Measured.OK


OK = Reading(Measured.OK)


class PowerState(StrEnum):
    """A node is running, stopped (powered off, however it got there), unreachable (no answer), paused."""

    RUNNING = "running"
    STOPPED = "stopped"
    UNREACHABLE = "unreachable"
    PAUSED = "paused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHealth:
    """What was measured on one node; `ssh` is its link, `service` its service, others are the system's own parts."""

    power: PowerState
    parts: Mapping[str, Reading] = field(default_factory=dict)
    why: str = ""

    @property
    def healthy(self) -> Measured:
        """Ok when it runs and every part is ok; unknown only when nothing measured says not-ok."""
        if self.power in (PowerState.STOPPED, PowerState.UNREACHABLE, PowerState.PAUSED):
            return Measured.NOT_OK
        seen = {reading.measured for reading in self.parts.values()}
        if Measured.NOT_OK in seen:
            return Measured.NOT_OK
        if Measured.UNKNOWN in seen or self.power is PowerState.UNKNOWN or not seen:
            return Measured.UNKNOWN
        return Measured.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """The state of the whole; `state` is empty when it could not be told, and `why` says the reason."""

    state: str
    nodes: Mapping[str, NodeHealth] = field(default_factory=dict)
    service: Reading = Reading(Measured.UNKNOWN)
    why: str = ""


SAME_STATE = {"database_ready": "running"}
"""Words that mean the same state."""

STATES = ("initialized", "destroyed", "stopped", "critical", "degraded", "running")


def majority(healthy: int, total: int) -> bool:
    """More than half of the nodes are healthy."""
    return healthy * 2 > total


def service_of(nodes: Mapping[str, NodeHealth]) -> Reading:
    """The service answers when any node's part of it does."""
    readings = [health.parts.get("service") for health in nodes.values() if health.power is PowerState.RUNNING]
    known = [reading for reading in readings if reading is not None]
    for reading in known:
        if reading.ok:
            return reading
    for reading in known:
        if reading.measured is Measured.UNKNOWN:
            return reading
    if any(health.power is PowerState.UNKNOWN for health in nodes.values()):
        return Reading(Measured.UNKNOWN, "the power state of a node could not be read")
    return Reading(Measured.NOT_OK, known[0].why if known else "no node is running")


def cluster_status(
    nodes: Mapping[str, NodeHealth],
    *,
    rule: Callable[[int, int], bool] = majority,
    service: Reading | None = None,
) -> ClusterStatus:
    """Tell the state of a deployed cluster: the first that holds of stopped, critical, degraded, running."""
    answers = service if service is not None else service_of(nodes)

    def status(state: str, why: str = "") -> ClusterStatus:
        return ClusterStatus(state=state, nodes=nodes, service=answers, why=why)

    if not nodes:
        return status("", "the system has no nodes")
    if all(health.power is PowerState.STOPPED for health in nodes.values()):
        return status("stopped", "every node is powered off")
    if answers.measured is Measured.NOT_OK:
        return status("critical", f"the service does not answer: {answers.why}")
    verdicts = {name: health.healthy for name, health in nodes.items()}
    healthy = sum(1 for one in verdicts.values() if one is Measured.OK)
    maybe = sum(1 for one in verdicts.values() if one is Measured.UNKNOWN)
    sick = sorted(name for name, one in verdicts.items() if one is Measured.NOT_OK)
    if not rule(healthy + maybe, len(nodes)):
        return status("critical", f"only {healthy} of {len(nodes)} nodes are healthy")
    if answers.measured is Measured.UNKNOWN:
        return status("", answers.why or "the service could not be asked")
    if maybe:
        names = ", ".join(sorted(name for name, one in verdicts.items() if one is Measured.UNKNOWN))
        return status("", f"the health of {names} could not be measured: {_reasons(nodes, Measured.UNKNOWN)}")
    if sick:
        return status("degraded", f"not healthy: {', '.join(sick)} ({_reasons(nodes, Measured.NOT_OK)})")
    return status("running", f"all {len(nodes)} nodes are healthy")


def _reasons(nodes: Mapping[str, NodeHealth], wanted: Measured) -> str:
    found = []
    for name, health in sorted(nodes.items()):
        for part, reading in health.parts.items():
            if reading.measured is wanted:
                found.append(f"{name}.{part}: {reading.why or wanted}")
        if health.healthy is wanted and health.power is not PowerState.RUNNING:
            found.append(f"{name}: {health.why or health.power}")
    return "; ".join(found)
