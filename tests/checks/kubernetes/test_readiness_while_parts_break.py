"""The rows of the readiness table in which a part of the cluster itself is killed or paused. They come last."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager

import pytest
from tests.checks.kubernetes.driving import Phase, prepare
from tests.checks.kubernetes.objects import container, pod
from tests.checks.kubernetes.rows import IS_LAST, LAST, READY, puts, ready_pods, settings

from seatrial.links.kubernetes import Expired

pytestmark = pytest.mark.backend("a cluster of its own")

LIMIT = 90.0
ROWS = ("restart", "expired", "kubelet", "containerd")


@contextmanager
def paused(program):
    program.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        program.signal(signal.SIGCONT)


async def follow_from(cluster, kind, namespace, version):
    async with cluster.following(kind, namespace, version, seconds=5, silence=5) as changes:
        async for _ in changes:
            pass


class Outage:
    """The API server is killed and started; what changes meanwhile is compacted away before one row can look again."""

    def __init__(self, scene):
        self._programs, self._scene = scene.programs.programs(), scene
        self._closed, self._back = asyncio.Event(), asyncio.Event()

    async def restart(self, stage):
        await self._closed.wait()
        server = self._programs["kube-apiserver"]
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.start)
        await stage.put(settings("last"))
        self._back.set()

    async def expire(self, stage):
        stage.proxy.closed = True
        stage.proxy.cut()
        await stage.put(settings("while nobody looked"))
        self._closed.set()
        await self._back.wait()
        await stage.put(settings("last"))
        kind = await stage.cluster.kind("configmaps")
        newest = (await stage.cluster.list(kind, stage.namespace)).version
        compaction = ["--post-data", f'{{"revision": {newest}}}', "http://127.0.0.1:2379/v3/kv/compaction"]
        await asyncio.to_thread(self._scene.programs.plane.run, "busybox", "wget", "-q", "-O", "-", *compaction)
        with pytest.raises(Expired):
            await follow_from(stage.cluster, kind, stage.namespace, "1")
        stage.proxy.closed = False


def breaks(node, act):
    """A pod is ready on a node, which then breaks."""
    down = "status.conditions.exists(c, c.type == 'Ready' && c.status != 'True')"

    def knows(see):
        ready = [c for one in see("nodes") if one["metadata"]["name"] == node for c in one["status"]["conditions"]]
        return any(one["type"] == "Ready" and one["status"] != "True" for one in ready)

    on_node = pod("web", container(), nodeSelector={"kubernetes.io/hostname": node})
    return (
        Phase(check=READY, act=puts(on_node), knows=ready_pods(1)),
        Phase(check={"check": "resource", "kind": "node", "name": node, "that": down}, act=act, knows=knows),
        Phase(check=READY, fails=(f"its node {node} is not ready",), category="infrastructure"),
    )


@pytest.fixture(scope="module")
def run(scene):
    """All of them at once: a node that is silent is known as such after ten seconds."""
    programs = scene.programs.programs()

    async def pauses_the_kubelet(stage):
        programs["n2/kubelet"].signal(signal.SIGSTOP)

    async def kills_containerd(stage):
        await asyncio.to_thread(programs["n1/containerd"].kill)

    outage = Outage(scene)
    rows = {
        "restart": [Phase(check=IS_LAST, act=outage.restart, knows=LAST)],
        "expired": [Phase(check=IS_LAST, act=outage.expire)],
        "kubelet": breaks("n2", pauses_the_kubelet),
        "containerd": breaks("n1", kills_containerd),
    }
    try:
        yield scene.drive(rows, proxied=("expired",))
    finally:
        programs["n2/kubelet"].signal(signal.SIGCONT)
        for name in ("kube-apiserver", "n1/containerd"):
            if not programs[name].running:
                programs[name].start()


@pytest.mark.parametrize("row", ROWS)
def test_a_part_that_breaks(run, row):
    run.require(row)


def test_the_reason_of_a_silent_node_is_the_control_plane_s(run):
    why = run.told["kubelet"][-1].result["why"]
    assert "its node n2 is not ready: Kubelet stopped posting node status" in why, why


def test_changes_are_noticed_in_time_also_after_an_outage(run):
    run.require_notices()


def test_an_api_server_that_is_away_is_unknown_and_no_failure(scene):
    with paused(scene.programs.programs()["kube-apiserver"]):
        result = scene.check("pods_ready", "default", within=3)
    assert result["verdict"] == "unknown", result
    result = scene.check("pods_ready", "default", count=0, within=LIMIT)
    assert result["verdict"] == "passed", result


def test_etcd_that_is_paused_is_unknown_and_no_pass_from_memory(scene):
    async def act(cluster):
        await prepare(cluster, "etcd")
        await cluster.apply(settings("a"), namespace="etcd")

    scene.with_cluster(act)
    assert scene.check("resource", "etcd", kind="configmap", name="settings")["verdict"] == "passed"
    with paused(scene.programs.programs()["etcd"]):
        result = scene.check("resource", "etcd", kind="configmap", name="settings", within=4)
    assert result["verdict"] == "unknown", result
    assert scene.check("resource", "etcd", kind="configmap", name="settings", within=LIMIT)["verdict"] == "passed"
