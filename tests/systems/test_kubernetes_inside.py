"""Ways into pods, of the system `kubernetes` and of an inventory, on a real cluster through the real command."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from scripts.cluster import shared
from scripts.cluster.images import BUSYBOX
from tests.backends.kubernetes_project import InCluster, deployment, left_of, project_in

pytestmark = pytest.mark.backend("kubernetes", "helm")


@pytest.fixture
def project(tmp_path: Path, cluster: shared.Use, tool: Callable[[str], Path]) -> Iterator[InCluster]:
    made = project_in(tmp_path, cluster, tool)
    yield made
    made.seatrial("clean", "--all")
    assert left_of(made) == []


@pytest.fixture
def pod(project: InCluster) -> Iterator[str]:
    """A pod of somebody else, of two containers, the second of them without a shell."""
    name = f"inside-{uuid.uuid4().hex[:12]}"
    common = {"image": BUSYBOX, "imagePullPolicy": "Never"}
    first = {"name": "main", "command": ["sh", "-c", "echo shop >/name; exec httpd -f -p 8080"], **common}
    bare = {"name": "bare", "command": ["sh", "-c", "rm /bin/sh; exec sleep 100000"], **common}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [first, bare]}
    project.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
    project.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
    yield name
    project.kubectl("delete", "pod", name, "--grace-period=0", "--force", "--ignore-not-found")


def checks(project: InCluster) -> list[Mapping[str, Any]]:
    """The results of the last step `validate`, in order."""
    (suite,) = project.results()["results"]
    steps: list[Mapping[str, Any]] = suite["workflow_steps"]
    return next(step["validation_results"] for step in reversed(steps) if step.get("validation_results"))


def test_checks_look_inside_the_pods_of_now_and_a_shell_leads_there(project: InCluster) -> None:
    project.write("objects.json", deployment(command=["sh", "-c", "echo $HOSTNAME >/name; exec httpd -f -p 8080"]))
    inside = [
        {"check": "command", "command": "test -s /name\nread name </name\necho $name", "on": "web", "contains": "web-"},
        {"check": "command", "command": ["cat"], "on": "web", "input": "a\nb", "that": "stdout == 'a\\nb'"},
        {"check": "command", "command": ["sh", "-c", 'echo "$WORD"'], "on": "web", "env": {"WORD": "it's\n\\0$X"},
         "that": "stdout == \"it's\\n\\\\0$X\""},
        {"check": "command", "command": ["sh", "-c", "exit 7"], "on": "web", "exit_code": 7},
        {"check": "file", "path": "/name", "on": "web", "contains": "web-"},
        {"check": "process", "name": "httpd", "on": "web"},
        {"check": "mount", "path": "/proc", "on": "web"},
    ]  # fmt: skip
    wrong = [
        {"check": "command", "command": "false", "on": "web"},
        {"check": "file", "path": "/no-such-file", "on": "web"},
        {"check": "process", "name": "nginx", "on": "web"},
        {"check": "mount", "path": "/name", "on": "web"},
    ]
    again = {"step": "validate", "checks": inside, "retry": {"timeout": "60s"}}
    ran = project.seatrial("run", project.trial(
        "deploy",
        {"step": "validate", "checks": inside},
        {"step": "crash_node", "target_node": "web", "method": "destroy"},
        again,
        {"step": "validate", "checks": wrong},
        manifests=["objects.json"],
    ), "--keep", "failed")  # fmt: skip
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert [result["verdict"] for result in checks(project)] == ["failed"] * 4, ran.stdout + ran.stderr
    shell = project.seatrial("shell", "last", "web", "--", "sh", "-c", 'cat /name; echo "$1"; exit 3', "-", "a  b")
    assert shell.returncode == 3, shell.stderr
    assert shell.stdout.startswith("web-")
    assert shell.stdout.endswith("\na  b\n")
    bare = {**project.environment, "PATH": str(project.folder)}
    refused = project.seatrial("shell", "last", "web", env=bare)
    assert refused.returncode not in (0, 1)
    assert "kubectl is not installed" in refused.stderr


def from_inventory(project: InCluster, hosts: Mapping[str, str], *inside: object) -> int:
    """The exit code of a run of these checks in nodes with these variables, by `ansible_connection: kubectl`."""
    lines = [f"{name} ansible_connection=kubernetes.core.kubectl {variables}\n" for name, variables in hosts.items()]
    (project.folder / "hosts.ini").write_text("".join(lines))
    system = {"kind": "command", "deploy": "true", "destroy": "true", "inventory": {"file": "hosts.ini"}}
    steps = [{"step": "deploy"}, {"step": "validate", "checks": list(inside)}]
    document = {"system": system, "test_suites": {"s": {"workflow": steps, "deadlines": {"deploy": "10s"}}}}
    ran = project.seatrial("run", project.write("inventory.json", document))
    print(ran.stdout, ran.stderr)
    return ran.returncode


HERE = {"check": "command", "command": ["cat", "/name"], "on": "shop", "that": "stdout == 'shop'"}


def test_an_inventory_leads_into_a_pod_by_all_its_variables(project: InCluster, cluster: shared.Use, pod: str) -> None:
    (project.folder / "config").write_bytes(cluster.kubeconfig.read_bytes())
    way = f"ansible_kubectl_pod={pod} ansible_kubectl_namespace=default ansible_kubectl_container=main"
    whole = f"{way} ansible_kubectl_kubeconfig=config ansible_kubectl_context={cluster.context}"
    runs = "node_status:shop:running"
    assert from_inventory(project, {"shop": whole}, HERE, runs) == 0
    other = {**HERE, "that": "stdout == 'other'"}
    assert from_inventory(project, {"shop": f"ansible_kubectl_pod={pod}"}, other) == 1
