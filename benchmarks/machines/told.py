"""A number beside its limit, and how it is printed."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Told:
    """One comparison: `number` must not be over `limit`, both in `unit`."""

    name: str
    what: str
    """How the number comes about, for the line that is printed."""
    number: float
    limit: float
    unit: str
    rows: Mapping[str, Sequence[float]]
    """Seconds of every turn, by what was measured."""
    notes: Sequence[str] = ()

    @property
    def within(self) -> bool:
        """Whether it is no more than the limit."""
        return self.number <= self.limit


def show(told: Told) -> None:
    print(f"\n{told.name}    (load {os.getloadavg()[0]:.1f})")
    for name, seconds in told.rows.items():
        low, high = min(seconds), max(seconds)
        print(f"  {name:44} {amount(median(seconds)):>10}   fastest {amount(low)}, slowest {amount(high)}")
    word = "within" if told.within else "OVER"
    space = "" if told.unit == "×" else " "
    limit = f"{told.limit:g}{space}{told.unit}"
    print(f"  {told.what} = {told.number:.3g}{space}{told.unit}: {word} the limit of {limit}")
    for note in told.notes:
        print(f"  {note}")
    print(end="", flush=True)


def amount(seconds: float) -> str:
    return f"{seconds:.2f} s" if abs(seconds) >= 1 else f"{seconds * 1000:.1f} ms"


def median(seconds: Sequence[float]) -> float:
    return statistics.median(seconds)
