"""Whether everything that was deployed works: workloads rolled out and ready, jobs done, Services with endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from seatrial.errors import CannotTell
from seatrial.links.kubernetes import Cluster, NoSuchKind, Object
from seatrial.links.kubernetes.deploying.workloads import KINDS, Seen, Workload, look
from seatrial.links.kubernetes.readiness import reasons
from seatrial.links.kubernetes.selectors import of_spec
from seatrial.model.frozen import frozen
from seatrial.spi.concurrency import map_concurrently

SLICES, SERVICE = "discovery.k8s.io/v1/EndpointSlice", "Service"
OF_SERVICE = "kubernetes.io/service-name"
AT_ONCE = 8


@frozen
class Rollout:
    """The state of a deployment at one moment."""

    why: str
    """Why it does not work yet, in one line; empty: it works."""
    containers: Mapping[str, str]
    """Its running containers by their ids, as POD/CONTAINER."""


async def rollout(cluster: Cluster, objects: Sequence[Sequence[str]]) -> Rollout:
    """Of these objects (API version, kind, namespace and name of each); CannotTell when a job of them has failed."""
    names = {tuple(name[1:]) for name in objects}
    namespaces = sorted({namespace for kind, namespace, _ in names if kind in KINDS or kind == SERVICE})
    seen = await look(cluster, namespaces, "")
    workloads = [one for one in seen.workloads if (one.kind, one.namespace, one.name) in names]
    containers = {id: name for one in workloads for pod in one.pods for id, name in _running(pod)}
    why = _jobs(seen, names)
    for one in workloads if not why else ():
        why = why or await _unready(cluster, one)
    why = why or await _missing(cluster, objects)
    for _, kind, namespace, name in objects if not why else ():
        if kind == SERVICE and not why:
            why = await _without_endpoints(cluster, namespace, name, workloads)
    return Rollout(why=why, containers=containers)


async def _unready(cluster: Cluster, workload: Workload) -> str:
    name = f"{workload.kind} {workload.name}"
    if (reason := await reasons.of_pods(cluster, workload.namespace, workload.pods)).text:
        return f"{name}: {reason.text}"
    few = f"{name} has {len(workload.pods)} of {workload.wanted} pods"
    why = workload.unfinished or (few if len(workload.pods) < workload.wanted else "")
    cannot = await reasons.of_creation(cluster, workload.namespace, workload.thing) if why else ""
    return f"{why}; {cannot}" if cannot else why


def _jobs(seen: Seen, names: set[tuple[str, ...]]) -> str:
    """The first job that has not completed; a failed one never will."""
    waits = ""
    for job in seen.jobs:
        metadata = job["metadata"]
        if ("Job", metadata["namespace"], metadata["name"]) not in names:
            continue
        states = {one["type"]: one for one in (job.get("status") or {}).get("conditions") or ()}
        if (failed := states.get("Failed", {})).get("status") == "True":
            raise CannotTell(f"the job {metadata['name']} failed: {failed.get('message') or failed.get('reason')}")
        if states.get("Complete", {}).get("status") != "True" and not (job.get("spec") or {}).get("suspend"):
            waits = waits or f"the job {metadata['name']} has not completed"
    return waits


async def _missing(cluster: Cluster, objects: Sequence[Sequence[str]]) -> str:
    """The first object that does not exist any more; a job may remove itself."""

    async def absent(name: Sequence[str]) -> str:
        api_version, kind, namespace, own_name = name
        try:
            found = await cluster.kind_of({"apiVersion": api_version, "kind": kind})
            if await cluster.get(found, own_name, namespace) is not None:
                return ""
        except NoSuchKind:
            pass
        return f"{kind} {own_name} does not exist any more"

    looks = await map_concurrently(absent, [name for name in objects if name[1] != "Job"], most=AT_ONCE)
    return next(filter(None, looks), "")


async def _without_endpoints(cluster: Cluster, namespace: str, name: str, workloads: Iterable[Workload]) -> str:
    """Why a Service in front of these workloads takes no connections; empty: it does, or stands before none of them."""
    service = await cluster.get(await cluster.kind("v1/Service"), name, namespace)
    labels = ((service or {}).get("spec") or {}).get("selector")
    if not labels:
        return ""
    selector = of_spec(labels)
    pods = [pod for one in workloads if one.namespace == namespace for pod in one.pods]
    if not any(selector.matches(pod["metadata"].get("labels")) for pod in pods):
        return ""
    listed = await cluster.list(await cluster.kind(SLICES), namespace, labels=f"{OF_SERVICE}={name}")
    if any(_takes(endpoint) for part in listed.objects for endpoint in part.get("endpoints") or ()):
        return ""
    return f"Service {name} has no ready endpoints"


def _takes(endpoint: Mapping[str, object]) -> bool:
    conditions = endpoint.get("conditions")
    told = conditions if isinstance(conditions, Mapping) else {}
    return told.get("ready") is not False and not told.get("terminating")


def _running(pod: Object) -> Iterable[tuple[str, str]]:
    for one in (pod.get("status") or {}).get("containerStatuses") or ():
        if "running" in (one.get("state") or {}):
            yield str(one.get("containerID")), f"{pod['metadata']['name']}/{one['name']}"
