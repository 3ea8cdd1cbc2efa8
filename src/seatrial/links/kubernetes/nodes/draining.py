"""Drain a node as `kubectl drain` does: by evictions, which PodDisruptionBudgets may refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from seatrial.errors import CannotTell, Overrun, StepFailed
from seatrial.links.kubernetes.answers import ApiAway, ApiRefused, Conflict, NoSuchObject, Object
from seatrial.links.kubernetes.cluster import Cluster
from seatrial.links.output import beginning
from seatrial.model.frozen import frozen
from seatrial.model.result import Category
from seatrial.spi.concurrency import map_concurrently

MIRROR = "kubernetes.io/config.mirror"
"""The annotation of a pod that its kubelet runs from a file: nobody can evict it."""
AT_ONCE = 8
PAUSE = 0.5
SHOWN = 5
"""Pods named in a message."""


@frozen
class Ways:
    """What a drain does with pods that `kubectl drain` refuses by default; the names are those of its options."""

    ignore_daemonsets: bool = False
    delete_emptydir_data: bool = False
    force: bool = False
    grace_period: int | None = None
    """Seconds; None: each pod's own."""


@frozen
class Sorted:
    """The pods of a node before its drain."""

    evicted: tuple[Object, ...]
    left: Mapping[str, str]
    """Those that stay, as `NAMESPACE/NAME`, with the reason."""
    refused: Mapping[str, tuple[str, ...]]
    """The reasons why nothing is done, each with its pods."""


async def pods_on(cluster: Cluster, node: str) -> Sequence[Object]:
    """All pods of a node."""
    listing = await cluster.list(await cluster.kind("v1/Pod"), "", fields=f"spec.nodeName={node}")
    return listing.objects


def sort(pods: Sequence[Object], ways: Ways, is_own: Callable[[Object], bool], *, strangers: bool) -> Sorted:
    """Who is evicted, who stays, and what stands against it. `strangers`: pods that are not the trial's own may go."""
    evicted: list[Object] = []
    left: dict[str, str] = {}
    refused: dict[str, list[str]] = {}
    for pod in pods:
        name, owner = called(pod), _controller(pod)
        over = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if MIRROR in (pod["metadata"].get("annotations") or {}):
            left[name] = "its kubelet runs it from a file"
        elif owner == "DaemonSet" and not over and ways.ignore_daemonsets:
            left[name] = "a DaemonSet has it"
        elif why := _objection(pod, owner, ways, over=over):
            refused.setdefault(why, []).append(name)
        elif not strangers and not is_own(pod):
            refused.setdefault("not of this trial (`cluster_nodes: {evict: all}` allows it)", []).append(name)
        else:
            evicted.append(pod)
    return Sorted(
        evicted=tuple(evicted), left=left, refused={why: tuple(names) for why, names in refused.items()}
    )  # fmt: skip


def _objection(pod: Object, owner: str, ways: Ways, *, over: bool) -> str:
    if over:
        return ""
    if owner == "DaemonSet":
        return "of a DaemonSet, which would make it again at once (`ignore_daemonsets: true` leaves it)"
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    if not ways.delete_emptydir_data and any("emptyDir" in one for one in volumes):
        return "with data in an emptyDir, which would be lost (`delete_emptydir_data: true` allows it)"
    if not ways.force and not owner:
        return "without a controller, so nobody would make it again (`force: true` allows it)"
    return ""


def require(sorted_: Sorted, node: str) -> None:
    """StepFailed with everything that stands against a drain."""
    if not sorted_.refused:
        return
    reasons = [f"{_some(names)}: {why}" for why, names in sorted_.refused.items()]
    raise StepFailed(f"the node {node} was not drained; it has pods {'; '.join(reasons)}", category=Category.TEST)


async def drain(
    cluster: Cluster, node: str, pods: Sequence[Object], ways: Ways, seconds: float, seen: Callable[[str, bool], None]
) -> None:  # fmt: skip
    """Evict these pods and return when they are gone. Overrun after this many seconds names those that remain and what
    holds each, StepFailed if the evictions of all are refused; CannotTell when the API server did not answer then.
    `seen` gets the same before."""
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    waiting = {str(pod["metadata"]["uid"]): pod for pod in pods}
    held: dict[str, str] = {}
    """By id of the pod: why its eviction was refused last."""
    asked: set[str] = set()
    away: ApiAway | None = None

    async def evict(pod: Object) -> None:
        uid = str(pod["metadata"]["uid"])
        try:
            await _evict(cluster, pod, ways)
        except ApiRefused as error:
            held[uid] = error.text or str(error)
        else:
            held.pop(uid, None)
            asked.add(uid)

    while True:
        try:
            rest = [pod for uid, pod in waiting.items() if uid not in asked]
            await map_concurrently(evict, rest, most=AT_ONCE)
            now = {str(pod["metadata"]["uid"]): pod for pod in await pods_on(cluster, node)}
            waiting, away = {uid: now[uid] for uid in waiting if uid in now}, None
        except ApiAway as error:
            away = error
        if not waiting:
            return
        text = str(away) if away is not None else _remaining(waiting, held, len(pods))
        seen(text, away is None)
        if clock() > end:
            break
        await asyncio.sleep(PAUSE)
    if away is not None:
        raise CannotTell(f"whether the node {node} is drained could not be seen within {seconds:.4g} s: {text}")
    text = f"the node {node} was not drained within {seconds:.4g} s; {text}"
    # A refusal is an answer of the product's own budget, and no matter of time.
    raise StepFailed(text) if set(waiting) <= set(held) else Overrun(text)


def _remaining(waiting: Mapping[str, Object], held: Mapping[str, str], total: int) -> str:
    reasons = [f"{called(pod)}: {held.get(uid) or _ending(pod)}" for uid, pod in waiting.items()]
    more = f"; and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    return f"{len(waiting)} of {total} pods remain: {'; '.join(reasons[:SHOWN])}{more}"


async def _evict(cluster: Cluster, pod: Object, ways: Ways) -> None:
    metadata = pod["metadata"]
    if metadata.get("deletionTimestamp"):
        return
    options: dict[str, Any] = {"preconditions": {"uid": metadata["uid"]}}
    if ways.grace_period is not None:
        options["gracePeriodSeconds"] = ways.grace_period
    name, namespace = str(metadata["name"]), str(metadata["namespace"])
    eviction = {
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": options,
    }  # fmt: skip
    # It is gone, or another one has its name now: the list of pods will say so.
    with suppress(NoSuchObject, Conflict):
        await cluster.replace(await cluster.kind("v1/Pod"), name, eviction, namespace, part="eviction", method="POST")


def called(pod: Object) -> str:
    """As in messages."""
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _ending(pod: Object) -> str:
    metadata = pod["metadata"]
    if not (since := metadata.get("deletionTimestamp")):
        return "it has not begun to end"
    if holds := metadata.get("finalizers"):
        return f"it is being deleted and waits for the finalizer {', '.join(holds)}"
    late = (datetime.now(UTC) - datetime.fromisoformat(str(since).replace("Z", "+00:00"))).total_seconds()
    grace = metadata.get("deletionGracePeriodSeconds")
    return f"it is ending, with {grace} s of grace" + (f" that were over {late:.0f} s ago" if late > 0 else "")


def _controller(pod: Object) -> str:
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(one["kind"]) for one in owners if one.get("controller")), "")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return beginning(f"{', '.join(names[:SHOWN])}{more}", 600)
