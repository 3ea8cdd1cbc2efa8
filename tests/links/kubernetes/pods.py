"""A pod of a test on the real cluster."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scripts.cluster.images import BUSYBOX

from seatrial.links.kubernetes import Access, Cluster, connect

INIT = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"


@asynccontextmanager
async def pod(kubeconfig: str, *containers: dict[str, object]) -> AsyncIterator[tuple[Cluster, str]]:
    """The cluster, and the name of a pod whose containers all run; without any given, one with a shell."""
    name = f"seatrial-test-{uuid.uuid4().hex[:12]}"
    common = {"image": BUSYBOX, "imagePullPolicy": "Never", "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}
    chosen = [{**common, **one} for one in containers or ({"name": "main", "command": ["sh", "-c", INIT]},)]
    cluster = await connect(Access(kubeconfig=kubeconfig))
    kind = await cluster.kind("v1/Pod")
    spec = {"terminationGracePeriodSeconds": 0, "containers": chosen, "volumes": [{"name": "tmp", "emptyDir": {}}]}
    try:
        await cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
        async with asyncio.timeout(60):
            while not await _runs(cluster, name):
                await asyncio.sleep(0.1)
        yield cluster, name
    finally:
        await cluster.delete(kind, name, grace=0)
        await cluster.close()


async def _runs(cluster: Cluster, name: str) -> bool:
    found = await cluster.get(await cluster.kind("v1/Pod"), name)
    states = ((found or {}).get("status") or {}).get("containerStatuses") or ()
    return bool(states) and all("running" in one["state"] for one in states)
