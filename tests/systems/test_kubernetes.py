"""The system `kubernetes` on a real cluster, through the real command."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripts.cluster import shared
from tests.acceptance.harness import until
from tests.backends.kubernetes_project import (
    InCluster,
    Object,
    cluster_role,
    config_map,
    definition,
    deployment,
    instance,
    left_of,
    project_in,
)

pytestmark = pytest.mark.backend("kubernetes", "helm")

CLAIMS, MIXED = (f"seatrial-test-{secrets.token_hex(4)}" for _ in range(2))
"""Namespaces of this test process: the cluster is shared by all."""
LIMIT = 120
"""Seconds: the deadline of `deploy` in these documents is 180 s."""


@pytest.fixture
def project(tmp_path: Path, cluster: shared.Use, tool: Callable[[str], Path]) -> Iterator[InCluster]:
    made = project_in(tmp_path, cluster, tool)
    yield made
    made.seatrial("clean")
    assert left_of(made) == []


def manifests(project: InCluster, *things: object) -> list[str]:
    project.write("objects.json", {"apiVersion": "v1", "kind": "List", "items": list(things)})
    return ["objects.json"]


def why(project: InCluster) -> str:
    (suite,) = project.results()["results"]
    return str(suite["error"] or suite["reason"])


def test_a_deployment_runs_in_a_namespace_of_its_own_and_nothing_is_left(project: InCluster) -> None:
    role = cluster_role("seatrial-test-own-${id}".replace("${id}", project.folder.name.replace("_", "-").lower()))
    things = manifests(project, role, config_map("settings"), deployment(replicas=2))
    show = ["sh", "-c", 'kubectl get deployment,configmap -n "$E2E_TEST_NAMESPACE" --show-labels']
    ran = project.seatrial("run", project.trial(
        "deploy",
        {"step": "validate", "checks": ["cluster_status", "node_status:web-1:running", "node_status:web-2:running"]},
        {"step": "custom_command", "custom_command": show},
        "destroy",
        manifests=things,
    ))  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (trial,) = {event["trial"] for event in project.events() if event.get("trial")}
    log = next(project.runs()[-1].rglob("test.log")).read_text()
    assert log.count(f"seatrial.trial={trial}") == 2  # the ConfigMap of the cluster's own certificate has none
    assert left_of(project) == []
    assert project.left() == []


def test_checks_look_in_the_namespace_of_the_trial(project: InCluster) -> None:
    things = manifests(project, config_map("settings"), deployment(replicas=2))
    here: list[object] = ["rollout:web", "pods_ready:app=web", "resource:configmap/settings"]
    replicas = {"check": "resource", "kind": "deploy", "name": "web", "that": "status.readyReplicas == 2"}
    elsewhere = {
        "check": "resource",
        "kind": "configmap",
        "name": "settings",
        "namespace": "kube-system",
        "absent": True,
    }
    waits = {"step": "validate", "checks": [*here, replicas, elsewhere], "retry": {"timeout": "60s"}}
    missing = {"step": "validate", "checks": ["rollout:shop"], "expect": "failure"}
    ran = project.seatrial("run", project.trial("deploy", waits, missing, "destroy", manifests=things))
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_pod_that_cannot_start_is_named_with_the_reason_and_its_objects_are_kept_without_secrets(
    project: InCluster,
) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "0penSesame"}}
    things = manifests(project, secret, deployment(image="localhost/none:1"))
    ran = project.seatrial("run", project.trial("deploy", manifests=things))
    assert ran.returncode == 1, ran.stdout + ran.stderr
    (suite,) = project.results()["results"]
    assert suite["category"] == "infrastructure"
    assert suite["duration"] < LIMIT, "no waiting brings an image with the policy Never"
    assert "and waiting cannot change it: pod web-" in why(project)
    assert "container main: the image localhost/none:1 cannot be pulled (ErrImageNeverPull)" in why(project)
    (folder,) = project.runs()[-1].glob("*/artifacts/diagnostics/system")
    assert {path.name for path in folder.iterdir()} >= {"summary.txt", "events.txt", "objects.txt", "nodes.txt"}
    assert "ErrImageNeverPull" in (folder / "events.txt").read_text()
    assert '"k": "(hidden)"' in (folder / "objects.txt").read_text()
    assert "0penSesame" not in "".join(path.read_text() for path in folder.rglob("*.txt"))
    inspected = project.seatrial("inspect", "last")
    assert "pods: 1, not ready: 1" in inspected.stdout
    assert left_of(project) == []


def mounting(secret: str) -> Object:
    made = deployment(volumeMounts=[{"name": "login", "mountPath": "/login"}])
    made["spec"]["template"]["spec"]["volumes"] = [{"name": "login", "secret": {"secretName": secret}}]
    return made


def test_what_a_pod_waits_for_is_told_while_it_waits_and_at_the_end_by_the_event_of_the_cluster(
    project: InCluster,
) -> None:
    document = project.trial("deploy", manifests=manifests(project, mounting("absent")), deploy="15s")
    ran = project.seatrial("run", document)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    event = 'MountVolume.SetUp failed for volume "login" : secret "absent" not found'
    assert event in why(project)
    assert "container main is waiting (ContainerCreating)" in why(project)
    lines = [str(one["data"]["text"]) for one in project.events() if one["kind"] == "log"]
    assert any("waiting for the state running" in line and event in line for line in lines), lines


def test_pods_that_cannot_be_created_are_told_with_the_refusal_of_the_api_server(project: InCluster) -> None:
    nobody = deployment()
    nobody["spec"]["template"]["spec"]["serviceAccountName"] = "nobody"
    ran = project.seatrial("run", project.trial("deploy", manifests=manifests(project, nobody), deploy="15s"))
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "Deployment web: pods cannot be created: pods " in why(project)
    assert 'serviceaccount "nobody" not found' in why(project)


def test_an_image_name_that_cannot_exist_ends_the_deployment_at_once_and_is_the_document_s_fault(
    project: InCluster,
) -> None:
    ran = project.seatrial("run", project.trial("deploy", manifests=manifests(project, deployment(image="Not/An:Im"))))
    assert ran.returncode == 1, ran.stdout + ran.stderr
    (suite,) = project.results()["results"]
    assert suite["category"] == "test"
    assert "(InvalidImageName)" in why(project)
    assert suite["duration"] < LIMIT


def test_a_secret_that_comes_later_heals_the_pod_that_lacks_it(project: InCluster) -> None:
    lacks = deployment(env=[{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "late", "key": "k"}}}])
    reasons = "jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}"
    script = (
        f"until kubectl get pods -n \"$E2E_TEST_NAMESPACE\" -o '{reasons}' | grep -q CreateContainerConfigError; do "
        'sleep 0.2; done; kubectl create secret generic late -n "$E2E_TEST_NAMESPACE" --from-literal=k=v'
    )
    makes = {"step": "custom_command", "custom_command": ["sh", "-c", script], "timeout": "120s"}
    both = {"step": "parallel", "steps": [{"step": "deploy"}, makes]}
    ran = project.seatrial("run", project.trial(both, manifests=manifests(project, lacks)))
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_an_object_that_exists_already_is_never_overwritten_or_removed(project: InCluster) -> None:
    role = cluster_role("seatrial-test-foreign")
    project.put({**role, "rules": []})
    try:
        ran = project.seatrial("run", project.trial("deploy", manifests=manifests(project, role)))
        assert ran.returncode == 3
        assert "ClusterRole seatrial-test-foreign already exists, and this trial did not make it" in why(project)
        (there,) = [one for one in project.get("clusterrole") if one["metadata"]["name"] == "seatrial-test-foreign"]
        assert not there["rules"]
        assert not there["metadata"].get("labels")
    finally:
        project.kubectl("delete", "clusterrole", "seatrial-test-foreign")


def test_a_finalizer_that_holds_an_object_is_named_and_clean_goes_on_when_it_is_gone(project: InCluster) -> None:
    held = config_map("held", finalizers=["example.org/hold"])
    document = project.trial("deploy", manifests=manifests(project, held))
    written = json.loads(document.read_text())
    written["test_suites"]["s"]["deadlines"]["destroy"] = "3s"
    ran = project.seatrial("run", project.write("trial.json", written))
    assert ran.returncode == 4, ran.stdout + ran.stderr
    said = ran.stdout + ran.stderr
    assert "configmaps run-e2e-" in said
    assert "held (it waits for its finalizer example.org/hold)" in said
    (found,) = [one for one in project.get("configmap", "-A") if one["metadata"]["name"] == "held"]
    namespace = found["metadata"]["namespace"]
    project.kubectl(
        "patch", "configmap", "held", "-n", namespace, "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )
    # The trial's deadline is short, and a namespace ends when the cluster has time for it.
    until(lambda: project.seatrial("clean").returncode == 0, "a clean-up that ends", 120)
    assert left_of(project) == []


def test_a_node_is_stopped_when_its_pod_has_ended_and_not_before(project: InCluster) -> None:
    deaf = deployment(command=["sh", "-c", "trap '' TERM; while :; do sleep 1; done"])
    del deaf["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
    deaf["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 4
    running = 'kubectl get pods -n "$E2E_TEST_NAMESPACE" -o name --field-selector=status.phase=Running'
    none = ["sh", "-c", f'test -z "$({running})"']
    ran = project.seatrial("run", project.trial(
        "deploy", {"step": "stop_node", "target_node": "web"}, {"step": "custom_command", "custom_command": none},
        manifests=manifests(project, deaf),
    ))  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_definition_stays_as_long_as_another_trial_uses_it(project: InCluster, tmp_path: Path) -> None:
    things = manifests(project, definition("gadgets"), instance("gadgets", "one"))
    kept = project.seatrial("run", project.trial("deploy", manifests=things), "--keep", "always")
    assert kept.returncode == 0, kept.stdout + kept.stderr
    first = project.runs()[-1].name
    ran = project.seatrial("run", project.trial("deploy", manifests=things))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [one["metadata"]["name"] for one in project.get("gadgets", "-A")] == ["one"]
    cleaned = project.seatrial("clean", first, "--all")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert "gadgets" not in project.kubectl("get", "crd", "--output=name")


def test_a_definition_with_objects_in_another_trial_s_namespace_is_handed_over_to_it(project: InCluster) -> None:
    project.write("own.json", instance("widgets", "own"))
    first = project.trial("deploy", manifests=manifests(project, definition("widgets")), name="first.json")
    kept = project.seatrial("run", first, "--keep", "always")
    assert kept.returncode == 0, kept.stdout + kept.stderr
    bringer = project.runs()[-1].name
    make = {"step": "custom_command", "custom_command": 'kubectl create -f own.json -n "$E2E_TEST_NAMESPACE"'}
    project.write("settings.json", config_map("settings"))
    kept = project.seatrial("run", project.trial("deploy", make, manifests=["settings.json"]), "--keep", "always")
    assert kept.returncode == 0, kept.stdout + kept.stderr
    user = next(run.name for run in project.runs() if run.name != bringer)
    cleaned = project.seatrial("clean", bringer, "--all")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert [one["metadata"]["name"] for one in project.get("widgets", "-A")] == ["own"]
    cleaned = project.seatrial("clean", user, "--all")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert "widgets" not in project.kubectl("get", "crd", "--output=name")


def test_a_definition_with_objects_of_nobody_stays_and_is_named(project: InCluster) -> None:
    things = manifests(project, definition("trinkets"))
    make = [
        "sh",
        "-c",
        "kubectl create namespace seatrial-test-other && kubectl apply -n seatrial-test-other -f t.json",
    ]
    project.write("t.json", instance("trinkets", "mine"))
    try:
        ran = project.seatrial("run", project.trial(
            "deploy", {"step": "custom_command", "custom_command": make}, manifests=things,
            allow=["Namespace/seatrial-test-other", "Trinket/seatrial-test-other/*"],
        ))  # fmt: skip
        assert ran.returncode == 4, ran.stdout + ran.stderr
        said = " ".join((ran.stdout + ran.stderr).split())
        assert "no trial of Seatrial made trinkets.seatrial.example seatrial-test-other/mine" in said
        assert f"when they are gone, `seatrial clean {project.runs()[-1].name}` removes it" in said
        assert len(project.get("trinkets", "-A")) == 1
    finally:
        project.kubectl("delete", "namespace", "seatrial-test-other", check=False)
        project.kubectl("delete", "crd", "trinkets.seatrial.example", check=False)


def test_a_job_that_fails_fails_the_deployment(project: InCluster) -> None:
    pod = deployment(command=["false"])["spec"]["template"]["spec"]
    del pod["containers"][0]["readinessProbe"]
    spec = {"backoffLimit": 0, "template": {"spec": {**pod, "restartPolicy": "Never"}}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": spec}
    slow = deployment(readinessProbe={"exec": {"command": ["false"]}, "periodSeconds": 1})
    ran = project.seatrial("run", project.trial("deploy", manifests=manifests(project, job, slow)))
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "the job migrate failed" in why(project)


def test_a_second_deployment_is_only_running_when_every_pod_is_a_new_one(project: InCluster) -> None:
    things = manifests(project, deployment(replicas=2))
    bad = {"apiVersion": "v1", "kind": "List", "items": [deployment(replicas=2, image="localhost/none:1")]}
    project.write("bad.json", bad)
    document = project.trial(
        "deploy",
        {"step": "custom_command", "custom_command": ["cp", "bad.json", "objects.json"]},
        {"step": "deploy", "timeout": "15s"},
        manifests=things,
    )
    ran = project.seatrial("run", document)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "rollout" in why(project) or "present definition" in why(project)


def test_a_given_namespace_stays_and_what_was_applied_in_it_goes(project: InCluster) -> None:
    project.kubectl("create", "namespace", "seatrial-test-given")
    try:
        project.put(config_map("theirs", namespace="seatrial-test-given"))
        things = manifests(project, config_map("ours"), deployment())
        document = project.trial("deploy", manifests=things, namespace="seatrial-test-given", nodes="app=web")
        ran = project.seatrial("run", document)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        names = project.kubectl("get", "configmap,deployment,pod", "-n", "seatrial-test-given", "--output=name").split()
        assert names == ["configmap/kube-root-ca.crt", "configmap/theirs"]
    finally:
        project.kubectl("delete", "namespace", "seatrial-test-given")


def test_the_volumes_of_a_stateful_set_go_with_it_and_those_that_were_there_stay(project: InCluster) -> None:
    project.kubectl("create", "namespace", CLAIMS)
    try:
        size = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
        theirs = {"name": "data-db-1", "namespace": CLAIMS}
        project.put({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": theirs, "spec": size})
        db = deployment("db", replicas=2)
        templates = [{"metadata": {"name": "data"}, "spec": size}]
        more = {"serviceName": "db", "podManagementPolicy": "Parallel", "volumeClaimTemplates": templates}
        db |= {"kind": "StatefulSet", "spec": {**db["spec"], **more}}
        # Nothing here provides volumes, so its pods wait.
        document = project.trial("deploy", manifests=manifests(project, db), deploy="8s",
                                 namespace=CLAIMS, nodes="app=db")  # fmt: skip
        ran = project.seatrial("run", document)
        assert ran.returncode == 1, ran.stdout + ran.stderr
        left = project.kubectl("get", "pvc,statefulset", "-n", CLAIMS, "--output=name").split()
        assert left == ["persistentvolumeclaim/data-db-1"]
    finally:
        project.kubectl("delete", "namespace", CLAIMS)


def test_a_definition_stays_for_other_people_s_objects_in_a_given_namespace(project: InCluster) -> None:
    project.kubectl("create", "namespace", MIXED)
    try:
        theirs = json.dumps(instance("rafts", "theirs", namespace=MIXED))
        put = [
            "sh",
            "-c",
            "kubectl wait --for=create crd/rafts.seatrial.example --timeout=20s; kubectl create -f theirs.json",
        ]
        (project.folder / "theirs.json").write_text(theirs)
        things = manifests(project, definition("rafts"))
        document = project.trial("deploy", {"step": "custom_command", "custom_command": put}, manifests=things,
                                 namespace=MIXED, nodes="app=web", allow=[f"Raft/{MIXED}/*"])  # fmt: skip
        ran = project.seatrial("run", document)
        assert ran.returncode == 4, ran.stdout + ran.stderr
        assert "no trial of Seatrial made" in ran.stdout + ran.stderr
        project.kubectl("get", "rafts.seatrial.example", "theirs", "-n", MIXED)
    finally:
        project.kubectl("delete", "namespace", MIXED)


def test_a_kustomization_is_built_by_kubectl(project: InCluster) -> None:
    (project.folder / "base").mkdir()
    project.write("base/web.json", deployment())
    (project.folder / "base" / "kustomization.yaml").write_text("resources: [web.json]\nnamePrefix: my-\n")
    check = {"step": "validate", "checks": ["cluster_status", "node_status:my-web:running"]}
    ran = project.seatrial("run", project.trial("deploy", check, kustomize="base"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert left_of(project) == []
