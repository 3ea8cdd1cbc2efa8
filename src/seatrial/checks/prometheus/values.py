"""What is expected of the values of a query."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from seatrial.checks.content import holds
from seatrial.links.prometheus import Series
from seatrial.model.result import Observation, failed, passed, unknown
from seatrial.spi import Context

SHOWN = 20
"""Series shown at most."""

COMPARE: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq, "!=": operator.ne, ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What each series, or all of them, must be."""

    operator: str = ""
    """Of the query itself: it compares with `number`."""
    number: float = 0.0
    equals: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    count: int | None = None
    that: str = ""

    def __str__(self) -> str:
        parts = [f"{sign} {number:.10g}" for sign, number in self._comparisons()]
        parts += [f"{self.count} series"] if self.count is not None else []
        return " and ".join([*parts, *([self.that] if self.that else [])])

    def _comparisons(self) -> Iterable[tuple[str, float]]:
        pairs = ((self.operator, self.number), ("==", self.equals), (">=", self.at_least), ("<=", self.at_most))
        return ((sign, number) for sign, number in pairs if sign and number is not None)

    def broken_by(self, value: float) -> str:
        """The comparison that a value does not meet; empty: it meets all."""
        for sign, number in self._comparisons():
            if not COMPARE[sign](value, number):
                return f"{sign} {number:.10g}"
        return ""

    async def judge(self, ctx: Context, found: Sequence[Series], no_data: str) -> Observation:
        """The verdict over the values of at least one series; NaN, as of 0/0, counts as no data."""
        seen = shown(found)
        if empty := [series for series in found if math.isnan(series.value)]:
            why = f"no data: {first(empty)} is NaN, as of 0/0"
            return failed(seen, str(self), why) if no_data == "failed" else unknown(why, str(self), seen)
        if self.count is not None and len(found) != self.count:
            return failed(seen, str(self), f"{len(found)} series, expected {self.count}")
        wrong = [(series, rule) for series in found if (rule := self.broken_by(series.value))]
        if wrong:
            series, rule = wrong[0]
            more = f"; {len(wrong)} of {len(found)} series are wrong" if len(found) > 1 else ""
            return failed(seen, str(self), f"{series} is {series.value:.10g}, expected {rule}{more}")
        if self.that:
            return await holds(ctx, self.that, seen, **names(found))
        return passed(seen, str(self))


def names(found: Sequence[Series]) -> dict[str, object]:
    """The names of an expression."""
    each = [
        {"labels": series.labels, "value": series.value, "values": [value for _, value in series.points]}
        for series in found
    ]
    values = [value for series in found for _, value in series.points]
    return {"value": values[0] if len(values) == 1 else None, "values": values, "series": each, "count": len(found)}


def shown(found: Sequence[Series]) -> object:
    """The values, for results: of one series without labels its value."""
    if len(found) == 1:
        return found[0].value
    return {str(series): series.value for series in found[:SHOWN]} | (
        {"…": f"{len(found) - SHOWN} more series"} if len(found) > SHOWN else {}
    )


def first(series: Sequence[Series]) -> str:
    """The first of some series, and how many more there are."""
    more = f" and {len(series) - 1} more" if len(series) > 1 else ""
    return f"{series[0]}{more}"
