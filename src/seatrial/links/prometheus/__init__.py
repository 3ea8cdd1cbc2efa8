"""Prometheus by its HTTP API: queries, rules, targets; and PromQL with a label in every selector (`promql`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.http import Answer, Web, bare

__all__ = ["InvalidQuery", "Prometheus", "Series"]

POINTS = 11_000
"""Prometheus answers at most so many points of a series."""


class InvalidQuery(CannotTell):
    """Prometheus rejects the query: a mistake in the document."""

    category = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series of an answer."""

    labels: dict[str, str] = field(default_factory=dict)
    points: tuple[tuple[float, float], ...] = ()
    """Time (seconds since 1970, by the server's clock) and value, in order of time."""

    @property
    def value(self) -> float:
        """The last value."""
        return self.points[-1][1]

    def __str__(self) -> str:
        name = self.labels.get("__name__", "")
        inside = ", ".join(f"{key}={value}" for key, value in sorted(self.labels.items()) if key != "__name__")
        return f"{name}{{{inside}}}" if inside or not name else name


@dataclass(slots=True, kw_only=True)
class Prometheus:
    """A client of one server. Every method raises CannotTell if the server cannot be reached, answers something else
    than Prometheus does, or answers for a part of its data only."""

    web: Web
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 10.0
    """Seconds for each answer."""

    async def now(self) -> float:
        """The server's time, in seconds since 1970."""
        return (await self.query("time()"))[0].value

    async def query(self, query: str, at: float | None = None) -> list[Series]:
        """A query now, or at a time of the server's clock. A scalar is one series without labels; of a range selector,
        each series has its samples."""
        form = {"query": query} if at is None else {"query": query, "time": f"{at:.3f}"}
        return _series(await self._ask("POST", "query", form), query)

    async def query_range(self, query: str, start: float, end: float, step: float) -> list[Series]:
        """The values of a query at each step between two times of the server's clock."""
        form = {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return _series(await self._ask("POST", "query_range", form), query)

    async def alert_rules(self, name: str) -> list[Mapping[str, Any]]:
        """The alerting rules of this name, each as Prometheus describes it, with `interval` of its group."""
        data = await self._ask("GET", "rules?type=alert")
        try:
            return [
                {**rule, "interval": float(group.get("interval") or 0)}
                for group in data["groups"]
                for rule in group["rules"]
                if rule["name"] == name
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._odd("rules", error) from error

    async def alert_names(self) -> list[str]:
        """The names of all alerting rules."""
        data = await self._ask("GET", "rules?type=alert")
        try:
            return sorted({str(rule["name"]) for group in data["groups"] for rule in group["rules"]})
        except (KeyError, TypeError) as error:
            raise self._odd("rules", error) from error

    async def targets_down(self, label: str, value: str) -> list[str]:
        """The scrape targets with this label that are down, each with its last error."""
        data = await self._ask("GET", "targets?state=active")
        try:
            return [
                f"{bare(str(target['scrapeUrl']))}: {target.get('lastError') or target['health']}"
                for target in data["activeTargets"]
                if target["health"] != "up" and (not label or target["labels"].get(label) == value)
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise self._odd("targets", error) from error

    async def kinds(self, metric: str) -> set[str]:
        """What the exporters say that a metric is: `counter`, `gauge`, …; empty: nothing."""
        data = await self._ask("GET", f"metadata?metric={metric}")
        try:
            return {str(entry["type"]) for entry in data.get(metric, ())}
        except (KeyError, TypeError, AttributeError) as error:
            raise self._odd("metadata", error) from error

    async def _ask(self, method: str, path: str, form: Mapping[str, str] | None = None) -> Any:
        url, shown = f"{self.url.rstrip('/')}/api/v1/{path}", f"Prometheus at {bare(self.url)}"
        more: dict[str, Any] = {"data": dict(form)} if form else {}
        try:
            answer = await self.web.request(
                method, url, headers=self.headers, timeout=self.timeout, shown=shown, **more
            )
        except TimeoutError as error:
            raise CannotTell(str(error)) from error
        body = self._body(answer)
        if body.get("status") != "success" or answer.status != 200:
            kind, why = body.get("errorType", ""), body.get("error") or f"status {answer.status}"
            raise (InvalidQuery if kind == "bad_data" else CannotTell)(f"{shown} answers {answer.status}: {why}")
        if body.get("warnings"):
            raise CannotTell(f"{shown} warns, so its answer may be incomplete: {'; '.join(map(str, body['warnings']))}")
        if "data" not in body:
            raise self._odd(path, KeyError("data"))
        return body["data"]

    def _body(self, answer: Answer) -> Mapping[str, Any]:
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            hint = {401: ": it asks for a login", 403: ": it denies access", 404: ": is the URL right?"}
            raise CannotTell(
                f"Prometheus at {bare(self.url)} answers {answer.status} without Prometheus' JSON"
                f"{hint.get(answer.status, '')}"
            )
        return body

    def _odd(self, path: str, error: Exception) -> CannotTell:
        what = path.partition("?")[0]
        return CannotTell(f"Prometheus at {bare(self.url)} answers {what} in another form: {error!r}")


def _series(data: Any, query: str) -> list[Series]:
    try:
        kind, result = data["resultType"], data["result"]
        if kind == "scalar":
            return [Series(points=(_point(result),))]
        if kind == "vector":
            return [Series(labels=dict(one["metric"]), points=(_point(one["value"]),)) for one in result]
        if kind == "matrix":
            return [Series(labels=dict(one["metric"]), points=tuple(map(_point, one["values"]))) for one in result]
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, KeyError) and error.args[0] in ("value", "values"):
            raise CannotTell(f"`{query}` returns native histograms; use a function such as histogram_count") from error
        raise CannotTell(f"Prometheus answers `{query}` in another form: {error!r}") from error
    raise InvalidQuery(f"`{query}` returns a {kind}, expected numbers")


def _point(pair: Sequence[Any]) -> tuple[float, float]:
    when, value = pair
    return float(when), float(value)
