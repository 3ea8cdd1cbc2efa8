"""The increase of a counter since a time, counted sample by sample: exact, where PromQL's `increase` extrapolates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

from seatrial.checks.prometheus.asking import Asking, clock
from seatrial.errors import CannotTell
from seatrial.links.prometheus import Series
from seatrial.links.prometheus.promql import counted, selectors
from seatrial.model.result import Observation, unknown

LOOKBACK = 300
"""Seconds for which Prometheus lets a sample stand for a series."""


async def increase(asking: Asking, query: str, since: float, now: float) -> list[Series] | Observation:
    """The increase of each series, or of each group of a sum, between two times of the server's clock; empty: there is
    no series. A series that began after the time counts from 0, as a new process does."""
    plan = counted(query)
    assert plan is not None
    if since > now:
        return unknown(f"the time {clock(since)} is in the future: it is {clock(now)} at the server", seen="no data")
    for metric in {selector.name for selector in selectors(plan.selector)} - {""}:
        kinds: set[str] = set()
        with suppress(CannotTell):  # nothing more is known of it
            kinds = await asking.server.kinds(metric)
        if kinds & {"gauge"} and "counter" not in kinds:
            return unknown(f"{metric} is a gauge: only a counter has an increase", seen="a gauge")
    window = math.ceil(now - since) + LOOKBACK
    found = await asking.server.query(f"{plan.selector}[{window}s]", at=now)
    if not found:
        return []
    born = [series for series in found if series.points[0][0] > since]
    if born and not await asking.server.query("count(up)", at=since):
        return unknown(
            f"{born[0]} has no sample from before {clock(since)}, and neither has anything else: Prometheus does not "
            "know the time, so it cannot tell an increase since then",
            seen="no data",
        )
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    for series in found:
        whole = plan.by is None and plan.without is None
        group = tuple(sorted(series.labels.items())) if whole else plan.group(series.labels)
        sums[group] = sums.get(group, 0.0) + grown(series.points, since)
    return [Series(labels=dict(group), points=((now, value),)) for group, value in sums.items()]


def grown(points: Sequence[tuple[float, float]], since: float) -> float:
    """The increase of a counter after a time. It starts at its last value before; a value below the one before it is a
    reset, and counts whole."""
    before = [value for when, value in points if when <= since]
    last, total = (before[-1] if before else 0.0), 0.0
    for when, value in points:
        if when > since:
            total += value - last if value >= last else value
            last = value
    return total
