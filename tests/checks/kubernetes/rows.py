"""The rows of the readiness table for which the cluster itself stays whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from tests.checks.kubernetes.driving import Act, Phase, Stage
from tests.checks.kubernetes.independent import Knows, Object, See
from tests.checks.kubernetes.objects import (
    FILE,
    IMAGE,
    NEVER,
    container,
    definition,
    job,
    pod,
    pod_spec,
    service,
    webhook,
    workload,
)

from seatrial.errors import CannotTell
from seatrial.links.kubernetes import ApiRefused, exec

READY = {"check": "pods_ready"}
WEB = {"check": "rollout", "workload": "web"}
SETTINGS = {"check": "resource", "kind": "configmap", "name": "settings"}
PROXIED = ("cut-by-a-proxy",)


def puts(*things: Object) -> Act:
    return lambda stage: stage.put(*things)


def condition(thing: Object, kind: str, status: str = "True") -> bool:
    conditions = thing.get("status", {}).get("conditions") or ()
    return any((one["type"], one["status"]) == (kind, status) for one in conditions)


def any_of(resource: str, holds: Callable[[Object], object]) -> Knows:
    return lambda see: any(holds(thing) for thing in see(resource))


def has(resource: str, kind: str, status: str = "True") -> Knows:
    return any_of(resource, lambda thing: condition(thing, kind, status))


def in_container(holds: Callable[[Mapping[str, Any]], object]) -> Knows:
    def statuses(thing: Object) -> Sequence[Mapping[str, Any]]:
        status = thing.get("status", {})
        return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]

    return any_of("pods", lambda thing: any(holds(one) for one in statuses(thing)))


def warned(words: str) -> Knows:
    return any_of("events", lambda event: words in (event.get("message") or ""))


def waits_for(*reasons: str) -> Knows:
    return in_container(lambda one: one["state"].get("waiting", {}).get("reason") in reasons)


def ready_pods(number: int) -> Knows:
    def knows(see: See) -> bool:
        present = [thing for thing in see("pods") if "deletionTimestamp" not in thing["metadata"]]
        return len(present) == number and all(condition(thing, "Ready") for thing in present)

    return knows


def rolled_out(number: int) -> Knows:
    def available(thing: Object) -> bool:
        status = thing.get("status", {})
        seen = status.get("observedGeneration") == thing["metadata"]["generation"]
        return bool(seen and status.get("availableReplicas") == status.get("updatedReplicas") == number)

    return lambda see: bool(ready_pods(number)(see)) and any(map(available, see("deployments")))


def is_settings(thing: Object) -> bool:
    return bool(thing["metadata"]["name"] == "settings")


def terminating(see: See) -> bool:
    old = [thing for thing in see("pods") if "deletionTimestamp" in thing["metadata"]]
    return bool(old and rolled_out(1)(see))


async def removes_the_mark(stage: Stage) -> None:
    done = await exec.run(stage.cluster, "web", ("rm", "/ready"), namespace=stage.namespace, timeout=60)
    assert done.exit_code == 0


async def evicts(stage: Stage) -> None:
    """As a drain does it."""
    kind = await stage.cluster.kind("pods")
    (one,) = (await stage.cluster.list(kind, stage.namespace)).objects
    name = one["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    with pytest.raises(ApiRefused, match="disruption budget"):
        await stage.cluster.replace(kind, name, eviction, stage.namespace, part="eviction", method="POST")


async def deletes_settings(stage: Stage) -> None:
    await stage.cluster.delete(await stage.cluster.kind("configmap"), "settings", stage.namespace)


async def releases_settings(stage: Stage) -> None:
    kind = await stage.cluster.kind("configmap")
    await stage.cluster.patch(kind, "settings", {"metadata": {"finalizers": None}}, stage.namespace)


async def meets_the_quota(stage: Stage) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "two"}, "spec": {"hard": {"pods": "0"}}}
    await stage.put(quota)
    await stage.until(any_of("resourcequotas", lambda thing: thing.get("status", {}).get("hard")))
    await stage.put(workload("Deployment"))


async def until_it_is_heeded(stage: Stage) -> None:
    while True:
        await stage.cluster.create(pod("probe"), namespace=stage.namespace, dry_run=True)
        await asyncio.sleep(0.1)


async def meets_the_webhook(stage: Stage) -> None:
    """The API server takes a while to heed a new webhook."""
    await stage.put(webhook("down", "hook", service={"name": "nobody", "namespace": "hook"}, caBundle=""))
    with pytest.raises(CannotTell, match="failed calling webhook"):
        await until_it_is_heeded(stage)
    await stage.put(workload("Deployment"))


async def defines_rafts(stage: Stage) -> None:
    await stage.put(definition("rafts"))
    raft: Object = {"apiVersion": "seatrial.example/v1", "kind": "Raft", "metadata": {"name": "one"}}
    while True:
        try:
            return await stage.put(raft)
        except CannotTell:
            await asyncio.sleep(0.05)


def settings(value: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": value}}


IS_LAST = {**SETTINGS, "that": "object.data.a == 'last'"}
LAST = any_of("configmaps", lambda thing: thing.get("data", {}).get("a") == "last")


async def is_cut_at_each_change(stage: Stage) -> None:
    """Half of a change may be on its way when the connection ends."""
    assert stage.proxy is not None
    for number in range(20):
        await stage.put(settings(str(number)))
        await asyncio.sleep(0.02 * (number % 5))
        stage.proxy.cut()
    assert stage.proxy.cuts >= 5
    await stage.put(settings("last"))


async def writes_a_contradiction(stage: Stage) -> None:
    """No kubelet has this pod: the status is the one that the test writes."""
    spec = {**pod_spec(container(image=IMAGE)), "nodeName": "ghost"}
    await stage.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "ghost"}}, {**pod(), "spec": spec})
    state = {"name": "main", "image": IMAGE, "imageID": "", "restartCount": 0, "state": {"running": {}}}
    ready = {"type": "Ready", "status": "True"}
    status = {"phase": "Running", "conditions": [ready], "containerStatuses": [{**state, "ready": False}]}
    await stage.cluster.patch(
        await stage.cluster.kind("pods"), "web", {"status": status}, stage.namespace, part="status"
    )


def listens(port: int = 8080) -> Object:
    return container(
        command=["httpd", "-f", "-p", str(port)], readinessProbe={"tcpSocket": {"port": port}, "periodSeconds": 1}
    )


LISTEN = workload("Deployment", "web", listens(), spec={"replicas": 2})


def stubborn(seconds: int) -> Object:
    script = f"trap '' TERM; sleep {seconds} & wait; sleep {seconds}"
    return workload("Deployment", "web", container(command=["sh", "-c", script]), terminationGracePeriodSeconds=120)


def stateful(seconds: int, **spec: Any) -> Object:
    spec = {"replicas": 2, "podManagementPolicy": "Parallel", **spec}
    return workload("StatefulSet", "db", container(command=["sleep", str(seconds)]), spec=spec)


def unready(path: str, probe: str) -> Act:
    probes: dict[str, Any] = {probe: {**NEVER, "exec": {"command": ["ls", path]}}}
    return puts(pod("web", container(**probes)))


SCALER: Object = {
    "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 3, "maxReplicas": 4,
        "metrics": [{"type": "Resource", "resource": {
            "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}],
    },
}  # fmt: skip
BUDGET: Object = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
                  "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}  # fmt: skip
HELD: Object = {"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "settings", "finalizers": ["example.org/hold"]}}  # fmt: skip
NOT_READY = "status.conditions.exists(c, c.type == 'Ready' && c.status == 'False')"
CRASHES = container(command=["sh", "-c", "echo starting; echo no database at db:5432; exit 3"])
FAILS = container(command=["sh", "-c", "echo table missing; exit 4"])
AGENT = workload("DaemonSet", "agent", nodeSelector={"kubernetes.io/os": "linux"})
PARTITION = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}

ROWS: Mapping[str, Sequence[Phase]] = {
    "terminating-beside-new": (
        Phase(check=WEB, act=puts(stubborn(100000)), knows=rolled_out(1)),
        Phase(check=WEB, before=puts(stubborn(100001)), knows=terminating),
        Phase(check={**READY, "count": 1}),
    ),
    "running-not-ready": (
        Phase(check=READY, act=unready("/no-such-file", "readinessProbe"), fails=("readiness probe", "no-such-file"),
              knows=in_container(lambda one: "running" in one["state"] and not one["ready"]),
              enough=warned("no-such-file")),
    ),
    "ready-then-lost": (
        Phase(check=READY, knows=ready_pods(1),
              act=puts(pod("web", container(command=["sh", "-c", "touch /ready; sleep 100000"], readinessProbe=FILE)))),
        Phase(check={"check": "resource", "kind": "pod", "name": "web", "that": NOT_READY}, act=removes_the_mark,
              knows=has("pods", "Ready", "False")),
        Phase(check=READY, fails=("readiness probe",)),
    ),
    "empty-list": (Phase(check=READY, fails=("0 pods",)), Phase(check={**READY, "count": 0})),
    "image": (
        Phase(check=READY, fails=("the image localhost:9/nothing:1 cannot be pulled",),
              act=puts(pod("web", container(image="localhost:9/nothing:1", imagePullPolicy="IfNotPresent"))),
              knows=waits_for("ErrImagePull", "ImagePullBackOff"), category="infrastructure"),
    ),
    "unschedulable": (
        Phase(check=READY, act=puts(pod("web", container(resources={"requests": {"cpu": "1000"}}))),
              knows=has("pods", "PodScheduled", "False"), fails=("cannot be scheduled", "Insufficient cpu"),
              category="infrastructure"),
    ),
    "crash-loop": (
        Phase(check=WEB, act=puts(workload("Deployment", "web", CRASHES, spec={"minReadySeconds": 100})),
              knows=waits_for("CrashLoopBackOff"), look="crashes again and again",
              fails=("exit code 3", "no database at db:5432")),
    ),
    "init-never-ends": (
        Phase(check=READY, act=puts(pod("web", initContainers=[container("wait-for-db")])),
              knows=in_container(lambda one: one["name"] == "wait-for-db" and "running" in one["state"]),
              fails=("init container wait-for-db is still running",), category="timeout"),
    ),
    "startup-probe": (
        Phase(check=READY, act=unready("/not-started", "startupProbe"),
              knows=in_container(lambda one: "running" in one["state"] and one.get("started") is False),
              enough=warned("not-started"), fails=("startup probe has not passed", "not-started"),
              category="timeout"),
    ),
    "sidecar": (
        Phase(check=READY, fails=("sidecar proxy", "startup probe"), category="timeout",
              act=puts(pod("web", initContainers=[container("proxy", restartPolicy="Always", startupProbe=NEVER)])),
              knows=in_container(lambda one: "running" in one["state"] and one.get("started") is False)),
    ),
    "budget-blocks-drain": (
        Phase(check=WEB, act=puts(BUDGET, workload("Deployment")), knows=rolled_out(1)),
        Phase(check={"check": "resource", "kind": "pdb", "name": "web", "that": "status.disruptionsAllowed >= 1"},
              enough=any_of("budgets", lambda thing: thing["status"].get("currentHealthy") == 1),
              fails=("DisruptionAllowed=False", "InsufficientPods")),
        Phase(check=WEB, before=evicts),
    ),
    "finalizer": (
        Phase(check=SETTINGS, act=puts(HELD), knows=any_of("configmaps", is_settings)),
        Phase(check={**SETTINGS, "absent": True}, act=deletes_settings,
              knows=any_of("configmaps", lambda one: "deletionTimestamp" in one["metadata"]),
              fails=("held by the finalizer example.org/hold",)),
        Phase(check={**SETTINGS, "absent": True}, act=releases_settings,
              knows=lambda see: not any(map(is_settings, see("configmaps")))),
    ),
    "quota": (
        Phase(check=WEB, act=meets_the_quota, knows=has("deployments", "ReplicaFailure"),
              fails=("pods cannot be created", "exceeded quota")),
    ),
    "hook": (
        Phase(check=WEB, act=meets_the_webhook, knows=has("deployments", "ReplicaFailure"),
              fails=("pods cannot be created", "failed calling webhook")),
        Phase(check={"check": "webhook_answers", "name": "down", "object": pod("raft")},
              fails=('failed calling webhook "down.seatrial.example"',)),
    ),
    "job-completes": (
        Phase(check={"check": "jobs", "name": "works"}, act=puts(job("works", container(command=["true"]))),
              knows=has("jobs", "Complete")),
    ),
    "job-fails-after-retries": (
        Phase(check={"check": "jobs", "name": "migrate"}, act=puts(job("migrate", FAILS, backoffLimit=1)),
              knows=has("jobs", "Failed"), fails=("BackoffLimitExceeded", "table missing")),
        Phase(check={"check": "jobs"}, fails=("Job migrate failed",)),
    ),
    "partition": (
        Phase(check={"check": "rollout", "workload": "statefulset/db"}, act=puts(stateful(100000)),
              knows=any_of("statefulsets", lambda one: one["status"].get("availableReplicas") == 2)),
        Phase(check={"check": "rollout", "workload": "sts/db"}, before=puts(stateful(100002, **PARTITION)),
              enough=any_of("statefulsets", lambda one: one["status"].get("updatedReplicas") == 1
                            and one["status"].get("availableReplicas") == 2),
              fails=("its partition 1 holds back db-0",)),
    ),
    "paused": (
        Phase(check=WEB, act=puts(workload("Deployment")), knows=rolled_out(1)),
        Phase(check=WEB, fails=("it is paused", "0 of 1 pods are new"),
              before=puts(workload("Deployment", "web", container(command=["sleep", "9"]), spec={"paused": True})),
              enough=any_of("deployments", lambda one: one["spec"].get("paused")
                            and one["status"].get("observedGeneration") == one["metadata"]["generation"])),
    ),
    "daemon": (
        Phase(check={"check": "rollout", "workload": "ds/agent"}, act=puts(AGENT),
              knows=any_of("daemonsets", lambda one: one.get("status", {}).get("numberAvailable") == 2),
              seen={"wanted": 2, "new": 2, "ready": 2, "old": 0}),
    ),
    "endpoints": (
        Phase(check={"check": "endpoints", "service": "web", "port": "http"},
              act=puts(service("nobody"), service("web"), LISTEN),
              knows=any_of("slices", lambda one: sum(bool(end["conditions"].get("ready"))
                                                     for end in one.get("endpoints") or ()) == 2)),
        Phase(check={"check": "endpoints", "service": "nobody"},
              fails=("no pod has the labels of its selector app=nobody",)),
        Phase(check={"check": "endpoints", "service": "web", "port": "grpc"}, fails=("have no port grpc",)),
    ),
    "definition": (
        # Not timed: no event tells that it is served.
        Phase(check={"check": "crd_established", "name": "boats.seatrial.example"}, act=puts(definition("boats"))),
        Phase(check={"check": "crd_established", "name": "ships.seatrial.example"}, fails=("there is no",)),
        Phase(check={"check": "resource", "kind": "ships", "name": "one"}, fails=("serves no kind 'ships'",)),
    ),
    "kind-that-comes-later": (
        Phase(check={"check": "resource", "kind": "rafts.seatrial.example", "name": "one"}, act=defines_rafts),
    ),
    "autoscaler-meanwhile": (
        Phase(check=WEB, act=puts(workload("Deployment")), knows=rolled_out(1)),
        Phase(check={**WEB, "replicas": 3}, act=puts(SCALER), knows=rolled_out(3),
              seen={"wanted": 3, "new": 3, "ready": 3, "old": 0}),
    ),
    "impossible-image": (
        Phase(check=READY, act=puts(pod("web", container(image="Not/An:Image:1"))), knows=waits_for("InvalidImageName"),
              fails=("cannot be pulled (InvalidImageName)",), category="test"),
    ),
    "no-node-fits": (
        Phase(check=READY, act=puts(pod("web", nodeSelector={"disk": "none"})),
              knows=has("pods", "PodScheduled", "False"), fails=("didn't match Pod's node affinity/selector",)),
    ),
    "ready-not-long-enough": (
        Phase(check=WEB, act=puts(workload("Deployment", "web", spec={"minReadySeconds": 500})),
              knows=ready_pods(1), fails=("ready long enough (minReadySeconds)",), category="timeout"),
    ),
    "cut-by-a-proxy": (Phase(check=IS_LAST, act=is_cut_at_each_change, knows=LAST),),
    "contradiction": (
        Phase(check=READY, act=writes_a_contradiction, category="infrastructure",
              knows=in_container(lambda one: "running" in one["state"] and not one["ready"]),
              fails=("its condition Ready is True, and its container main is not ready", "contradict each other")),
    ),
}  # fmt: skip
