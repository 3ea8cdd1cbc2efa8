"""What each question to Prometheus has in common: the label, the wait for a scrape, and why there is no data."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from seatrial.checks.prometheus.values import first
from seatrial.errors import CannotTell, Overrun
from seatrial.links.prometheus import Prometheus, Series
from seatrial.links.prometheus.promql import Selector, labelled, quoted, selectors
from seatrial.model.result import Category, Observation, failed, unknown
from seatrial.spi import Context

MOST_NAMES = 100
"""Metrics that one pattern may choose."""

PAST = "1h"
"""How far to look back for a series that is gone."""


@dataclass(slots=True)
class Asking:
    """The questions of one look."""

    ctx: Context
    server: Prometheus
    label: str
    """Empty: the query is not limited to the trial."""
    value: str
    recorded: Sequence[str]
    no_data: str
    """The verdict without data."""

    def own(self, query: str) -> str:
        """The query, limited to the trial."""
        return labelled(query, self.label, self.value, self.recorded) if self.label else query

    # Waiting

    async def wait_for_scrape(self, query: str, since: float, within: float) -> Observation | None:
        """Wait until every series of a query has a sample from after `since`; the observation when that is not so in
        time. Without series, the targets with the label must have been scraped; without those too, the first scrape is
        awaited, and None says that there is no data."""
        last: list[str] = []
        unborn: list[str] = []

        async def look() -> bool | None:
            new: list[str] = []
            # A look that the deadline cuts off leaves the answers of the one before.
            last[:] = [late for selector in selectors(query) if (late := await self._late(selector, since, new))]
            unborn[:] = new
            return None if last or unborn else True

        try:
            await self.ctx.poll(look, deadline=within, what="the next scrape")
        except Overrun:
            if unborn and not last:
                return None
            why = f"not scraped since {clock(since)}, within {within:g} s: {'; '.join(last) or 'no answer came'}"
            return unknown(await self._and_targets(why), seen="not scraped")
        return None

    async def _late(self, selector: Selector, since: float, unborn: list[str]) -> str:
        """What of a selector has no sample since then; empty: all have. `unborn` takes an unknown one."""
        if selector.moved:
            return ""
        if stamps := await self.stamps(selector, self.own(selector.text)):
            return _older(selector, stamps, since)
        targets = [series.value for series in await self._of_targets()]
        if targets and min(targets) <= since:
            return f"{selector.text} has no series, and the last scrape of its targets was at {clock(min(targets))}"
        if targets or not self.label:
            return ""
        # Without the label, they may be another run's: only the next scrape tells whether this run's have none, too.
        if (bare := self._bare(selector)) and (stamps := await self.stamps(selector, bare)):
            return _older(selector, stamps, since)
        unborn.append(selector.text)
        return ""

    async def stamps(self, selector: Selector, query: str) -> list[Series]:
        """The series of a query for a selector, with the time of the last sample as the value."""
        if selector.name:
            return await self.server.query(f"timestamp({query})")
        found = await self.server.query(query)
        metrics = sorted({series.labels.get("__name__", "") for series in found})
        if len(metrics) > MOST_NAMES:
            raise CannotTell(f"`{selector.text}` selects {len(metrics)} metrics, allowed are {MOST_NAMES}: name them")
        narrow = (labelled(query, "__name__", metric) for metric in metrics)
        return [series for one in narrow for series in await self.server.query(f"timestamp({one})")]

    async def _of_targets(self) -> list[Series]:
        return await self.server.query(f"timestamp({self._up()})")

    def _up(self) -> str:
        return f"up{{{self.label}={quoted(self.value)}}}" if self.label else "up"

    # Without data

    async def blind(self, query: str) -> Observation | None:
        """Why a query's value says nothing: one of its selectors has no series, as in `x or vector(0)`, and no
        target of the trial is scraped. None: it says something."""
        for selector in selectors(query):
            if await self.server.query(self.own(selector.text)):
                continue
            if bare := await self._without_label(selector):
                return failed("no label", "", bare, Category.TEST)
            if not await self.server.query(self._up()):
                limited = f" with {self._shown_label()}, and no target with it" if self.label else ", and no target"
                why = f"{selector.text} has no series{limited} is scraped"
                return unknown(f"the value says nothing: {why}", seen="no data")
        return None

    async def no_data_of(self, query: str) -> Observation:
        """Why a query without a result has none: gone, without the label, of others only, or never there."""
        reasons = []
        for selector in selectors(query):
            if await self.server.query(self.own(selector.text)):
                continue
            if gone := await self._gone(selector):
                reasons.append(gone)
                continue
            if bare := await self._without_label(selector):
                return failed("no data", "", bare, Category.TEST)
            reasons.append(await self._never(selector))
        why = "; ".join(reasons) or "the query returns nothing, though its selectors have series"
        why = await self._and_targets(f"no data: {why}")
        return failed("no data", "", why) if self.no_data == "failed" else unknown(why, seen="no data")

    async def _gone(self, selector: Selector) -> str:
        """When a selector without series had its last sample; empty: not in the last hour, or it is a pattern."""
        if not selector.name or selector.moved:
            return ""
        past: list[Series] = []
        with suppress(CannotTell):  # too many samples: then nothing is said of them
            past = await self.server.query(f"{self.own(selector.text)}[{PAST}]")
        last = max((series.points[-1][0] for series in past), default=0.0)
        return f"{selector.text} is stale: its last sample is of {clock(last)}" if last else ""

    async def _without_label(self, selector: Selector) -> str:
        """Which series lack the label, if any do; the guard over metrics that belong to nobody."""
        query = self._bare(selector)
        bare = await self.server.query(query) if query else ()
        if not bare:
            return ""
        return (
            f"{first(bare)} carries no label {self.label}, so nobody can tell it from other runs' metrics: "
            f"have your scrape configuration or your program set {self._shown_label()}"
        )

    def _bare(self, selector: Selector) -> str:
        """The query for series without the label; empty: they do not count."""
        if not self.label or self.own(selector.text) == selector.text:
            return ""
        return labelled(selector.text, self.label, "")

    async def _never(self, selector: Selector) -> str:
        text = f"{selector.text} has no series"
        if not self.label:
            return text
        others = await self.server.query(selector.text)
        values = sorted({series.labels.get(self.label, "") for series in others} - {""})
        more = f"; {len(values)} other runs have some" if values else ""
        return f"{text} with {self._shown_label()}{more}"

    async def _and_targets(self, why: str) -> str:
        down: list[str] = []
        with suppress(CannotTell):  # other servers that speak PromQL have no targets
            down = await self.server.targets_down(self.label, self.value)
        return f"{why}; target down: {self.ctx.masked('; '.join(down[:3]))}" if down else why

    def _shown_label(self) -> str:
        return f"{self.label}={quoted(self.value)}"


def _older(selector: Selector, stamps: Sequence[Series], since: float) -> str:
    """Which last sample is not from after a time; empty: all are."""
    oldest = min(stamps, key=lambda series: series.value)
    name = selector.name or oldest
    return "" if oldest.value > since else f"the last sample of {name} is of {clock(oldest.value)}"


def clock(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%H:%M:%S.%f")[:-3] + "Z"
