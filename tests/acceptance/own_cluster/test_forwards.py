"""Services of the kind `forward` on a real cluster: they survive what happens to pods and to the API server."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest
from scripts.cluster.cluster import Cluster
from tests.acceptance.harness import processes_of
from tests.acceptance.own_cluster.conftest import eventually, put
from tests.acceptance.test_services import write_settings
from tests.backends.kubernetes_project import InCluster, Object, deployment

pytestmark = pytest.mark.backend("a cluster of its own")

NAMES = "mkdir -p /www/x && hostname > /www/index.html && exec httpd -f -p 8080 -h /www"
"""A pod that says its own name."""


def web(name: str = "web", replicas: int = 1) -> Object:
    return deployment(name, replicas, ["sh", "-c", NAMES], ports=[{"name": "http", "containerPort": 8080}])


def door(name: str = "web", **selector: str) -> Object:
    spec = {"selector": selector or {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def forward(project: InCluster, namespace: str, to: str = "svc/web", port: int | str = 80, **more: Any) -> int:
    """Start it; its port on this machine."""
    wanted = {"forward": {"to": to, "port": port, "namespace": namespace}, "idle": "1s", **more}
    write_settings(project, {"pier": wanted})
    started = project.seatrial("services", "start", "pier")
    assert started.returncode == 0, started.stdout + started.stderr
    return int(row(project)["url"].rpartition(":")[2])


def row(project: InCluster) -> dict[str, Any]:
    (one,) = json.loads(project.seatrial("services", "--format", "json").stdout)
    return dict(one)


def said(port: int) -> str:
    """The name of the pod that answers."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", "/")
        return connection.getresponse().read().decode().strip()


def pods(project: InCluster, namespace: str) -> list[str]:
    return [pod["metadata"]["name"] for pod in project.get("pods", "-n", namespace)]


def forwarder(project: InCluster) -> int:
    found: list[int] = []

    def alone() -> bool:
        """Not beside a child that is about to be another program."""
        found[:] = [pid for pid, what in processes_of(project.folder) if "services.forwarder" in what]
        return len(found) == 1

    eventually(alone, "one forwarder")
    return found[0]


def log_of(project: InCluster) -> str:
    return project.seatrial("services", "logs", "pier").stdout


def test_a_killed_forward_is_back_on_its_port_and_a_suite_that_used_it_passes(
    project: InCluster, namespace: str
) -> None:
    put(project, namespace, web(), door())
    port = forward(project, namespace)
    assert said(port) == pods(project, namespace)[0]
    first = forwarder(project)
    kill = [sys.executable, "-c", f"import os; os.kill({first}, {int(signal.SIGKILL)})"]
    answers = {"check": "http", "url": "${{ services.pier.url }}/", "status": 200}
    document = project.write("a.json", {
        "services": ["pier"],
        "system": {"kind": "command", "deploy": "true", "destroy": "true"},
        "workflow": [
            {"step": "custom_command", "custom_command": kill},
            {"step": "validate", "checks": [answers], "retry": {"timeout": "180s"}},
        ],
    })  # fmt: skip
    ran = project.seatrial("run", document)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert forwarder(project) != first
    assert eventually(lambda: _answer(port), "it answers again") == pods(project, namespace)[0]


def test_a_replaced_pod_gives_way_to_the_new_one_and_never_to_a_stranger(project: InCluster, namespace: str) -> None:
    put(project, namespace, web(), door())
    # A stranger with the same port, and one with the labels of the Deployment that another workload has.
    put(project, namespace, web("other"))
    alone = deployment("alone", 1, ["sh", "-c", NAMES])["spec"]["template"]
    put(
        project,
        namespace,
        {"apiVersion": "v1", "kind": "Pod", **alone, "metadata": {"name": "copy", **alone["metadata"]}},
    )
    eventually(lambda: len(pods(project, namespace)) == 3, "three pods")
    project.kubectl("label", "pod", "copy", "-n", namespace, "app=web", "--overwrite")
    port = forward(project, namespace, "deployment/web", "http")
    before = said(port)
    assert before.startswith("web-")
    held = socket.create_connection(("127.0.0.1", port))
    held.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
    eventually(lambda: "pod web-" in log_of(project), "the log says where connections go")
    project.kubectl("delete", "pod", before, "-n", namespace, "--grace-period=0", "--force")
    held.settimeout(240)
    with held, contextlib.suppress(ConnectionResetError):
        assert held.recv(100) == b""  # the connection to the old pod ends with it
    after = eventually(lambda: _answer(port), "the new pod answers")
    assert after.startswith("web-")
    assert after != before
    assert [after] == [name for name in pods(project, namespace) if name.startswith("web-") and name != before]

    # A pod that loses the labels is no target any more, though it runs on; here the controller makes another one.
    project.kubectl("label", "pod", after, "-n", namespace, "app=gone", "--overwrite")
    assert eventually(lambda: _answer(port), "the next pod answers") not in (before, after, "copy")


def test_without_a_ready_pod_it_is_not_healthy_and_says_why(project: InCluster, namespace: str) -> None:
    put(project, namespace, web(), door())
    port = forward(project, namespace)
    assert said(port)
    project.kubectl("scale", "deployment/web", "-n", namespace, "--replicas=0")
    document = project.write("a.json", {
        "services": ["pier"],
        "system": {"kind": "command", "deploy": "true", "destroy": "true"},
        "workflow": [{"step": "validate", "checks": [{"check": "tcp", "port": port, "host": "127.0.0.1"}]}],
    })  # fmt: skip
    eventually(lambda: "no target" in log_of(project), "it notices")
    ran = project.seatrial("run", document, timeout=300)
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "there are no pods of Service web in the namespace" in ran.stdout


def test_a_port_that_a_stranger_has_is_refused_by_pid_and_program(project: InCluster, namespace: str) -> None:
    put(project, namespace, web(), door())
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        wanted = {"forward": {"to": "svc/web", "port": 80, "namespace": namespace}, "port": port}
        write_settings(project, {"pier": wanted})
        refused = project.seatrial("services", "start", "pier")
    assert refused.returncode == 3, refused.stdout + refused.stderr
    assert f"its port {port} is taken by process {os.getpid()} (" in refused.stderr


def test_an_api_server_that_is_away_for_5_seconds_is_waited_for(
    project: InCluster, namespace: str, programs: Cluster
) -> None:
    put(project, namespace, web(), door())
    port = forward(project, namespace)
    before = said(port)
    pid = forwarder(project)
    server = programs.programs()["kube-apiserver"]
    server.kill()
    try:
        began = time.monotonic()
        eventually(lambda: "does not answer" in log_of(project), "it notices")
        late = subprocess.Popen(
            [sys.executable, "-c", f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:{port}/').read())"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        time.sleep(max(0.0, 5 - (time.monotonic() - began)))
    finally:
        server.start()
    out, _ = late.communicate(timeout=240)
    eventually(lambda: not row(project)["why"], "it is healthy again")
    assert eventually(lambda: _answer(port), "it answers again") == before
    assert forwarder(project) == pid  # it went on by itself
    assert before in out or late.returncode  # a connection made meanwhile is answered, or ended: never by another


def _answer(port: int) -> str:
    try:
        return said(port)
    except (OSError, http.client.HTTPException):
        return ""
