"""A fact about a node or the cluster, with its source, its author and its time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import field, replace
from enum import StrEnum
from typing import Generic, Literal, TypeVar

from seatrial.model.frozen import frozen

__all__ = ["Health", "Reading", "Source", "Trust", "absent", "concluded", "measured", "remembered", "reported"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Source(StrEnum):
    """The source of a value, the best first."""

    MEASURED = "measured"
    """Seatrial looked: over a link, with a probe, through the API of the node's host."""
    REPORTED = "reported"
    """Another program reported it: a deployer's status or inventory, the result of a workflow."""
    REMEMBERED = "remembered"
    """It follows from Seatrial's own actions: deployed, stopped, destroyed."""
    ABSENT = "absent"
    """There is no value: nothing was declared or measured, or the measurement failed. `why` has the reason; a value
    other than unknown is an assumption."""


class Health(StrEnum):
    """Not-ok and could-not-measure are different values, from the wire to the report."""

    OK = "ok"
    NOT_OK = "not_ok"
    UNKNOWN = "unknown"


def _now() -> float:
    import asyncio

    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()


@frozen(kw_only=False)
class Reading(Generic[T_co]):
    """One known fact. Comparison ignores the time."""

    value: T_co
    source: Source
    by: str = ""
    """The author of the value: `the deployer's status`, `the provider libvirt`; empty: Seatrial itself."""
    why: str = ""
    """The reason for a bad or absent value."""
    when: float = field(default_factory=_now, compare=False)
    """Seconds of the event loop's clock. The journal uses the same clock; it may be a virtual one."""
    disputed: str = ""
    """The report that contradicts this measurement, in words: no check passes by it."""

    @property
    def ok(self) -> bool:
        """Whether the value is Health.OK."""
        return self.value is Health.OK


def measured(value: T, why: str = "", *, by: str = "") -> Reading[T]:
    """Seatrial looked for the value itself."""
    return Reading(value, Source.MEASURED, by, why)


def reported(value: T, why: str = "", *, by: str) -> Reading[T]:
    """Another program gave the value."""
    return Reading(value, Source.REPORTED, by, why)


def remembered(value: T, why: str) -> Reading[T]:
    """The value follows from Seatrial's own actions."""
    return Reading(value, Source.REMEMBERED, "", why)


def absent(value: T, why: str, *, by: str = "") -> Reading[T]:
    """There is no value: `value` is the unknown one, or an assumption; `by` did not answer."""
    return Reading(value, Source.ABSENT, by, why)


def concluded(value: T, why: str, readings: Iterable[Reading[object]]) -> Reading[T]:
    """A conclusion: as good as the weakest of its readings, and as old as the oldest."""
    grounds = list(readings)
    if not grounds:
        return absent(value, why)
    source = max((reading.source for reading in grounds), key=_RANKS.__getitem__)
    by = ", ".join(dict.fromkeys(reading.by for reading in grounds if reading.by))
    disputed = "; ".join(dict.fromkeys(reading.disputed for reading in grounds if reading.disputed))
    return Reading(value, source, by, why, min(reading.when for reading in grounds), disputed)


_RANKS = {source: rank for rank, source in enumerate(Source)}

Trust = Literal["measured", "reported"]
"""The weakest source under a verdict: a document says `trust: reported` where another program's word is enough."""

Weight = Literal["measured", "reported", "undisputed"]
"""`undisputed`: a report is enough, and a measurement that a report contradicts is worth nothing."""


def decides(reading: Reading[object], trust: Weight) -> bool:
    """Whether a verdict may rest on this reading. Every check asks this; the rule is only here."""
    if trust == "undisputed":
        return not reading.disputed and decides(reading, "reported")
    return _RANKS[reading.source] <= _RANKS[Source(trust)]


def trusted(reading: Reading[T], unknown: T, trust: Weight) -> Reading[T]:
    """The reading if a verdict may rest on it, else the unknown value with the reason."""
    if decides(reading, trust):
        return reading
    return replace(reading, value=unknown, source=Source.ABSENT, why=_not_enough(reading))


def _not_enough(reading: Reading[object]) -> str:
    if reading.disputed:
        return f"a contradiction: Seatrial measured {reading.value}, but {reading.disputed}"
    if reading.source is Source.ABSENT:
        return reading.why
    why = f" ({reading.why})" if reading.why else ""
    if reading.source is Source.REPORTED:
        return f"{reading.by or 'another program'} reports {reading.value}, and Seatrial measured nothing{why}"
    return f"only Seatrial's own actions suggest {reading.value}, and nothing was measured{why}"
