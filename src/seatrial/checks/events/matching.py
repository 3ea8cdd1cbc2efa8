"""Which events are the expected ones, which are missing, and which are too many."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from seatrial.errors import CannotTell
from seatrial.model.values import Expression
from seatrial.spi import Context

ABSENT = object()


@dataclass(frozen=True, kw_only=True)
class ExpectedEvent:
    """One expected event, or several alike."""

    expression_names: ClassVar[tuple[str, ...]] = ("event",)

    type: str = ""
    """Its type: the value of the event's `type_field`."""
    count: int = 1
    """How many of them: exactly."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Values by path, such as `user.name: anna`. Numbers in a path are places in a list."""
    that: Expression = Expression("")
    """CEL over `event`."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if self.count < 0:
            yield "count", "must be 0 or more"
        if not (self.type or self.fields or self.that):
            yield "", "which event is it? Give `type`, `fields` or `that`"

    def __str__(self) -> str:
        inside = ", ".join(f"{path}={value!r}" for path, value in self.fields.items())
        name = self.type or "event"
        return f"{name}({inside})" if inside else name


@dataclass(slots=True)
class Matches:
    """The result of one comparison."""

    missing: list[tuple[int, ExpectedEvent]] = field(default_factory=list)
    """Expectations, and for how many of each there is no event."""
    unmatched: list[int] = field(default_factory=list)
    """Places of events without an expectation."""
    extras: list[int] = field(default_factory=list)
    """Those among them that must not come."""
    broken: list[str] = field(default_factory=list)
    """Expressions without a value for an event: they cannot tell whether it is the expected one."""
    order: str = ""
    """How the order differs; empty: it is right, or nobody asked."""

    @property
    def complete(self) -> bool:
        """Whether each expected event has come."""
        return not self.missing


class Matcher:
    """Compares events with expectations; what it found of an event holds for later looks."""

    def __init__(self, ctx: Context, expected: Sequence[ExpectedEvent], type_field: str) -> None:
        self._ctx, self._expected, self._type_field = ctx, expected, type_field
        self._known: dict[tuple[int, str], bool | str] = {}

    async def match(self, events: Sequence[Mapping[str, Any]], *, ordered: bool, alone: bool) -> Matches:
        """Find an event for each expectation: as many as possible. Unless they come `alone`, further events are
        extras only if they are like an expected one."""
        found = Matches()
        fits = [[await self._fits(at, event, found) for event in events] for at in range(len(self._expected))]
        slots = [at for at, one in enumerate(self._expected) for _ in range(one.count)]
        of_event = _pairs(slots, fits, len(events))
        taken = [slots[slot] for slot in of_event.values()]
        for at, one in enumerate(self._expected):
            if lacking := one.count - taken.count(at):
                found.missing.append((lacking, one))
        found.unmatched = [place for place in range(len(events)) if place not in of_event]
        found.extras = [place for place in found.unmatched if alone or any(row[place] for row in fits)]
        if ordered and found.complete:
            found.order = self._order(events, slots, fits)
        return found

    async def _fits(self, at: int, event: Mapping[str, Any], found: Matches) -> bool:
        one = self._expected[at]
        if self.differences(one, event):
            return False
        if not one.that:
            return True
        key = (at, json.dumps(event, sort_keys=True, default=str))
        if key not in self._known:
            try:
                value = await self._ctx.evaluate(one.that, event=event)
                self._known[key] = value if isinstance(value, bool) else f"`{one.that}` returns {value!r}"
            except CannotTell as error:
                self._known[key] = str(error)
        known = self._known[key]
        if isinstance(known, str):
            found.broken.append(known)
            return False
        return known

    def _order(self, events: Sequence[Mapping[str, Any]], slots: list[int], fits: list[list[bool]]) -> str:
        """The first expectation whose event does not come after the one before it."""
        place = -1
        for at in slots:
            after = next((one for one in range(place + 1, len(events)) if fits[at][one]), None)
            if after is None:
                before = f"after event {place + 1}" if place >= 0 else "at all"
                came = ", ".join(str(self.type_of(event) or "event") for event in events[:20])
                return f"{self._expected[at]} did not come {before}; the order is {came}"
            place = after
        return ""

    def type_of(self, event: Mapping[str, Any]) -> object:
        """The type of an event; None: it has none."""
        value = at_path(event, self._type_field)
        return None if value is ABSENT else value

    def differences(self, one: ExpectedEvent, event: Mapping[str, Any]) -> list[str]:
        """How an event differs from an expectation, field by field, without its expression."""
        wrong = []
        if one.type and self.type_of(event) != one.type:
            wrong.append(f"{self._type_field} is {self.type_of(event)!r}, expected {one.type!r}")
        for path, wanted in one.fields.items():
            value = at_path(event, path)
            if value is ABSENT:
                wrong.append(f"{path} is missing, expected {wanted!r}")
            elif not same(value, wanted):
                wrong.append(f"{path} is {value!r}, expected {wanted!r}")
        return wrong

    def nearest(self, one: ExpectedEvent, events: Sequence[Mapping[str, Any]], places: Sequence[int]) -> str:
        """The event among these that is nearest to an expectation, and how it differs; empty: none is near."""
        ranked = []
        for place in places:
            wrong = self.differences(one, events[place])
            near = len(wrong) < (1 if one.type else 0) + len(one.fields)
            if near or (not wrong and one.that):
                of_type = not one.type or self.type_of(events[place]) == one.type
                ranked.append((not of_type, len(wrong), place, wrong or [f"`{one.that}` is false"]))
        if not ranked:
            return ""
        _, _, place, wrong = min(ranked)
        return f"event {place + 1} is nearest: {'; '.join(wrong)}"


def at_path(event: Any, path: str) -> Any:
    """The value at a path such as `user.roles.0`; ABSENT: there is none. A key with dots in its name comes first."""
    if isinstance(event, Mapping) and path in event:
        return event[path]
    head, _, rest = path.partition(".")
    if isinstance(event, Mapping):
        inner = event.get(head, ABSENT)
    elif isinstance(event, list) and head.isdigit() and int(head) < len(event):
        inner = event[int(head)]
    else:
        return ABSENT
    return at_path(inner, rest) if rest and inner is not ABSENT else inner


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same in JSON: 1 is 1.0, and is not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _pairs(slots: Sequence[int], fits: list[list[bool]], events: int) -> dict[int, int]:
    """The place of each event with an expectation, and the slot of that: as many pairs as there can be."""
    places = [[event for event in range(events) if row[event]] for row in fits]
    of_event: dict[int, int] = {}
    of_slot: dict[int, int] = {}
    free = [iter(each) for each in places]
    for slot, at in enumerate(slots):
        event = next((event for event in free[at] if event not in of_event), None)
        if event is not None:
            of_event[event], of_slot[slot] = slot, event
    hopeless: set[int] = set()
    for slot, at in enumerate(slots):
        if slot not in of_slot and at not in hopeless and not _moved_for(slot, slots, places, of_event, of_slot):
            hopeless.add(at)
    return of_event


def _moved_for(
    slot: int, slots: Sequence[int], places: Sequence[Sequence[int]], of_event: dict[int, int], of_slot: dict[int, int]
) -> bool:
    """Find an event for a slot by moving other slots to other events; False: there is none."""
    wanted_by: dict[int, int] = {}
    movers = [slot]
    for mover in movers:
        for event in places[slots[mover]]:
            if event in wanted_by:
                continue
            wanted_by[event] = mover
            if event in of_event:
                movers.append(of_event[event])
                continue
            last, place = -1, event
            while last != slot:
                last = wanted_by[place]
                before = of_slot.get(last, -1)
                of_event[place], of_slot[last] = last, place
                place = before
            return True
    return False
