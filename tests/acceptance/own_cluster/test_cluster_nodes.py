"""Nodes of a cluster: cordon, drain and their end, on real nodes."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from scripts.cluster.cluster import Cluster
from tests.acceptance.own_cluster.conftest import eventually, put
from tests.backends.kubernetes_project import InCluster, Object, deployment

pytestmark = pytest.mark.backend("a cluster of its own")

NODES = {"names": ["n2"], "reason": "rehearsal of the update"}
MARK = "fault.seatrial/"


def on(node: str, thing: Object, **spec: object) -> Object:
    """The same, on this node alone."""
    template = thing["spec"]["template"]
    selected = {**template["spec"], "nodeSelector": {"kubernetes.io/hostname": node}, **spec}
    return {**thing, "spec": {**thing["spec"], "template": {**template, "spec": selected}}}


def budget(name: str) -> Object:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": name}}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}


def document(project: InCluster, *steps: object, things: object = None, **more: Any) -> Path:
    objects = things if things is not None else [deployment("web", 2)]
    project.write("objects.json", {"apiVersion": "v1", "kind": "List", "items": objects})
    ready = {"step": "validate", "checks": ["cluster_status"], "retry": {"timeout": "180s"}}
    keys = {key: value for key, value in {"cluster_nodes": NODES, **more}.items() if value}
    path = project.trial("deploy", ready, *steps, manifests=["objects.json"], **keys)
    made = json.loads(path.read_text())
    made["test_suites"]["s"]["deadlines"]["stop"] = "40s"
    return project.write(path.name, made)


def drain(**more: object) -> dict[str, object]:
    return {"step": "inject", "fault": "drain", "target_node": "node/n2", **more}


def rows(project: InCluster, step: str) -> list[Mapping[str, Any]]:
    (suite,) = project.results()["results"]
    return [row for row in suite["workflow_steps"] if row["step_type"] == step]


def node(project: InCluster, name: str = "n2") -> tuple[bool, list[str]]:
    """Whether it is cordoned, and by which faults of Seatrial."""
    thing = json.loads(project.kubectl("get", "node", name, "--output", "json"))
    marks = thing["metadata"].get("annotations") or {}
    return bool(thing["spec"].get("unschedulable")), sorted(mark for mark in marks if mark.startswith(MARK))


def kill(run: subprocess.Popen[str]) -> None:
    """The run alone: its alarm lives on, with its output closed."""
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=60)


FREE: tuple[bool, list[str]] = (False, [])


def test_a_budget_that_blocks_a_drain_is_named_and_after_it_the_pods_move(project: InCluster, namespace: str) -> None:
    ran = project.seatrial("run", document(
        project,
        drain(expect="failure"),
        {"step": "validate", "checks": ["health_status[node/n2].schedulable!=ok"]},
        {"step": "heal"},
        {"step": "validate", "checks": ["health_status[node/*].schedulable==ok", "node_status:node/n2:running"]},
        {"step": "custom_command", "custom_command": "kubectl delete pdb held -n $E2E_TEST_NAMESPACE"},
        {"step": "inject", "fault": "drain", "target_node": "under/held", "id": "second"},
        {"step": "custom_command", "id": "pods", "custom_command":
            "kubectl get pods -n $E2E_TEST_NAMESPACE -o jsonpath='{.items[*].spec.nodeName}'"},
        {"step": "validate", "checks": ["node_status:web-1,web-2:running"], "retry": {"timeout": "180s"}},
        things=[deployment("web", 2), on("n2", deployment("held")), budget("held")],
    ), timeout=600)  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    first, second = rows(project, "inject")
    why = first["outputs"]["error"]
    assert "the node n2 was not drained within 40 s; 1 of " in why
    assert "The disruption budget held needs 1 healthy pods and has 1 currently" in why
    assert any("/held-" in pod for pod in second["outputs"]["drained"]["node/n2"]["evicted"])
    assert node(project) == FREE


def test_a_drain_that_would_hit_others_is_refused_with_each_reason_and_nothing_is_done(
    project: InCluster, namespace: str
) -> None:
    daemons = on("n2", deployment("daemons"))
    daemons["spec"].pop("replicas")
    alone = on("n2", deployment("alone"))["spec"]["template"]
    scratch = on("n2", deployment("scratch"), volumes=[{"name": "data", "emptyDir": {}}])
    put(
        project, namespace, {**daemons, "kind": "DaemonSet"}, scratch, on("n2", deployment("theirs")),
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alone"}, "spec": alone["spec"]},
    )  # fmt: skip
    wait = ("wait", "--for=condition=Ready", "pod", "--all", "-n", namespace, "--timeout=180s")
    eventually(lambda: len(project.get("pods", "-n", namespace)) == 4, "four pods")
    project.kubectl(*wait)
    before = sorted(pod["metadata"]["uid"] for pod in project.get("pods", "-n", namespace))
    all_ways = {"ignore_daemonsets": True, "force": True, "delete_emptydir_data": True}
    ran = project.seatrial("run", document(
        project, drain(expect="failure"), {"step": "validate", "checks": ["health_status[node/n2].schedulable==ok"]},
        drain(expect="failure", **all_ways),
    ), timeout=600)  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    first, second = (row["outputs"]["error"] for row in rows(project, "inject"))
    for words in (
        f"{namespace}/alone: without a controller", "of a DaemonSet", "with data in an emptyDir", "not of this trial",
    ):  # fmt: skip
        assert words in first, first
    assert f"{namespace}/theirs-" in second
    assert "not of this trial (`cluster_nodes: {evict: all}` allows it)" in second
    assert "DaemonSet" not in second
    assert sorted(pod["metadata"]["uid"] for pod in project.get("pods", "-n", namespace)) == before
    assert node(project) == FREE

    everybody = {**NODES, "evict": "all"}
    ran = project.seatrial("run", document(project, drain(**all_ways), cluster_nodes=everybody), timeout=600)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (done,) = (row["outputs"]["drained"]["node/n2"] for row in rows(project, "inject"))
    assert [why for pod, why in done["left"].items() if f"{namespace}/daemons-" in pod] == ["a DaemonSet has it"]
    assert f"{namespace}/alone" in done["evicted"]
    assert node(project) == FREE


@pytest.mark.parametrize("before", [False, True], ids=["free before", "cordoned before"])
def test_a_killed_run_gives_the_node_back_as_it_was(project: InCluster, namespace: str, *, before: bool) -> None:
    if before:
        project.kubectl("cordon", "n2")
    run: subprocess.Popen[str] | None = None
    try:
        there = project.folder / "there"
        held = {"step": "custom_command", "custom_command": f"touch {there}; sleep 300"}
        cordon = {"step": "inject", "fault": "cordon", "target_node": "node/n2", "for": "1h"}
        run = project.start("run", document(project, cordon, held))
        eventually(there.exists, "the node is cordoned")
        assert node(project) == (True, [f"{MARK}cordon"])

        # Another trial sees who has it, and why.
        other = InCluster(project.folder / "other", project.more)
        other.folder.mkdir()
        ran = other.seatrial(
            "run", document(other, {"step": "inject", "fault": "cordon", "target_node": "node/*"}), timeout=240
        )
        assert ran.returncode == 3, ran.stdout + ran.stderr
        assert "the node n2 is in use by the trial t" in ran.stdout
        assert "(rehearsal of the update)" in ran.stdout
        assert node(project) == (True, [f"{MARK}cordon"])

        kill(run)
        run = None
        cleaned = project.seatrial("clean", timeout=600)
        assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
        assert node(project) == (before, [])
    finally:
        if run is not None:
            kill(run)
        project.kubectl("uncordon", "n2")


def test_a_cordon_ends_by_its_time_without_seatrial_also_over_an_api_server_that_is_away(
    project: InCluster, namespace: str, programs: Cluster
) -> None:
    there = project.folder / "there"
    held = {"step": "custom_command", "custom_command": f"touch {there}; sleep 300"}
    cordon = {"step": "inject", "fault": "cordon", "target_node": "node/any", "for": "20s"}
    run = project.start("run", document(project, cordon, held))
    eventually(there.exists, "the node is cordoned")
    assert node(project) == (True, [f"{MARK}cordon"])
    kill(run)
    server = programs.programs()["kube-apiserver"]
    server.kill()
    server.start()
    eventually(lambda: project.kubectl("get", "node", "n2", check=False), "the API server is back")
    eventually(lambda: node(project) == FREE, "its time is up", 300)


def test_what_was_not_asked_for_is_refused_before_anything_is_made(project: InCluster, namespace: str) -> None:
    for steps, keys, words in (
        ([drain()], {"cluster_nodes": None}, "write `cluster_nodes` into `system:`"),
        ([drain()], {"cluster_nodes": {"reason": "x"}}, "needs either `names` or `labels`"),
        ([drain()], {"cluster_nodes": {**NODES, "reason": " "}}, "write why these nodes may be touched"),
        ([{**drain(), "fault": "cordon", "force": True}], {}, "only the fault `drain` has `force`"),
    ):
        path = document(project, *steps, **keys)
        checked = project.seatrial("check", path)
        assert checked.returncode == 2, checked.stdout
        assert words in checked.stdout + checked.stderr, checked.stdout + checked.stderr
    path = document(project, drain())
    path.write_text(path.read_text().replace('"workflow"', '"power": "guest", "workflow"'))
    checked = project.seatrial("check", path)
    assert "`power: guest` forbids it" in checked.stdout + checked.stderr

    ran = project.seatrial("run", document(
        project,
        {"step": "crash_node", "target_node": "node/n2", "method": "destroy", "allow_failure": True},
        {"step": "inject", "fault": "cordon", "target_node": "web-1", "allow_failure": True},
        {"step": "inject", "fault": "cordon", "target_node": "node/n1", "allow_failure": True},
    ), timeout=600)  # fmt: skip
    errors = [row["error"] for row in [*rows(project, "crash_node"), *rows(project, "inject")]]
    assert "node/n2 is a machine of the cluster: to crash it, name the provider" in errors[0], ran.stdout
    assert "web-1 is not a machine of the cluster" in errors[1]
    assert "no node 'node/n1'" in errors[2]
    assert node(project) == node(project, "n1") == FREE
