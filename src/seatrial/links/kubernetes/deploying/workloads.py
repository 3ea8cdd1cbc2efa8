"""Workloads and their pods, as the API server has them at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from seatrial.links.kubernetes import Cluster, Object
from seatrial.links.kubernetes.objects import controller
from seatrial.links.kubernetes.selectors import Selector
from seatrial.model.frozen import frozen
from seatrial.spi.concurrency import map_concurrently

SCALED = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")
"""Kinds with a number of replicas."""
KINDS = {
    "Deployment": "apps/v1/Deployment",
    "StatefulSet": "apps/v1/StatefulSet",
    "DaemonSet": "apps/v1/DaemonSet",
    "ReplicaSet": "apps/v1/ReplicaSet",
    "Job": "batch/v1/Job",
    "Pod": "v1/Pod",
}
ENDED = ("Succeeded", "Failed")


@frozen
class Workload:
    """A Deployment, a StatefulSet, a DaemonSet, a ReplicaSet of its own, or a pod of its own."""

    kind: str
    namespace: str
    name: str
    thing: Object
    pods: tuple[Object, ...] = ()
    """Its pods that are not ending, the oldest first."""
    ending: tuple[Object, ...] = ()
    """Its pods that are being deleted: their processes may still run."""

    @property
    def key(self) -> str:
        """For dictionaries."""
        return f"{self.namespace}/{self.kind}/{self.name}"

    @property
    def wanted(self) -> int:
        """How many pods it should have now."""
        spec, status = self.thing.get("spec") or {}, self.thing.get("status") or {}
        if self.kind == "DaemonSet":
            return int(status.get("desiredNumberScheduled") or 0)
        return int(spec.get("replicas", 1)) if self.kind in SCALED else 1

    @property
    def unfinished(self) -> str:
        """Why its rollout is not complete; empty: every pod is of its present definition, or nobody rolls it out."""
        spec, status = self.thing.get("spec") or {}, self.thing.get("status") or {}
        if self.kind not in ("Deployment", "StatefulSet", "DaemonSet") or spec.get("paused"):
            return ""
        if int(status.get("observedGeneration") or 0) < int(self.thing["metadata"].get("generation") or 0):
            return f"the controller of {self.kind} {self.name} has not seen its present definition yet"
        strategy = spec.get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return ""
        held = int((strategy.get("rollingUpdate") or {}).get("partition") or 0) if self.kind == "StatefulSet" else 0
        updated = int(status.get("updatedNumberScheduled" if self.kind == "DaemonSet" else "updatedReplicas") or 0)
        if self.kind == "StatefulSet" and status.get("currentRevision") == status.get("updateRevision"):
            return ""
        wanted = max(self.wanted - held, 0)
        if updated < wanted:
            return f"{self.kind} {self.name} has {updated} of {wanted} pods of its present definition"
        return ""


@frozen
class Seen:
    """What some namespaces have."""

    workloads: tuple[Workload, ...]
    jobs: tuple[Object, ...]


async def look(cluster: Cluster, namespaces: Sequence[str], selector: str) -> Seen:
    """The workloads in these namespaces: all, or those with pods that a label selector chooses."""
    pairs = [(name, namespace) for namespace in namespaces for name in KINDS]

    async def listed(pair: tuple[str, str]) -> tuple[str, tuple[Object, ...]]:
        name, namespace = pair
        labels = selector if name == "Pod" else ""
        return name, (await cluster.list(await cluster.kind(KINDS[name]), namespace, labels=labels)).objects

    found: dict[str, list[Object]] = {name: [] for name in KINDS}
    for name, things in await map_concurrently(listed, pairs, most=len(KINDS)):
        found[name] += things
    return Seen(workloads=tuple(workloads_in(found, selector)), jobs=tuple(found["Job"]))


def workloads_in(found: Mapping[str, Sequence[Object]], selector: str) -> Iterable[Workload]:
    """The workloads among objects by kind. With a selector: those whose pods have its labels or would have them, for
    a workload may have no pod yet."""
    chosen = Selector(selector)
    owners = {(name, thing["metadata"]["uid"]): thing for name, things in found.items() for thing in things}
    pods: dict[str, list[Object]] = {}
    ending: dict[str, list[Object]] = {}
    tops: dict[str, tuple[str, Object]] = {}
    for name, things in found.items():
        if name in ("Job", "Pod"):
            continue
        for thing in things:
            if not controller(thing) and chosen.matches(_pod_labels(thing)):
                tops[thing["metadata"]["uid"]] = (name, thing)
    for pod in sorted(found["Pod"], key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"])):
        name, top = _top("Pod", pod, owners)
        if name not in KINDS or name == "Job":
            continue
        uid = top["metadata"]["uid"]
        tops.setdefault(uid, (name, top))
        alone = name == "Pod" and (pod.get("status") or {}).get("phase") == "Failed"
        if not is_ending(pod) or (alone and not pod["metadata"].get("deletionTimestamp")):
            pods.setdefault(uid, []).append(pod)
        elif (pod.get("status") or {}).get("phase") not in ENDED:
            ending.setdefault(uid, []).append(pod)
    for uid, (name, thing) in sorted(tops.items(), key=lambda item: _place(item[1][1])):
        namespace, own_name = thing["metadata"]["namespace"], thing["metadata"]["name"]
        if name == "Pod" and uid not in pods:
            continue
        yield Workload(
            kind=name, namespace=namespace, name=own_name, thing=thing, pods=tuple(pods.get(uid, ())),
            ending=tuple(ending.get(uid, ())),
        )  # fmt: skip


def _pod_labels(thing: Object) -> Mapping[str, str]:
    template = (thing.get("spec") or {}).get("template") or {}
    return (template.get("metadata") or {}).get("labels") or {}


def _place(thing: Object) -> tuple[str, str]:
    return thing["metadata"]["namespace"], thing["metadata"]["name"]


def _top(name: str, thing: Object, owners: Mapping[tuple[str, str], Object]) -> tuple[str, Object]:
    """The workload that a pod belongs to; a pod of a kind that nobody knows stands for itself."""
    while owner := controller(thing):
        above = owners.get((owner["kind"], owner["uid"]))
        if above is None:
            return (owner["kind"], thing) if owner["kind"] in KINDS else (name, thing)
        name, thing = owner["kind"], above
    return name, thing


def is_ending(pod: Object) -> bool:
    """Whether it is being deleted, or ended for good."""
    return bool(pod["metadata"].get("deletionTimestamp")) or (pod.get("status") or {}).get("phase") in ENDED
