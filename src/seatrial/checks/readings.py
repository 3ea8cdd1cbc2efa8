"""From readings to a verdict. Every check of states reads and decides here, so one rule applies to all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from seatrial import spi
from seatrial.model.cluster import ClusterStatus, NodeHealth, PowerState
from seatrial.model.reading import Reading, Weight, trusted
from seatrial.model.resource import Node
from seatrial.model.result import Observation, Verdict
from seatrial.spi import Context

T = TypeVar("T")


def decide(ctx: Context, judge: Callable[[Weight], Observation]) -> Observation:
    """The verdict over readings of at least `ctx.trust`. Neither a report alone nor a measurement contradicted by a
    report passes a check; both may fail it."""
    observation = judge(ctx.trust)
    if observation.verdict is Verdict.PASSED and (doubtful := judge("undisputed")).verdict is not Verdict.PASSED:
        return replace(observation, verdict=Verdict.UNKNOWN, why=doubtful.why)
    if observation.verdict is not Verdict.UNKNOWN or ctx.trust == "reported":
        return observation
    by_report = judge("reported")
    if by_report.verdict is Verdict.FAILED:
        return by_report
    if by_report.verdict is Verdict.PASSED:
        return replace(observation, why=f"{observation.why}; with `trust: reported` this report is enough")
    return observation


def decide_by(
    ctx: Context, reading: Reading[T], unmeasured: T, judge: Callable[[Reading[T]], Observation]
) -> Observation:
    """The verdict over one reading; `judge` gets `unmeasured` in place of a value with too weak a source."""
    return decide(ctx, lambda trust: judge(trusted(reading, unmeasured, trust)))


async def by_status(ctx: Context, judge: Callable[[ClusterStatus], Observation]) -> Observation:
    """The verdict over the status of the cluster."""
    status = await spi.status_of(ctx)
    return decide(ctx, lambda trust: judge(status.trusted(trust)))


async def by_power(ctx: Context, node: Node, judge: Callable[[Reading[PowerState]], Observation]) -> Observation:
    """The verdict over the power state of a node."""
    return decide_by(ctx, await ctx.state_of(node), PowerState.UNKNOWN, judge)


async def by_health(
    ctx: Context, nodes: Sequence[Node], judge: Callable[[NodeHealth], Observation]
) -> dict[str, Observation]:
    """The verdict over the health of each node; a node without any is left out."""
    health = await spi.health_of(ctx, nodes) if nodes else {}
    return {name: decide(ctx, lambda trust, one=one: judge(one.trusted(trust))) for name, one in health.items()}  # type: ignore[misc]


async def status_of(ctx: Context) -> ClusterStatus:
    """The status of the cluster; readings too weak for a verdict are unknown in it."""
    return (await spi.status_of(ctx)).trusted(ctx.trust)


async def state_of_whole(ctx: Context) -> Reading[str]:
    """The state of the cluster with its source, for `decide_by`."""
    return (await spi.status_of(ctx)).state
