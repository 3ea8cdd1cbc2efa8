"""Powers over pods: scale a workload, delete a pod without grace, restart by a rollout."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime

from seatrial.errors import NotSupported
from seatrial.links.kubernetes import Cluster, Kind
from seatrial.links.kubernetes.deploying.workloads import KINDS, Workload
from seatrial.spi import Powers
from seatrial.systems.kubernetes.pods import Place

COST = "controller.kubernetes.io/pod-deletion-cost"
FIRST = "-2147483647"
"""The pod that a controller takes away first."""
RESTARTED = "kubectl.kubernetes.io/restartedAt"
PAUSE = 0.1
SCALABLE = ("Deployment", "ReplicaSet", "StatefulSet")
ROLLED_OUT = ("Deployment", "StatefulSet", "DaemonSet")


def refusal(workload: str, what: Powers) -> str:
    """Why a power cannot be used over a node of this workload (`Deployment web`); empty: it can."""
    kind = workload.partition(" ")[0]
    if what in (Powers.STOP, Powers.START) and kind not in SCALABLE:
        return f"{workload} has no number of replicas, so it cannot be stopped or started; {', '.join(SCALABLE)} can"
    if what is Powers.GRACEFUL_RESTART and kind not in ROLLED_OUT:
        return f"{workload} cannot be rolled out again; {', '.join(ROLLED_OUT)} can"
    return ""


async def use(cluster: Cluster, place: Place, what: Powers) -> None:
    """Use a power over one node; NotSupported where its workload has no such power."""
    if why := refusal(f"{place.workload.kind} {place.workload.name}", what):
        raise NotSupported(why)
    if what is Powers.STOP:
        await _stop(cluster, place)
    elif what is Powers.START:
        await scale(cluster, place.workload, place.workload.wanted + 1)
    elif what is Powers.CRASH:
        await _crash(cluster, place)
    else:
        await _restart(cluster, place.workload)


async def _stop(cluster: Cluster, place: Place) -> None:
    """Scale its workload down by one, and have the controller take this very pod."""
    workload, pod = place.workload, place.pod
    if pod is None:
        return
    name = str(pod["metadata"]["name"])
    if workload.kind == "StatefulSet":
        last = f"{workload.name}-{workload.wanted - 1}"
        if name != last:
            raise NotSupported(f"{place.name}: a StatefulSet is scaled down from its end: stop {last} first")
    elif workload.kind in SCALABLE and workload.wanted > 1:
        cost = {"metadata": {"annotations": {COST: FIRST}}}
        await cluster.patch(await cluster.kind("v1/Pod"), name, cost, workload.namespace)
    await scale(cluster, workload, workload.wanted - 1)


async def scale(cluster: Cluster, workload: Workload, replicas: int) -> None:
    """Set the number of replicas."""
    kind = await cluster.kind(KINDS[workload.kind])
    await cluster.patch(kind, workload.name, {"spec": {"replicas": max(replicas, 0)}}, workload.namespace, part="scale")


async def _crash(cluster: Cluster, place: Place) -> None:
    """Delete the pod at once; its controller makes another one."""
    pod = place.pod
    if pod is None:
        return
    kind, name = await cluster.kind("v1/Pod"), pod["metadata"]["name"]
    await cluster.delete(kind, name, place.workload.namespace, grace=0, uid=place.uid)
    await _until_other(cluster, kind, place)


async def _until_other(cluster: Cluster, kind: Kind, place: Place) -> None:
    assert place.pod is not None
    while True:  # the step has a deadline
        now = await cluster.get(kind, place.pod["metadata"]["name"], place.workload.namespace)
        if now is None or now["metadata"]["uid"] != place.uid:
            return
        await asyncio.sleep(PAUSE)


async def _restart(cluster: Cluster, workload: Workload) -> None:
    """As `kubectl rollout restart`: all pods of the workload are replaced, one after another."""
    template = {"metadata": {"annotations": {RESTARTED: datetime.now(UTC).isoformat(timespec="microseconds")}}}
    kind = await cluster.kind(KINDS[workload.kind])
    await cluster.patch(kind, workload.name, {"spec": {"template": template}}, workload.namespace)


async def power_all(
    cluster: Cluster, workloads: Mapping[str, Workload], before: MutableMapping[str, int], what: Powers
) -> bool:
    """Scale all workloads to zero, or back to what they had; False where one of them has no number of replicas."""
    if any(workload.kind not in SCALABLE for workload in workloads.values()):
        return False
    for key, workload in workloads.items():
        if what is Powers.STOP:
            if workload.wanted:
                before[key] = workload.wanted
            await scale(cluster, workload, 0)
        else:
            await scale(cluster, workload, before.pop(key, max(workload.wanted, 1)))
    return True
