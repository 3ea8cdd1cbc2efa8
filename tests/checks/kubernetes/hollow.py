"""Hollow nodes: the API server has them and their pods, a hollow kubelet keeps their status, and no container runs."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator

from tests.checks.kubernetes.independent import Object
from tests.checks.kubernetes.objects import IMAGE

from seatrial.links.kubernetes import Cluster
from seatrial.spi.concurrency import map_concurrently

NODES = 10
GROUPS = 50
IN_A_GROUP = 20
AT_ONCE = 8
HEARTBEAT = 3.0


class Hollow:
    """A thousand pods in a namespace: fifty groups (`app=g0`, …) of twenty, on ten nodes."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._nodes = [f"hollow-{number}" for number in range(NODES)]

    @contextlib.asynccontextmanager
    async def pods(self) -> AsyncIterator[None]:
        """Make nodes and pods; all of them are gone at the end."""
        node = await self._cluster.kind("v1/Node")
        try:
            await map_concurrently(self._make_node, self._nodes, most=AT_ONCE)
            beating = asyncio.create_task(self._beat())
            try:
                names = [(group, number) for group in range(GROUPS) for number in range(IN_A_GROUP)]
                await map_concurrently(lambda one: self._make_pod(*one), names, most=AT_ONCE)
                yield
            finally:
                beating.cancel()
                await asyncio.gather(beating, return_exceptions=True)
                every = f"/api/v1/namespaces/{self._namespace}/pods?gracePeriodSeconds=0"
                await self._cluster.ask("DELETE", every, "delete all pods", timeout=120)
        finally:
            await map_concurrently(lambda name: self._cluster.delete(node, name), self._nodes, most=AT_ONCE)

    async def make_ready(self, group: int) -> None:
        """As a kubelet does for pods whose probes pass."""
        await asyncio.gather(*(self._set_ready(f"g{group}-{number}") for number in range(IN_A_GROUP)))

    async def _set_ready(self, name: str) -> None:
        running = {"running": {"startedAt": _now()}}
        container = {"name": "main", "image": IMAGE, "imageID": "", "restartCount": 0, "ready": True, "state": running}
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": _now()}
            for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
        ]
        status = {"phase": "Running", "conditions": conditions, "containerStatuses": [container]}
        kind = await self._cluster.kind("v1/Pod")
        await self._cluster.patch(kind, name, {"status": status}, self._namespace, part="status")

    async def _make_pod(self, group: int, number: int) -> None:
        name = f"g{group}-{number}"
        spec = {"nodeName": self._nodes[(group + number) % NODES], "containers": [{"name": "main", "image": IMAGE}]}
        metadata = {"name": name, "labels": {"app": f"g{group}"}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        await self._cluster.create(pod, namespace=self._namespace)

    async def _make_node(self, name: str) -> None:
        # Other tests' pods stay away.
        taint = {"key": "seatrial.example/hollow", "effect": "NoSchedule"}
        node: Object = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"taints": [taint]}}
        await self._cluster.create(node)
        await self._say_ready(name)

    async def _beat(self) -> None:
        """The control plane would give up nodes that are silent."""
        while True:
            await asyncio.sleep(HEARTBEAT)
            await map_concurrently(self._say_ready, self._nodes, most=AT_ONCE)

    async def _say_ready(self, name: str) -> None:
        ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": _now(), "reason": "KubeletReady"}
        capacity = {"cpu": "8", "memory": "32Gi", "pods": "110"}
        status = {"conditions": [ready], "capacity": capacity, "allocatable": capacity}
        await self._cluster.patch(await self._cluster.kind("v1/Node"), name, {"status": status}, part="status")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
