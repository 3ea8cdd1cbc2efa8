"""Checks of the service alone: running, degraded or down."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import ClassVar

from seatrial.checks.nodes import reading_of
from seatrial.checks.readings import by_status
from seatrial.model.cluster import SAME_STATE, ClusterStatus
from seatrial.model.reading import Health
from seatrial.model.result import Observation, failed, passed, unknown
from seatrial.registry import check
from seatrial.spi import Context, Need

RUNNING, DEGRADED, DOWN = "running", "degraded", "down"
ALL = frozenset({RUNNING, DEGRADED, DOWN})

# Possible states of the service by state of the cluster, for a system without the health of its nodes.
BY_STATE = {
    "initialized": {DOWN},
    "destroyed": {DOWN},
    "stopped": {DOWN},
    "critical": {DEGRADED, DOWN},
    "degraded": {RUNNING, DEGRADED},
    "running": {RUNNING},
}


def possible(status: ClusterStatus) -> frozenset[str]:
    """The service's possible states after a measurement; more than one if it could not be determined."""
    state = SAME_STATE.get(status.state.value, status.state.value)
    if status.service.value is Health.NOT_OK or state in ("initialized", "destroyed", "stopped"):
        return frozenset({DOWN})
    answers = ALL - {DOWN} if status.service.ok else ALL
    if not status.nodes:
        return answers & frozenset(BY_STATE.get(state, ALL)) or answers
    values = {reading_of(health, "service").value for health in status.nodes.values()}
    if Health.NOT_OK in values:
        return answers - {RUNNING}
    if Health.UNKNOWN in values:  # the state of the whole may tell, where it is known
        return answers & frozenset(BY_STATE.get(state, ALL)) or answers
    return frozenset({RUNNING})


def reasons(status: ClusterStatus) -> Iterable[str]:
    """The known reasons why the service is not healthy."""
    if status.service.why:
        yield status.service.why
    for name, health in sorted(status.nodes.items()):
        reading = reading_of(health, "service")
        if not reading.ok:
            yield f"{name}: {reading.why or reading.value}"


class _Service:
    state: ClassVar[str]

    def rests_on(self) -> Collection[Need]:
        return (Need.SERVICE,)

    async def observe(self, ctx: Context) -> Observation:
        return await by_status(ctx, lambda status: self._judge(ctx, status))

    def _judge(self, ctx: Context, status: ClusterStatus) -> Observation:
        if status.state.value == "initialized":
            return unknown(status.state.why or "nothing is deployed yet", self.state)
        open_ = possible(status)
        if self.state == DOWN and open_ == {DOWN} and not ctx.was_up:
            return unknown("the service never answered in this trial, so it did not go down", self.state)
        why = "; ".join(reasons(status)) or status.state.why
        if self.state not in open_:
            return failed(" or ".join(sorted(open_)), self.state, why)
        if len(open_) == 1:
            return passed(self.state, self.state)
        return unknown(why or "the service could not be queried", self.state, " or ".join(sorted(open_)))


@check("database_running")
@dataclass(frozen=True, kw_only=True)
class Running(_Service):
    """The service answers on every node."""

    state: ClassVar[str] = RUNNING


@check("database_degraded")
@dataclass(frozen=True, kw_only=True)
class Degraded(_Service):
    """The service answers, but not on every node."""

    state: ClassVar[str] = DEGRADED


@check("database_down")
@dataclass(frozen=True, kw_only=True)
class Down(_Service):
    """The service does not answer."""

    state: ClassVar[str] = DOWN
