"""Manifests and charts as shared services of a real cluster: brought up once, watched, removed by the last user."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripts.cluster import shared
from tests.acceptance.test_services import (
    error_of,
    eventually,
    let_go,
    rows,
    stopped,
    suite,
    waiting,
    write_settings,
)
from tests.backends.kubernetes_project import InCluster, config_map, definition, deployment, project_in

pytestmark = pytest.mark.backend("kubernetes", "helm")

SERVICE = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
}  # fmt: skip
SEEN = ["sh", "-c", 'kubectl get deployment web -n "$1" -o name', "sh", "${{ services.pier.namespace }}"]


@pytest.fixture
def project(tmp_path: Path, cluster: shared.Use, tool: Callable[[str], Path]) -> Iterator[InCluster]:
    made = project_in(tmp_path, cluster, tool)
    yield made
    made.seatrial("services", "stop", "--force")
    made.seatrial("clean")
    assert left(made) == ""


def left(project: InCluster) -> str:
    """The namespaces of shared services named pier."""
    listed = project.kubectl("get", "namespace", "--output=name", "--selector=seatrial.service")
    return "\n".join(line for line in listed.splitlines() if "service-pier-" in line)


def pier(project: InCluster, *things: object, **more: Any) -> None:
    project.write("objects.json", {"apiVersion": "v1", "kind": "List", "items": list(things)})
    (project.folder / "wait.py").write_text(WAITS)
    given = {"manifests": ["objects.json"], "idle": "5s", "health": {"timeout": "150s"}, **more}
    write_settings(project, {"pier": given})


WAITS = """
import pathlib, sys, time
here, until = map(pathlib.Path, sys.argv[1:])
here.touch()
while not until.exists():
    time.sleep(0.02)
"""
LOOKS = {"step": "custom_command", "custom_command": SEEN}


def test_runs_share_what_manifests_bring_up_and_the_last_one_removes_it(project: InCluster) -> None:
    pier(project, deployment(), SERVICE, config_map("settings"))
    flows = [project.write(f"{name}.json", suite(LOOKS, name=name)) for name in ("a", "b", "c")]
    done = project.seatrial("run", *flows, "--parallel", 3, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert left(project).count("service-pier-") <= 1
    eventually(lambda: stopped(project), "nobody uses it", 300)
    assert left(project) == ""


def test_a_killed_keeper_leaves_nothing_once_somebody_cleans(project: InCluster) -> None:
    pier(project, definition("bollards"), deployment(), SERVICE)
    assert project.seatrial("services", "start", timeout=300).stdout == "pier is healthy\n"
    os.kill(rows(project)["pier"]["keeper"], signal.SIGKILL)
    eventually(lambda: rows(project)["pier"]["state"] == "dead", "its keeper is dead")
    assert left(project) != ""
    cleaned = project.seatrial("clean", timeout=300)
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert "removed service pier" in cleaned.stdout
    assert left(project) == ""
    assert "bollards" not in project.kubectl("get", "crd", "--output=name")


def test_what_cannot_be_removed_is_named_and_stays_in_the_record(project: InCluster) -> None:
    pier(project, config_map("held", finalizers=["example.org/hold"]), deployment())
    project.seatrial("services", "start", timeout=300)
    namespace = left(project).removeprefix("namespace/")
    os.kill(rows(project)["pier"]["keeper"], signal.SIGKILL)
    record = project.folder / "xdg" / "seatrial" / "services" / "pier" / "service.json"
    record.write_text(record.read_text().replace('"wait": 84.0', '"wait": 10.0'))
    cleaned = project.seatrial("clean", timeout=300)
    assert cleaned.returncode == 4, cleaned.stdout + cleaned.stderr
    assert "held (it waits for its finalizer example.org/hold) does not end" in cleaned.stdout + cleaned.stderr
    project.kubectl(
        "patch", "configmap", "held", "-n", namespace, "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )
    record.write_text(record.read_text().replace('"wait": 10.0', '"wait": 84.0'))
    assert project.seatrial("clean", timeout=300).returncode == 0
    assert left(project) == ""


def test_a_pod_lost_under_a_run_spoils_its_verdict_and_the_service_lives_on(project: InCluster) -> None:
    pier(project, deployment(), SERVICE)
    run = project.start("run", project.write("a.json", suite(waiting("x"), LOOKS)))
    eventually((project.folder / "here-x").exists, "the run has its lease", 300)
    before = left(project)
    project.kubectl("delete", "pod", "-n", before.removeprefix("namespace/"), "-l", "app=web", "--force")
    eventually(lambda: rows(project)["pier"]["state"] == "restarting", "the loss is noticed")
    eventually(lambda: rows(project)["pier"]["state"] == "healthy", "it is healthy again", 300)
    assert left(project) == before
    let_go(project)
    out, err = run.communicate(timeout=300)
    assert run.returncode == 3, out + err
    assert "lost during the suite: the service pier" in error_of(project)


def test_a_service_that_never_gets_healthy_says_why_and_is_removed(project: InCluster) -> None:
    pier(project, deployment(image="localhost/none:1"), health={"timeout": "20s"})
    done = project.seatrial("run", project.write("a.json", suite(LOOKS)), timeout=300)
    assert done.returncode == 3, done.stdout
    assert "was not healthy within 20 s: Deployment web: pod web-" in error_of(project)
    assert "ErrImageNeverPull" in error_of(project)
    eventually(lambda: stopped(project), "nothing of it is left", 300)
    assert left(project) == ""


def test_a_chart_is_a_service_with_a_secret_in_its_values(project: InCluster) -> None:
    secret = "a-word-nobody-may-read"
    folder = project.folder / "chart"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 1.0.0\n")
    (folder / "templates" / "web.json").write_text(json.dumps(deployment()))
    stored = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "word"}, "stringData": {"word": "WORD"}}
    (folder / "templates" / "s.json").write_text(json.dumps(stored).replace('"WORD"', "{{ .Values.word | quote }}"))
    pier(project, manifests=[], charts=[{"chart": "chart", "set": {"word": "${{ secrets.PIER_PW }}"}}])
    environment = {**project.environment, "PIER_PW": secret}
    read = 'kubectl get secret word -n "$SEATRIAL_SERVICE_PIER_NAMESPACE" -o "jsonpath={.data.word}" | base64 -d >word'
    steps = [{"step": "custom_command", "custom_command": read}, LOOKS]
    done = project.seatrial("run", project.write("a.json", suite(*steps)), env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project.folder / "word").read_text() == secret
    eventually(lambda: stopped(project), "nobody uses it", 300)
    assert left(project) == ""


def test_other_manifests_are_another_service(project: InCluster) -> None:
    pier(project, config_map("one"))
    assert project.seatrial("services", "start", timeout=300).returncode == 0
    pier(project, config_map("two"))
    project.seatrial("run", project.write("a.json", suite({"step": "wait", "for": "1ms"})))
    assert "with another definition" in error_of(project)


def test_its_forward_is_its_address_and_its_health_goes_through_it(project: InCluster) -> None:
    serving = ["sh", "-c", "mkdir /w && echo afloat >/w/index.html && exec httpd -f -p 8080 -h /w"]
    forward = {"to": "svc/web", "port": 80}
    health = {"http": "/", "contains": "afloat", "timeout": "150s"}
    pier(project, deployment(command=serving), SERVICE, forward=forward, health=health, idle="10m")
    check = {"check": "http", "url": "${{ services.pier.url }}/", "status": 200, "that": "body.startsWith('afloat')"}
    document = project.write("a.json", suite({"step": "validate", "checks": [check]}))
    done = project.seatrial("run", document, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    os.kill(rows(project)["pier"]["keeper"], signal.SIGKILL)
    assert project.seatrial("clean", timeout=300).returncode == 0
    assert left(project) == ""
    assert project.left() == []


def test_a_service_whose_cluster_is_gone_is_forgotten_and_what_remains_is_named(project: InCluster) -> None:
    own = project.folder / "kubeconfig"
    text = Path(project.more["KUBECONFIG"]).read_text()
    own.write_text(text)
    own.chmod(0o600)
    pier(project, config_map("settings"), kubeconfig="kubeconfig")
    assert project.seatrial("services", "start", timeout=300).stdout == "pier is healthy\n"
    namespace = left(project).removeprefix("namespace/")
    own.write_text(re.sub(r'https://[^"\s]+', "https://127.0.0.1:9", text))
    os.kill(rows(project)["pier"]["keeper"], signal.SIGKILL)
    eventually(lambda: rows(project)["pier"]["state"] == "dead", "its keeper is dead")
    try:
        done = project.seatrial("services", "stop", "pier", "--forget", timeout=300)
        assert done.returncode == 4, done.stdout + done.stderr
        assert done.stdout.startswith("forgot pier\n")
        assert f"LEFT BEHIND: service pier: in the cluster: namespace {namespace}: " in done.stdout
        assert "(ConfigMap settings): " in done.stdout
        assert rows(project)["pier"]["state"] == "stopped"
        assert project.seatrial("clean", timeout=300).returncode == 0
    finally:
        project.kubectl("delete", "namespace", namespace)
