"""Port-forwards of the system `kubernetes`, on a real cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripts.cluster import shared
from tests.backends.kubernetes_project import InCluster, deployment, left_of, project_in

pytestmark = pytest.mark.backend("kubernetes", "helm")

NAMES = "mkdir /www && hostname > /www/index.html && exec httpd -f -p 8080 -h /www"
PORT = {"name": "http", "containerPort": 8080}
URL = "${{ steps.deploy.outputs.forwards.door.url }}"


@pytest.fixture
def project(tmp_path: Path, cluster: shared.Use, tool: Callable[[str], Path]) -> Iterator[InCluster]:
    made = project_in(tmp_path, cluster, tool)
    things = [deployment(name, 1, ["sh", "-c", NAMES], ports=[PORT]) for name in ("web", "stranger")]
    made.write("objects.json", {"apiVersion": "v1", "kind": "List", "items": things})
    yield made
    made.seatrial("clean")
    assert left_of(made) == []
    assert made.left() == []


def log_of(project: InCluster) -> str:
    return "\n".join(event["data"]["text"] for event in project.events() if event["kind"] == "log")


def answers(text: str, **more: object) -> dict[str, object]:
    check = {"check": "http", "url": f"{URL}/", "contains": text, **more}
    return {"step": "validate", "checks": [check], "retry": {"timeout": "60s"}}


def test_a_forward_follows_the_pod_that_takes_another_s_place(project: InCluster) -> None:
    name = "kubectl get pods -n \"$E2E_TEST_NAMESPACE\" -l app=web -o jsonpath='{.items[0].metadata.name}'"
    lost = f'pod=$({name}); echo "$pod" >first; kubectl delete pod "$pod" -n "$E2E_TEST_NAMESPACE" --force'
    other = f'now=$(curl -fsS --max-time 60 "{URL}/"); test "$now" != "$(cat first)"; test "$now" = "$({name})"'
    ran = project.seatrial("run", project.trial(
        {"step": "deploy", "id": "deploy"},
        answers("web-"),
        {"step": "custom_command", "custom_command": lost},
        {"step": "validate", "checks": ["rollout:web"], "retry": {"timeout": "60s"}},
        {"step": "custom_command", "custom_command": other},
        "destroy",
        {"step": "custom_command", "custom_command": f'! curl -fsS --max-time 5 "{URL}/"'},
        manifests=["objects.json"],
        forwards={"door": {"to": "deployment/web", "port": "http"}},
    ))  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "forward door: new connections go to port 8080 of the pod web-" in log_of(project)


def test_a_forward_without_a_pod_lets_no_check_pass_and_says_why(project: InCluster) -> None:
    ran = project.seatrial("run", project.trial(
        {"step": "deploy", "id": "deploy"},
        {**answers("web-"), "retry": {"timeout": "3s"}},
        manifests=["objects.json"],
        forwards={"door": {"to": "app=webb", "port": "http"}},
    ))  # fmt: skip
    assert ran.returncode in (1, 3), ran.stdout + ran.stderr
    assert "forward door: no target: there are no pods with app=webb" in log_of(project)


@pytest.mark.parametrize(
    ("forward", "told"),
    [
        ({"to": "job/web", "port": 80}, "a forward cannot go to the kind 'job'"),
        ({"to": "svc/web", "port": 0}, "0 is not a port"),
    ],
)
def test_a_forward_that_can_lead_nowhere_is_refused(project: InCluster, forward: object, told: str) -> None:
    document = project.trial("deploy", manifests=["objects.json"], forwards={"door": forward})
    checked = project.seatrial("check", document)
    assert checked.returncode == 2, checked.stdout + checked.stderr
    assert told in checked.stdout + checked.stderr
