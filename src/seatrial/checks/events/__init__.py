"""Whether the expected events have come: all of them, no other, in order, with the right content."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from seatrial.checks.content import shown
from seatrial.checks.events.kubernetes import KubernetesEvents
from seatrial.checks.events.matching import ABSENT, ExpectedEvent, Matcher, Matches, at_path, same
from seatrial.checks.events.payload import Payload
from seatrial.checks.events.sources import Event, HttpEvents, LogEvents, SqlEvents
from seatrial.errors import CannotTell, Overrun, StepFailed
from seatrial.model.result import Category, Observation, failed, passed, unknown
from seatrial.model.values import Duration
from seatrial.registry import check
from seatrial.spi import Context

SAID = 5
"""Differences that a message names."""

SOURCES = ("http", "sql", "log", "kubernetes")


@check("events")
@dataclass(frozen=True, kw_only=True)
class Events:
    """The expected events come, each as often as expected, and no others: in a list of an HTTP API, a database, a
    log, or among the events of Kubernetes."""

    expression_names: ClassVar[tuple[str, ...]] = ("event", "json", "headers", "url")
    may_be_written_empty: ClassVar[tuple[str, ...]] = ("expect",)

    expect: tuple[ExpectedEvent, ...]
    """The expected events. An empty list: none."""
    http: HttpEvents | None = None
    """Read them from an HTTP API."""
    sql: SqlEvents | None = None
    """Read them from a database."""
    log: LogEvents | None = None
    """Read them from a log of JSON lines."""
    kubernetes: KubernetesEvents | None = None
    """Read the events of a cluster: of the trial's own namespace, if the system is in one (`kubernetes: {}`)."""
    where: Mapping[str, Any] = field(default_factory=dict)
    """Values by path, such as `run_id: ${{ trial.id }}`: only events with them count."""
    type_field: str = ""
    """The path of an event's type; default: `type`, of Kubernetes' events `reason`."""
    time_field: str = ""
    """The path of an event's time, for messages; of Kubernetes' events `time` by default."""
    unique: str = ""
    """A path whose value no two events share, such as `id`."""
    ordered: bool = False
    """The events come in the order of `expect`."""
    others: Literal["refuse", "allow"] = "refuse"
    """Whether further events are allowed."""
    payloads: Payload | tuple[Payload, ...] = ()
    """Schemas that the events must meet."""
    within: Duration = Duration(30.0)
    """The maximum time until all of them have come."""
    settle: Duration = Duration(2.0)
    """The time after that in which no further event may come."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            yield given[1] if given else "", f"give exactly one of {', '.join(f'`{name}`' for name in SOURCES)}"
        if self.others == "allow" and not any(one.count for one in self.expect):
            yield "expect", "nothing is expected, and other events are allowed: no event could make it fail"
        expected = {one.type for one in self.expect if one.count}
        types = {name for payload in self._payloads for name in payload.types or expected}
        known = all(expected) and not any("$" in name for name in expected | types)
        if types and expected and known and not expected & types:
            yield "payloads", f"no event of type {' or '.join(sorted(types))} is expected: nothing would be validated"
        if self.ordered and any(one.count == 0 for one in self.expect):
            yield "ordered", "an event with `count: 0` has no place in an order"

    def check_system(self, system: type[Any], settings: Any) -> Iterable[tuple[str, str]]:
        return self.kubernetes.check_system(system, settings) if self.kubernetes is not None else ()

    def asks_others(self, ctx: Context) -> bool:
        return self._source.asks_others(ctx)

    async def observe(self, ctx: Context) -> Observation:
        """Look until all have come and nothing changes for a while; unknown if the last look could not read them."""
        look = _Look(self, ctx, Matcher(ctx, self.expect, self._type_field))
        try:
            await ctx.poll(look.complete, deadline=self.within, what="the expected events")
        except Overrun:
            await look.complete()  # the time limit may have cut off the only look, or one that knew more
        if not look.trouble and look.matches.complete:
            await look.settle(self.settle)
        return look.trouble or await self._judged(ctx, look)

    @property
    def _source(self) -> HttpEvents | SqlEvents | LogEvents | KubernetesEvents:
        source = self.http or self.sql or self.log or self.kubernetes
        assert source is not None
        return source

    @property
    def _type_field(self) -> str:
        return self.type_field or ("type" if self.kubernetes is None else "reason")

    @property
    def _payloads(self) -> tuple[Payload, ...]:
        return self.payloads if isinstance(self.payloads, tuple) else (self.payloads,)

    async def read(self, ctx: Context) -> list[Event]:
        """The events that count."""
        events = await self._source.read(ctx)
        return [
            event for event in events if all(same(at_path(event, path), value) for path, value in self.where.items())
        ]

    def doubled(self, events: Sequence[Event]) -> str:
        """Which two events share a value that must be unique; empty: none do."""
        seen: dict[str, int] = {}
        for place, event in enumerate(events if self.unique else ()):
            value = at_path(event, self.unique)
            if value is ABSENT:
                return f"event {place + 1} has no {self.unique}"
            first = seen.setdefault(json.dumps(value, sort_keys=True, default=str), place)
            if first != place:
                return f"event {place + 1} is a duplicate of event {first + 1}: {self.unique} is {value!r} in both"
        return ""

    async def _judged(self, ctx: Context, look: _Look) -> Observation:
        events, matches, expected = look.events, look.matches, self._expected()
        seen = look.counts()
        why = [*self._missing(look), *self._extra(ctx, look), *([look.double] if look.double else ())]
        if matches.missing and matches.broken:
            return unknown(f"{'; '.join(why[:SAID])}; not comparable: {matches.broken[0]}", expected, seen)
        why += [f"wrong order: {matches.order}"] if matches.order else []
        mine = [place for place in range(len(events)) if place not in matches.unmatched]
        places = mine if self.others == "allow" else list(range(len(events)))
        for payload in self._payloads:
            why += await payload.wrong(ctx, events, self._type_field, places)
        if not why:
            unclear = self.kubernetes.unclear([events[place] for place in places]) if self.kubernetes else ""
            return unknown(unclear, expected, seen) if unclear else passed(seen, expected)
        more = f"; and {len(why) - SAID} more differences" if len(why) > SAID else ""
        late = matches.missing and not matches.extras and not look.double
        text = ctx.masked("; ".join(why[:SAID])) + more + f"; {self._last(ctx, events)}"
        return failed(seen, expected, text, Category.TIMEOUT if late and not events else "")

    def _missing(self, look: _Look) -> Iterable[str]:
        places = look.matches.unmatched
        for lacking, one in look.matches.missing:
            nearest = look.matcher.nearest(one, look.events, places)
            yield f"{one} is missing ({one.count - lacking} of {one.count} came){nearest and f', {nearest}'}"

    def _extra(self, ctx: Context, look: _Look) -> Iterable[str]:
        for place in look.matches.extras:
            text = json.dumps(look.events[place], ensure_ascii=False, default=str)
            yield f"event {place + 1} is one too many: {shown(ctx, text)}"

    def _last(self, ctx: Context, events: Sequence[Event]) -> str:
        if not events:
            return f"no event came within {self.within:g} s"
        path = self.time_field or ("" if self.kubernetes is None else "time")
        when = at_path(events[-1], path) if path else ABSENT
        return f"{len(events)} events came" + (f", the last one at {when}" if when is not ABSENT else "")

    def _expected(self) -> object:
        each = [f"{one.count} {one}" for one in self.expect]
        return {"events": each or ["none"], "others": self.others}


@dataclass(slots=True)
class _Look:
    """The last look at a source, and what the looks before it knew."""

    check: Events
    ctx: Context
    matcher: Matcher
    events: list[Event] = field(default_factory=list)
    matches: Matches = field(default_factory=Matches)
    double: str = ""
    trouble: Observation | None = None

    async def complete(self) -> bool | None:
        """Look; True once all events have come, or one that must not come."""
        try:
            events = await self.check.read(self.ctx)
        except StepFailed as error:
            self.trouble = failed("no events", self.check._expected(), str(error))
            return None
        except CannotTell as error:
            self.trouble = unknown(str(error), self.check._expected(), "no events")
            return None
        if len(events) < len(self.events):
            why = f"the source had {len(self.events)} events, and now has {len(events)}: it was cut or rotated"
            self.trouble = unknown(why, self.check._expected(), len(events))
            return None
        self.trouble, self.events = None, events
        self.matches = await self.matcher.match(events, ordered=self.check.ordered, alone=self.check.others == "refuse")
        self.double = self.check.doubled(events)
        return True if self.matches.complete else None

    async def settle(self, seconds: float) -> None:
        """Look on for a while, and once more at its end; stop at the first event that must not come."""
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        while not self.matches.extras and not self.double:
            left = end - clock()
            await asyncio.sleep(max(0.0, min(left, max(0.05, seconds / 5))))
            await self.complete()
            if left <= 0:
                return

    def counts(self) -> dict[str, int]:
        """How many events of each type came."""
        counts: dict[str, int] = {}
        for event in self.events:
            name = str(self.matcher.type_of(event) or "event")
            counts[name] = counts.get(name, 0) + 1
        return counts
