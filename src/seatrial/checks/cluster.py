"""Checks of the state of the cluster."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from seatrial.checks.readings import by_status
from seatrial.errors import nearest
from seatrial.model.cluster import SAME_STATE, STATES, ClusterStatus
from seatrial.model.result import Observation, failed, passed, unknown
from seatrial.registry import check
from seatrial.spi import Context, KnowsReadings, Need

_BY_SERVICE = ("critical", "degraded", "running")

_COMPARED = re.compile(r"\s*(==|!=)\s*([a-z][a-z0-9_]*)\s*")


async def observe_state(ctx: Context, wanted: str, *, differs: bool = False) -> Observation:
    """Compare the system's state with the wanted one; unknown if the state is empty."""
    expected = f"not {wanted}" if differs else wanted

    def judge(status: ClusterStatus) -> Observation:
        state = status.state
        if not state.value:
            return unknown(state.why or "the state of the cluster could not be determined", expected=expected)
        if differs and state.value == "initialized" and not ctx.was_up:
            return unknown(f"{state.why or 'nothing is deployed yet'}: there is no state to differ", expected=expected)
        same = SAME_STATE.get(state.value, state.value) == SAME_STATE.get(wanted, wanted)
        return (failed if same is differs else passed)(state.value, expected, state.why)

    return await by_status(ctx, judge)


@check("cluster_status")
@dataclass(frozen=True, kw_only=True)
class Status:
    """The cluster is in a state (default: running): `cluster_status==degraded`, or is not: `!=`."""

    state: str = "running"
    """One of initialized, destroyed, stopped, critical, degraded, running, or one of the system's own."""
    differs: bool = False
    """The cluster must not be in this state: `!=`."""

    text_pattern: ClassVar[str] = _COMPARED.pattern

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        """Read `==X` or `!=X`."""
        if not rest.strip():
            return {}
        found = _COMPARED.fullmatch(rest)
        if not found:
            allowed = "cluster_status, cluster_status==STATE, cluster_status!=STATE"
            raise ValueError(f"invalid text {rest!r}; allowed: {allowed}")
        return {"state": found[2], "differs": found[1] == "!="}

    def __post_init__(self) -> None:
        known = [*STATES, *SAME_STATE]
        if self.state in known:
            return
        close = difflib.get_close_matches(self.state, known, n=1, cutoff=0.8)
        if close:  # A system may have its own states, but hardly one so similar to another.
            raise ValueError(f"unknown state {self.state!r}: did you mean {close[0]!r}? allowed: {', '.join(known)}")

    def check_system(self, system: type[Any], settings: Any) -> Iterable[tuple[str, str]]:
        """Refuse a state that the system can never be in: it would be waited for to the end, and `!=` always pass."""
        own = system.state_names(settings) if issubclass(system, KnowsReadings) else None
        known = {*STATES, *SAME_STATE, *(own or ())}
        if own is not None and self.state not in known:
            yield f"the system is never in the state {self.state!r}", nearest(self.state, known, what="its states")

    def rests_on(self) -> Collection[Need]:
        return () if self.differs else needed(self.state)

    async def observe(self, ctx: Context) -> Observation:
        return await observe_state(ctx, self.state, differs=self.differs)


def needed(state: str) -> Collection[Need]:
    """What tells that a cluster is in this state: a working one, or a broken one, by its service."""
    return (Need.STATE, Need.SERVICE) if SAME_STATE.get(state, state) in _BY_SERVICE else (Need.STATE,)


class _InState:
    state: ClassVar[str]

    def rests_on(self) -> Collection[Need]:
        return needed(self.state)

    async def observe(self, ctx: Context) -> Observation:
        return await observe_state(ctx, self.state)


@check("cluster_status_stopped")
@dataclass(frozen=True, kw_only=True)
class Stopped(_InState):
    """Every node is powered off."""

    state: ClassVar[str] = "stopped"


@check("cluster_degraded")
@dataclass(frozen=True, kw_only=True)
class Degraded(_InState):
    """At least one node is not healthy, and the service answers."""

    state: ClassVar[str] = "degraded"


@check("cluster_critical")
@dataclass(frozen=True, kw_only=True)
class Critical(_InState):
    """The service does not answer, or too few nodes are healthy."""

    state: ClassVar[str] = "critical"
