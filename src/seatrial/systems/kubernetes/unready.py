"""Why pods are not ready, by all that the cluster tells, and whether waiting can still help them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from seatrial.links.kubernetes import Cluster
from seatrial.links.kubernetes.readiness import reasons
from seatrial.links.kubernetes.readiness.blame import category_of
from seatrial.links.kubernetes.readiness.pods import is_ready, sentence
from seatrial.links.kubernetes.readiness.reasons import Reason
from seatrial.links.kubernetes.readiness.stuck import Waits
from seatrial.links.output import beginning
from seatrial.model.cluster import ClusterStatus, NodeHealth
from seatrial.model.result import Category
from seatrial.spi.concurrency import map_concurrently
from seatrial.systems.kubernetes.pods import Place, health_of

SHOWN = 3
"""Nodes named with their reasons."""
LONGEST = 600
"""Characters of a reason."""
AGAIN = 2.0
"""Seconds until the cluster is asked again about a pod whose status is the same."""


class Unready:
    """The nodes of one system that are not ready."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, float, Reason]] = {}
        """By node: the version of its pod, when the cluster was asked, and its answer."""
        self._waits = Waits()

    async def reasons(self, cluster: Cluster, places: Sequence[Place]) -> Mapping[str, Reason]:
        """The reasons of the first nodes that are not ready, those that tell most before the rest."""
        unready = [place for place in places if place.pod is None or not is_ready(place.pod)]
        unready.sort(key=lambda place: reasons.weight(place.pod) if place.pod else 0, reverse=True)

        async def reason(place: Place) -> Reason:
            version = str(place.pod["metadata"].get("resourceVersion")) if place.pod else ""
            now = asyncio.get_running_loop().time()
            known, at, told = self._told.get(place.name, ("", 0.0, Reason()))
            if known != f"{place.uid} {version}" or now - at > AGAIN:
                told = await _reason(cluster, place)
                self._told[place.name] = (f"{place.uid} {version}", now, told)
            return told

        found = await map_concurrently(reason, unready[:SHOWN])
        return {place.name: one for place, one in zip(unready, found, strict=False) if one.text}

    def hopeless(self, places: Sequence[Place], told: Mapping[str, Reason], *, busy: bool) -> Reason | None:
        """The reason of a node that no waiting can help any more. `busy`: a job still runs, and may make what a pod
        lacks."""
        pods = [place.pod for place in places if place.pod is not None]
        pod = self._waits.over(pods, asyncio.get_running_loop().time(), busy=busy or len(pods) < len(places))
        for place in places:
            if pod is not None and place.pod is pod:
                return told.get(place.name) or Reason(sentence(pod), category_of(pod))
        return None


async def _reason(cluster: Cluster, place: Place) -> Reason:
    namespace = place.workload.namespace
    if place.pod is not None:
        told = await reasons.of_pod(cluster, namespace, place.pod)
    elif place.ending is not None:
        return Reason()
    else:
        why = await reasons.of_creation(cluster, namespace, place.workload.thing)
        told = Reason(f"{place.workload.kind} {place.workload.name}: {why}" if why else "", Category.PRODUCT)
    return Reason(beginning(" ".join(told.text.split()), LONGEST), told.category)


def health_of_all(places: Sequence[Place], told: Mapping[str, Reason]) -> dict[str, NodeHealth]:
    """The health of each node, with the reasons told."""
    return {place.name: health_of(place, told[place.name].text if place.name in told else "") for place in places}


def explained(
    status: ClusterStatus, places: Sequence[Place], told: Mapping[str, Reason], hopeless: Reason | None
) -> ClusterStatus:
    """A status with the reasons: the rule names numbers, and the API server knows why."""
    late = dict.fromkeys(place.workload.unfinished for place in places if place.name not in told)
    more = [*(reason.text for reason in told.values()), *list(late)[:SHOWN]]
    why = "; ".join([status.state.why, *(text for text in more if text and text not in status.state.why)])
    first = hopeless or next(iter(told.values()), Reason())
    return replace(
        status, state=replace(status.state, why=why), hopeless=hopeless.text if hopeless else "",
        category=first.category,
    )  # fmt: skip
