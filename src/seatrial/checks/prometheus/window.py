"""An expectation over a window of time: it holds at each moment, and there is data at each moment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from seatrial.checks.content import holds
from seatrial.checks.prometheus.asking import Asking, clock
from seatrial.checks.prometheus.values import SHOWN, Expectation, names
from seatrial.links.prometheus import POINTS, Series
from seatrial.links.prometheus.promql import counted
from seatrial.model.result import Observation, failed, passed, unknown

MOMENTS = 2000
"""The moments of a window, unless the document says otherwise."""


async def observe_window(
    asking: Asking, text: str, query: str, expected: Expectation, window: tuple[float, float], step: float | None
) -> Observation:
    """The verdict over all values of a query between two times of the server's clock."""
    start, end = window
    if end <= start:
        return unknown(f"the window begins at {clock(start)}, after its end {clock(end)}", str(expected))
    step = max(1.0, (end - start) / MOMENTS) if step is None else step
    if step <= 0 or (end - start) / step > POINTS - 1:
        return unknown(f"a step of {step:g} s gives more than {POINTS} moments", str(expected))
    # From the end backward, so that its last moment is the newest.
    count = math.floor((end - start) / step)
    moments = [end - step * (count - at) for at in range(count + 1)]
    found = await asking.server.query_range(query, moments[0], end, step)
    if not found:
        return replace(await asking.no_data_of(text), expected=str(expected))
    if blind := await asking.blind(text):
        return replace(blind, expected=str(expected))
    if gap := _gap(found, moments, step):
        why = f"no data {gap}: the window from {clock(moments[0])} to {clock(end)} has a gap"
        return (failed("a gap", str(expected), why) if asking.no_data == "failed"
                else unknown(why, str(expected), "a gap"))  # fmt: skip
    plain = counted(query)
    if plain is not None and (plain.by, plain.without) == (None, None):
        # The samples themselves: none of them falls between two moments.
        samples = await asking.server.query(f"{plain.selector}[{math.ceil(end - moments[0])}s]", at=end)
        found = samples or found
    return await _judged(asking, found, expected)


async def _judged(asking: Asking, found: Sequence[Series], expected: Expectation) -> Observation:
    seen = {str(series): _range(series) for series in found[:SHOWN]}
    if expected.count is not None and len(found) != expected.count:
        return failed(seen, str(expected), f"{len(found)} series, expected {expected.count}")
    for series in found:
        for when, value in series.points:
            if math.isnan(value):
                return unknown(f"no data: {series} is NaN at {clock(when)}, as of 0/0", str(expected), seen)
            if rule := expected.broken_by(value):
                why = f"{series} was {value:.10g} at {clock(when)}, expected {rule} at each moment"
                return failed(seen, str(expected), why)
    if expected.that:
        return await holds(asking.ctx, expected.that, seen, **names(found))
    return passed(seen, str(expected))


def _gap(found: Sequence[Series], moments: Sequence[float], step: float) -> str:
    """When there is no data; empty: always. A series may begin or end within the window if others exist."""
    times = sorted({round(when, 3) for series in found for when, _ in series.points})
    if times[0] - moments[0] > step / 2:
        return f"before {clock(times[0])}"
    if moments[-1] - times[-1] > step / 2:
        return f"after {clock(times[-1])}"
    for name, series in (("", times), *((str(one), [when for when, _ in one.points]) for one in found)):
        for before, after in pairwise(series):
            if after - before > step * 1.5:
                return f"{name and f'of {name} '}between {clock(before)} and {clock(after)}"
    return ""


def _range(series: Series) -> str:
    values = [value for _, value in series.points]
    return f"{min(values):.10g} to {max(values):.10g} ({len(values)} values)"
