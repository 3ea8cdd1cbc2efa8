"""Why it is not ready, by all that the cluster tells: events, logs, the node."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.kubernetes import Cluster, Object
from seatrial.links.kubernetes.objects import condition, name_of
from seatrial.links.kubernetes.readiness.blame import category_of
from seatrial.links.kubernetes.readiness.pods import is_ready, trouble

TAIL = 3
"""Last lines of a crashed container."""


@dataclass(frozen=True)
class Reason:
    """Why something is not as expected."""

    text: str = ""
    category: str = ""
    """Where to look first; empty: the product."""


async def of_pods(cluster: Cluster, namespace: str, pods: Sequence[Object], down: Container[str] = ()) -> Reason:
    """The reason of the first pod that is not ready, and how many others there are."""
    unready = [pod for pod in pods if not is_ready(pod, down)]
    if not unready:
        return Reason()
    first = max(unready, key=weight)
    others = f" ({len(unready) - 1} more not ready)" if len(unready) > 1 else ""
    reason = await of_pod(cluster, namespace, first)
    return Reason(f"{reason.text}{others}", reason.category)


def weight(pod: Object) -> int:
    """How much a pod that is not ready tells: one with a reason of its own more than one that waits."""
    words, text = ("crashes", "pulled", "scheduled:", "exit code", "probe", "waiting"), trouble(pod)
    return next((len(words) - place for place, word in enumerate(words) if word in text), 0)


async def of_pod(cluster: Cluster, namespace: str, pod: Object) -> Reason:
    """Why one pod is not ready, and whom to ask."""
    said = trouble(pod)
    events = await warnings(cluster, namespace, pod)
    parts = [f"pod {name_of(pod)}: {said or 'its condition Ready is True'}"]
    if "crashes" in said or "ended with" in said:
        parts.append(await _last_words(cluster, namespace, pod))
    elif "probe" in said:
        parts.append(_last(events, "Unhealthy"))
    elif "cannot be pulled" in said:
        parts.append(_beyond(said, _last(events, "Failed", "Failed to pull")))
    elif "cannot be scheduled" not in said:
        parts.append(_last(events))
    node = await _node(cluster, pod)
    parts.append(node)
    down = [pod["spec"].get("nodeName")] if node else []
    return Reason("; ".join(filter(None, parts)), category_of(pod, down, warned=bool(events)))


def _beyond(said: str, event: str) -> str:
    """An event, unless the pod's own status has said it: the answer of a registry is long."""
    return "" if (event.partition('": ')[2] or event) in said else event


async def warnings(cluster: Cluster, namespace: str, thing: Mapping[str, Any]) -> list[Object]:
    """The warning events about an object, the oldest first; none when they may not be read."""
    fields = f"involvedObject.uid={thing['metadata']['uid']},type=Warning"
    try:
        events = (await cluster.list(await cluster.kind("v1/Event"), namespace, fields=fields)).objects
    except CannotTell:
        return []
    return sorted(events, key=when)


def when(event: Mapping[str, Any]) -> str:
    """The time of an event's last occurrence."""
    series = event.get("series") or {}
    return str(
        series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
        or event["metadata"]["creationTimestamp"]
    )  # fmt: skip


def _last(events: Sequence[Object], reason: str = "", text: str = "") -> str:
    for event in reversed(events):
        message = str(event.get("message") or "")
        if (not reason or event.get("reason") == reason) and text in message:
            return message
    return ""


def cannot_create(owner: Mapping[str, Any]) -> str:
    """Why a Deployment or its ReplicaSet cannot create pods, by its own status; empty: it does not say."""
    failure = condition(owner, "ReplicaFailure")
    return f"pods cannot be created: {failure.get('message')}" if failure.get("status") == "True" else ""


async def of_creation(cluster: Cluster, namespace: str, owner: Mapping[str, Any]) -> str:
    """Why a controller cannot create pods: a quota, a webhook, an admission policy. Empty: it can."""
    if said := cannot_create(owner):
        return said
    created = [event for event in await warnings(cluster, namespace, owner) if event.get("reason") == "FailedCreate"]
    return f"pods cannot be created: {created[-1].get('message')}" if created else ""


async def _last_words(cluster: Cluster, namespace: str, pod: Object) -> str:
    """The end of the output of the container that crashed."""
    status = pod.get("status") or {}
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state = container.get("state") or {}
        if "running" in state or not (container.get("restartCount") or "terminated" in state):
            continue
        for previous in (False, True):
            try:
                text = await cluster.logs(
                    name_of(pod), namespace, container=container["name"], tail=TAIL, previous=previous
                )
            except CannotTell:
                continue
            if lines := [line.strip() for line in text.splitlines() if line.strip()]:
                return f"last log lines of {container['name']}: {' | '.join(lines)}"
        return f"{container['name']} logged nothing"
    return ""


async def _node(cluster: Cluster, pod: Object) -> str:
    """The node of a pod, where it is not ready itself."""
    name = str(pod["spec"].get("nodeName") or "")
    if not name:
        return ""
    try:
        node = await cluster.get(await cluster.kind("v1/Node"), name)
    except CannotTell:
        return ""
    if node is None:
        return f"its node {name} does not exist"
    ready = condition(node, "Ready")
    if ready.get("status") == "True":
        return ""
    return f"its node {name} is not ready: {ready.get('message') or ready.get('reason') or 'no condition'}"
