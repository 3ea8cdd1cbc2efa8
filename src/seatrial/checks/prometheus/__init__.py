"""Whether metrics of this trial have the right values, or an alert the right state, as Prometheus has them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from seatrial.checks.prometheus.alerts import observe_alert
from seatrial.checks.prometheus.asking import Asking
from seatrial.checks.prometheus.contamination import PrometheusAuditor
from seatrial.checks.prometheus.increase import increase
from seatrial.checks.prometheus.values import Expectation
from seatrial.checks.prometheus.window import observe_window
from seatrial.links.prometheus import Prometheus
from seatrial.links.prometheus.promql import comparison, counted, labelled, parsed
from seatrial.model.result import Observation
from seatrial.model.values import Duration, Expression, Timeout
from seatrial.registry import check
from seatrial.spi import Context
from seatrial.spi.check import is_ours

EXPECTATIONS = ("equals", "at_least", "at_most")

LABEL = "e2e_run_id"


@check("prometheus")
@dataclass(frozen=True, kw_only=True)
class PrometheusCheck:
    """A query over the metrics of this trial has the right value: `prometheus:sum(orders_total) == 3`. No data is
    never a pass."""

    expression_names: ClassVar[tuple[str, ...]] = ("value", "values", "series", "count")
    may_be_empty: ClassVar[tuple[str, ...]] = ("headers",)
    may_be_written_empty: ClassVar[tuple[str, ...]] = ("label", "recorded")

    query: str = ""
    """A query in PromQL. Seatrial puts the trial's label into each of its selectors. If it ends with a comparison with
    a number, as in `up == 1`, that is the expectation: each series must have such a value."""
    alert: str = ""
    """In place of `query`: the name of an alerting rule."""
    state: Literal["firing", "pending", "inactive"] = "firing"
    """The expected state of the alert, over the alerts with the trial's label."""
    url: str = ""
    """The URL of the Prometheus server; usually it is in `[checks.prometheus]` of `seatrial.toml`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers to send, such as `Authorization: Bearer ${{ secrets.TOKEN }}`."""
    label: str = LABEL
    """The name of the trial's label in your metrics. Empty: the query is not limited to this trial, as for shared
    infrastructure."""
    label_value: str = ""
    """The value of the label; default: the trial's id, `E2E_RUN_ID`."""
    recorded: str | tuple[str, ...] = ()
    """Names or patterns, such as `job:*`, of recording rules without the label: their selectors stay as they are."""
    equals: float | None = None
    """The value that each series must have."""
    at_least: float | None = None
    """The minimum value of each series."""
    at_most: float | None = None
    """The maximum value of each series."""
    count: int | None = None
    """The exact number of series; by default at least one."""
    that: Expression = Expression("")
    """CEL over `value` (of the only series, else null), `values` (a list), `series` (a list of maps with `labels`,
    `value`, `values`), `count`."""
    increase_since: float | None = None
    """A time such as `${{ steps.mark.outputs.time }}` or `${{ trial.start }}`: the value is the increase of a counter
    since then, counted sample by sample, with its resets. The query is a selector or the `sum` of one."""
    always_since: float | None = None
    """A time: the expectation must hold at each moment since then."""
    always_for: Duration | None = None
    """A duration: the expectation must hold at each moment of the last so many seconds."""
    step: Duration | None = None
    """The time between two moments of `always_since` and `always_for`; default: 1 s, and at most 2000 moments."""
    fresh: bool = True
    """Wait until each series has a sample scraped after the check began to look. With `false`, a sample from before
    will do."""
    scraped_since: float | None = None
    """A time: samples from after it will do, in place of the time at which the check began to look."""
    scrape_within: Timeout = Timeout(90.0)
    """The maximum time to wait for the next scrape."""
    no_data: Literal["unknown", "failed"] = "unknown"
    """The verdict without data. Metrics without the trial's label are always a failure."""
    timeout: Timeout = Timeout(10.0)
    """Time limit for each answer of the server."""

    text_pattern: ClassVar[str] = ":.+"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        if not rest.startswith(":") or not rest[1:].strip():
            raise ValueError("missing query; allowed: prometheus:QUERY COMPARISON NUMBER, like prometheus:up == 1")
        return {"query": rest[1:].strip()}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if not self.url:
            yield "url", "missing URL of Prometheus: write it here, or in [checks.prometheus] of seatrial.toml"
        elif urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            yield "url", "invalid URL; allowed: http://HOST[:PORT], https://HOST[:PORT]"
        if bool(self.query) == bool(self.alert):
            yield "query", "give exactly one of `query` and `alert`"
        elif self.query:
            yield from self._wrong_query()
        else:
            for key in (*EXPECTATIONS, "count", "that", "increase_since", "always_since", "always_for"):
                if getattr(self, key) not in (None, ""):
                    yield key, f"`{key}` is for a query; of an alert the `state` is expected"
        if self.count is not None and self.count < 1:
            yield "count", "must be at least 1: without series there is no data, and no data never passes"

    def _wrong_query(self) -> Iterable[tuple[str, str]]:
        try:
            parsed(self.query)
        except ValueError as error:
            yield "query", str(error)
            return
        compared = comparison(self.query)
        given = [key for key in EXPECTATIONS if getattr(self, key) is not None]
        if compared and given:
            yield given[0], f"the query already compares with {compared[2]:g}: keep one of the two"
        if "equals" in given and len(given) > 1:
            yield given[1], "`equals` already is the value: keep one of the two"
        if not compared and not given and not self.that and self.count is None:
            yield "", "nothing is expected: end the query with a comparison (`up == 1`), or give `equals`, `that`, …"
        windows = [key for key in ("increase_since", "always_since", "always_for") if getattr(self, key) is not None]
        for extra in windows[1:]:
            yield extra, f"`{windows[0]}` already is the time: keep one of the two"
        if self.increase_since is not None and counted(compared[0] if compared else self.query) is None:
            yield "query", "with `increase_since` the query is a selector or `sum by (…) (SELECTOR)`"

    def asks_others(self, ctx: Context) -> bool:
        return not is_ours(ctx, urlsplit(self.url).hostname or "")

    async def observe(self, ctx: Context) -> Observation:
        """One look, after the next scrape; unknown if Prometheus cannot tell."""
        from seatrial.links.http import Web

        if parts := urlsplit(self.url).password:
            ctx.secret(parts)
        async with Web() as web:
            server = Prometheus(web=web, url=self.url, headers=self.headers, timeout=self.timeout)
            before = time.time()
            ahead = await server.now() - (before + time.time()) / 2
            recorded = (self.recorded,) if isinstance(self.recorded, str) else self.recorded
            value = self.label_value or ctx.trial_id
            asking = Asking(ctx, server, self.label, value, recorded, self.no_data)
            since = (before if self.scraped_since is None else self.scraped_since) + ahead
            self._audit(ctx, value)
            if self.alert:
                return await observe_alert(asking, self.alert, self.state, since, self.scrape_within)
            return await self._observe_query(asking, since, ahead)

    def _audit(self, ctx: Context, value: str) -> None:
        """At the end of the trial, look for metrics without its label."""
        if not self.label or value != ctx.trial_id:
            return
        name = ("prometheus", self.url, self.label)
        auditor = ctx.audit(name, lambda: PrometheusAuditor(self.url, dict(self.headers), self.label, value))
        if self.query:
            auditor.saw(self.query)

    async def _observe_query(self, asking: Asking, since: float, ahead: float) -> Observation:
        compared = comparison(self.query)
        expected = Expectation(
            operator=compared[1] if compared else "", number=compared[2] if compared else 0.0, equals=self.equals,
            at_least=self.at_least, at_most=self.at_most, count=self.count, that=self.that,
        )  # fmt: skip
        text = compared[0] if compared else self.query
        query = labelled(text, self.label, asking.value, asking.recorded) if self.label else text
        if self.fresh and (late := await asking.wait_for_scrape(text, since, self.scrape_within)):
            return replace(late, expected=str(expected))
        now = await asking.server.now()
        if self.always_since is not None or self.always_for is not None:
            start = now - (self.always_for or 0) if self.always_since is None else self.always_since + ahead
            return await observe_window(asking, text, query, expected, (start, now), self.step)
        if self.increase_since is not None:
            found = await increase(asking, query, self.increase_since + ahead, now)
            if isinstance(found, Observation):
                return found
        else:
            found = await asking.server.query(query)
        if not found:
            return replace(await asking.no_data_of(text), expected=str(expected))
        if blind := await asking.blind(text):
            return replace(blind, expected=str(expected))
        return await expected.judge(asking.ctx, found, self.no_data)
