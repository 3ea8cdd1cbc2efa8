"""What a failed trial in a real cluster tells: resource use, webhooks, events; and checks of what is going away."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripts.cluster import shared
from tests.backends.kubernetes_project import InCluster, config_map, deployment, left_of, project_in

pytestmark = pytest.mark.backend("kubernetes", "helm")

HOME = '-n "$E2E_TEST_NAMESPACE"'


@pytest.fixture
def project(tmp_path: Path, cluster: shared.Use, tool: Callable[[str], Path]) -> Iterator[InCluster]:
    made = project_in(tmp_path, cluster, tool)
    yield made
    made.seatrial("clean")
    assert left_of(made) == []


def sh(line: str) -> dict[str, object]:
    return {"step": "custom_command", "custom_command": ["sh", "-ec", line]}


def test_events_come_exactly_as_often_and_a_failure_has_the_use_of_resources(project: InCluster) -> None:
    web = deployment(replicas=1, resources={"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}})
    project.write("objects.json", {"apiVersion": "v1", "kind": "List", "items": [web]})
    about = {"check": "events", "kubernetes": {"about": "Deployment/web"}, "within": "60s"}
    scaled = {"type": "ScalingReplicaSet", "fields": {"object.name": "web", "type": "Normal"}}
    again = {**scaled, "count": 2}
    pods = {"type": "Started", "count": 2, "fields": {"object.kind": "Pod"}}
    steps = [
        {"step": "validate", "checks": [{**about, "expect": [scaled]}]},
        {"step": "mark", "id": "mark"},
        sh(f"sleep 1; kubectl {HOME} scale deployment web --replicas=2"),
        {"step": "validate", "checks": [
            {**about, "expect": [again]},
            {**about, "expect": [scaled],
             "kubernetes": {"since": "${{ steps.mark.outputs.time }}", "about": "Deployment"}},
            {"check": "events", "kubernetes": {}, "expect": [pods], "others": "allow", "within": "60s"},
        ]},
        {"step": "validate", "checks": [{**about, "expect": [scaled], "within": "1s", "settle": "1s"}]},
    ]  # fmt: skip
    ran = project.seatrial("run", project.trial("deploy", *steps, manifests=["objects.json"]), timeout=300)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    (row,) = project.results()["results"]
    *good, bad = [one for step in row["workflow_steps"] for one in step["validation_results"]]
    assert [one["verdict"] for one in good] == ["passed"] * 4, ran.stdout
    assert "event 2 is one too many" in bad["why"]
    assert '"reason": "ScalingReplicaSet"' in bad["why"]
    folder = project.runs()[-1] / row["folder"] / row["diagnostics"]["folder"] / "system"
    use = (folder / "resources.txt").read_text()
    assert use.startswith("the cluster has no metrics API; by the kubelets:")
    lines = [line for line in use.splitlines() if "/web-" in line]
    assert len(lines) == 2
    assert all("(request 10m)" in line and "limit 64Mi)" in line for line in lines)
    assert not any("memory 0Ki" in line for line in lines)
    assert "MemoryPressure=False" in (folder / "nodes.txt").read_text()
    assert (folder / "webhooks.txt").exists()


def test_an_object_that_is_being_deleted_does_not_count(project: InCluster) -> None:
    held = config_map("held", finalizers=["seatrial.example/hold"])
    project.write("objects.json", {"apiVersion": "v1", "kind": "List", "items": [held]})
    ending = {"check": "resource", "kind": "configmap", "name": "held", "that": "has(metadata.deletionTimestamp)"}
    release = json.dumps({"metadata": {"finalizers": None}})
    steps = [
        {"step": "validate", "checks": ["resource:configmap/held"]},
        sh(f"kubectl {HOME} delete configmap held --wait=false"),
        {"step": "validate", "checks": [ending]},
        {"step": "validate", "checks": ["resource:configmap/held"], "allow_failures": ["resource:configmap/held"]},
        sh(f"kubectl {HOME} patch configmap held --type merge -p '{release}'"),
    ]
    ran = project.seatrial("run", project.trial("deploy", *steps, manifests=["objects.json"]), timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (row,) = project.results()["results"]
    before, counted, after = [one for step in row["workflow_steps"] for one in step["validation_results"]]
    assert (before["verdict"], counted["verdict"], after["verdict"]) == ("passed", "passed", "failed")
    assert "held by the finalizer seatrial.example/hold" in after["why"]
