"""Kubernetes' own events, as the API server keeps them: for an hour by default."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from seatrial.checks.kubernetes.view import InCluster
from seatrial.errors import CannotTell
from seatrial.links.kubernetes import Object
from seatrial.spi import Context

KIND = "v1/Event"
"""Events of both APIs (the core and `events.k8s.io`) are the same objects."""

MOST = 10_000
"""Events read at most."""


@dataclass(frozen=True, kw_only=True)
class KubernetesEvents(InCluster):
    """The events in a namespace of a cluster."""

    about: str = ""
    """Only those about one object: `Deployment/web`, or about one kind: `Pod`."""
    since: float | None = None
    """A time such as `${{ steps.mark.outputs.time }}`: only those from after it; default: the start of the trial."""
    repeats: Literal["count", "once"] = "count"
    """An event that came again counts as often as it came, or `once`."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        kind, separator, name = self.about.partition("/")
        if self.about and (not kind or (separator and not name)):
            yield "about", f"invalid object {self.about!r}; allowed: KIND, KIND/NAME, like Deployment/web"

    def __str__(self) -> str:
        return f"the events of Kubernetes{f' about {self.about}' if self.about else ''}"

    async def read(self, ctx: Context) -> list[Mapping[str, Any]]:
        """All of them, in order of time, each as often as it came."""
        cluster, namespace = await self.cluster(ctx)
        listed = (await cluster.list(await cluster.kind(KIND), namespace)).objects
        since = self.since if self.since is not None else _start(ctx)
        events = [one for thing in listed if self._is_about(thing) for one in self._each(thing, since)]
        if len(events) > MOST:
            raise CannotTell(f"{self} in the namespace {namespace} are more than {MOST}: ask for fewer")
        return sorted(events, key=lambda one: one["time"])

    def unclear(self, events: Sequence[Mapping[str, Any]]) -> str:
        """Why the number of these events is not exact; empty: it is."""
        for event in events:
            if event["series"]:
                about = f"{event['object']['kind']} {event['object']['name']}"
                return (
                    f"{event['reason']} about {about} repeats, and Kubernetes updates its number every 6 minutes only; "
                    "set `repeats: once` to count it as one"
                )
        return ""

    def _is_about(self, thing: Object) -> bool:
        about = thing.get("involvedObject") or {}
        kind, _, name = self.about.partition("/")
        return not kind or (str(about.get("kind", "")).lower() == kind.lower() and name in ("", about.get("name")))

    def _each(self, thing: Object, since: float) -> Iterator[dict[str, Any]]:
        """The event, as often as it came since a time."""
        series = thing.get("series") or {}
        first = thing.get("firstTimestamp") or thing.get("eventTime") or thing["metadata"].get("creationTimestamp")
        last = series.get("lastObservedTime") or thing.get("lastTimestamp") or first
        count = int(series.get("count") or thing.get("count") or 1)
        if _seconds(last) < int(since):  # the server's times have no fractions of a second
            return
        about = thing.get("involvedObject") or {}
        event: dict[str, Any] = {
            "type": thing.get("type"),
            "reason": thing.get("reason"),
            "message": thing.get("message"),
            "object": {key: about.get(key) for key in ("kind", "name", "namespace", "apiVersion", "uid")},
            "by": thing.get("reportingComponent") or (thing.get("source") or {}).get("component"),
            "action": thing.get("action"),
            "name": thing["metadata"]["name"],
            "time": last,
            "count": count,
            "series": bool(series) and self.repeats == "count",
        }
        if self.repeats == "once" or count == 1:
            yield event
            return
        if _seconds(first) < int(since):
            what = f"{event['reason']} about {about.get('kind')} {about.get('name')}"
            raise CannotTell(
                f"the event {what} came {count} times, for the first time before the beginning: how often since then, "
                "Kubernetes does not say; set `repeats: once` to count it as one"
            )
        yield {**event, "time": first}
        for _ in range(count - 1):
            yield dict(event)


def _seconds(time: object) -> float:
    try:
        return datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        raise CannotTell(f"an event of Kubernetes has the invalid time {time!r}") from None


def _start(ctx: Context) -> float:
    trial = ctx.names().get("trial")
    return float(trial["start"]) if isinstance(trial, Mapping) else 0.0
