"""Series of a trial's targets, or of the metrics that its checks ask for, without the trial's label."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from seatrial.links.http import Web, bare
from seatrial.links.prometheus import Prometheus, Series
from seatrial.links.prometheus.promql import labelled, quoted, selectors
from seatrial.spi import Blame, Context, Finding, OtherTrial

NAMESPACES = ("namespace", "exported_namespace", "kubernetes_namespace", "k8s_namespace_name", "target_namespace")
"""Labels in which exporters and service discovery put a namespace."""

OF_ANY_PROGRAM = "(?:up|ALERTS|scrape_|process_|go_|python_|promhttp_|prometheus_).*"
"""Metrics that every target has, also those that belong to no run."""

SHARED = ("127.0.0.1", "::1", "localhost", "")
"""Addresses that belong to no single node."""

MOST = 20
"""Series that are named, and queries whose values are kept."""

BEFORE, LONGEST, POINTS = 30.0, 900.0, 60
"""Of the values kept after a failure: seconds before the trial began, seconds before now at most, and points."""


class PrometheusAuditor:
    """Of one trial, at one server."""

    before_sweep = True  # while its targets are there

    def __init__(self, url: str, headers: Mapping[str, str], label: str, value: str) -> None:
        self._url, self._headers, self._label, self._value = url, headers, label, value
        self._web = Web()
        self._names: set[str] = set()
        self._queries: dict[str, None] = {}

    def saw(self, query: str) -> None:
        """Remember the query of a check, and its metrics."""
        self._queries[query] = None
        self._names |= {one.name for one in selectors(query) if one.name and not re.fullmatch(OF_ANY_PROGRAM, one.name)}

    async def findings(self, ctx: Context) -> Sequence[Finding]:
        """Those with samples since the trial began."""
        server = Prometheus(web=self._web, url=self._url, headers=self._headers)
        begun = float(str(_trial(ctx)["start"])) + await server.now() - time.time()
        lacks = f"{self._label}={quoted('')}"
        found: dict[str, Finding] = {}
        for target, evidence in await self._own_targets(ctx, server):
            place = ",".join(f"{key}={quoted(target.labels.get(key, ''))}" for key in ("job", "instance"))
            for series in await server.query(f"{{__name__!~{quoted(OF_ANY_PROGRAM)},{place},{lacks}}}"):
                found.setdefault(str(series), self._finding(series, evidence))
        names = "|".join(sorted(re.escape(name) for name in self._names))
        if names:
            lacking = f"{{__name__=~{quoted(names)},{lacks}}}"
            before = {str(series) for series in await server.query(lacking, at=begun)}
            for series in await server.query(lacking):
                if str(series) not in found and str(series) not in before:
                    evidence = "it carries the id of this trial elsewhere" if self._value in str(series) else ""
                    found[str(series)] = self._finding(series, evidence)
        return list(found.values())[:MOST]

    async def diagnostics(self, ctx: Context) -> Mapping[str, str]:
        """The values of the checks' metrics until now, of this trial and without its label."""
        server = Prometheus(web=self._web, url=self._url, headers=self._headers)
        now = await server.now()
        begun = now - time.time() + float(str(_trial(ctx)["start"]))
        start = max(begun - BEFORE, now - LONGEST)
        step = max(1.0, (now - start) / POINTS)
        lines = [
            f"{bare(self._url)} from {clock(start)} to {clock(now)}, every {step:.0f} s; a value stands until the next"
        ]
        for query in list(self._queries)[:MOST]:
            for selector in selectors(query):
                lines.append(f"{selector.text}")
                asked = labelled(selector.text, self._label, self._value)
                values = await server.query_range(asked, start, now, step)
                lines += [f"  {series}: {_changes(series)}" for series in values[:MOST]] or ["  no data"]
        return {"metrics.txt": "".join(f"{line}\n" for line in lines)}

    def others(self) -> Sequence[OtherTrial]:
        return ()

    async def close(self) -> None:
        await self._web.close()

    async def _own_targets(self, ctx: Context, server: Prometheus) -> list[tuple[Series, str]]:
        """The targets in this trial's own namespaces, and on its nodes, each with the evidence."""
        environment = ctx.environment()
        spaces = "|".join(re.escape(environment[name]) for name in ("E2E_TEST_NAMESPACE", "E2E_CONTROLLER_NAMESPACE"))
        nodes = ctx.names().get("nodes")
        addresses = {
            str(node.get("address") or "")
            for node in (nodes.values() if isinstance(nodes, Mapping) else ())
            if isinstance(node, Mapping) and node.get("trial") == ctx.trial_id
        }
        queries = [(f"up{{{label}=~{quoted(spaces)}}}", "in a namespace of this trial") for label in NAMESPACES]
        queries += [
            (f"up{{instance=~{quoted(re.escape(address) + '(:[0-9]+)?')}}}", "a node of this trial")
            for address in sorted(addresses - set(SHARED))
        ]
        found: dict[str, tuple[Series, str]] = {}
        for query, where in queries:
            for series in await server.query(query):
                found.setdefault(str(series), (series, f"its target is {where}"))
        return list(found.values())[:MOST]

    def _finding(self, series: Series, evidence: str) -> Finding:
        at = series.points[-1][0]
        target = series.labels.get("instance") or "a target"
        return Finding(
            what=f"Series {series}", change="unlabelled", where=f"Prometheus at {bare(self._url)}",
            mark=f"no label {self._label}", by=f"{target} at {clock(at)}",
            at=at, blame=Blame.THIS if evidence else Blame.NOBODY, evidence=evidence, by_hand=False,
            advice=f"have your scrape configuration or your program set {self._label}={quoted(self._value)}",
        )  # fmt: skip


def _changes(series: Series) -> str:
    """Its values, each where it is another one than before."""
    points = [point for at, point in enumerate(series.points) if not at or point[1] != series.points[at - 1][1]]
    return ", ".join(f"{clock(at)} {value:g}" for at, value in points[-POINTS:])


def clock(at: float) -> str:
    """A time of the server's clock."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%SZ}"


def _trial(ctx: Context) -> Mapping[str, object]:
    trial = ctx.names()["trial"]
    assert isinstance(trial, Mapping)
    return trial
