"""Flows that reach beyond their own resources on a real cluster: each is caught, and named."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from scripts.cluster import shared
from tests.acceptance.harness import until
from tests.backends.kubernetes_project import InCluster, cluster_role, config_map, definition, left_of, project_in

pytestmark = pytest.mark.backend("kubernetes", "helm")

Row = Mapping[str, Any]


@pytest.fixture
def project(tmp_path: Path, cluster: shared.Use, tool: Callable[[str], Path]) -> Iterator[InCluster]:
    made = project_in(tmp_path, cluster, tool)
    yield made
    made.seatrial("clean")
    assert left_of(made) == []


def word() -> str:
    return f"stray-{secrets.token_hex(4)}"


def flow(
    project: InCluster, name: str, *commands: str, things: Sequence[object] = (), **keys: object
) -> dict[str, Any]:
    """A suite that applies a ConfigMap and these objects, and runs these commands."""
    project.write(f"{name}.json", {"apiVersion": "v1", "kind": "List", "items": [config_map("settings"), *things]})
    workflow = [{"step": "deploy"}, *({"step": "custom_command", "custom_command": ["sh", "-ec", c]} for c in commands)]
    system = {"kind": "kubernetes", "manifests": [f"{name}.json"]}
    return {"system": system, "workflow": workflow, "deadlines": {"deploy": "180s", "destroy": "120s"}, **keys}


def run(project: InCluster, suites: Mapping[str, object], code: int) -> dict[str, Row]:
    """The rows of the suites by name, of a run with all of them at once."""
    ran = project.seatrial("run", project.write("flows.json", {"test_suites": suites}), "--parallel", len(suites),
                           timeout=600)  # fmt: skip
    assert ran.returncode == code, ran.stdout + ran.stderr
    return {suite["name"]: suite for suite in project.results()["results"]}


def blamed(row: Row) -> list[Row]:
    return [one for one in row.get("contamination", ()) if one["blame"] != "nobody"]


def seen(file: str) -> str:
    return f"until test -e {file}; do sleep 0.05; done"


def test_each_flow_that_leaves_its_own_ground_is_named_and_the_others_pass(project: InCluster) -> None:
    role, space, plain, quiet, crd = word(), word(), word(), word(), f"{word().replace('-', '')}s"
    team = f"team={word()}"
    labelled = config_map("victim", labels=dict([team.split("=")]))
    mine = config_map("mine", labels=dict([team.split("=")]))
    shared_kind = definition(crd)
    patch = f'{{"spec":{{"names":{{"shortNames":["{crd[:12]}"]}}}}}}'
    operator = "kubectl apply --server-side --field-manager=shop-operator -f - >/dev/null"
    in_home = (
        '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"status","namespace":"\'$E2E_TEST_NAMESPACE\'"},'
        '"data":{"a":"b"}}'
    )
    # Two operators of one kind have one field manager.
    manager = f"echo '{in_home}' | kubectl apply --server-side --field-manager=manager -f - >/dev/null"
    split = f"{quiet[:10]}'\"{quiet[10:]}\"'"  # a command that does not name it
    in_all = f'{{"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","metadata":{{"name":"{split}"}},"value":1}}'
    suites = {
        "good": flow(
            project, "good",
            'kubectl -n "$E2E_TEST_NAMESPACE" create configmap more',
            'kubectl create clusterrole "shop-$E2E_RUN_ID" --verb=get --resource=pods',
            'kubectl delete clusterrole "shop-$E2E_RUN_ID"',
            'kubectl -n "$E2E_TEST_NAMESPACE" delete configmap --all',
            manager,
        ),
        "role": flow(project, "role", f"kubectl create clusterrole {role} --verb=get --resource=pods"),
        "leak": flow(project, "leak", 'kubectl create clusterrole "leak-$E2E_RUN_ID" --verb=get --resource=pods'),
        "space": flow(project, "space", f"kubectl create namespace {space}; kubectl delete namespace {space}"),
        "default": flow(project, "default", f"kubectl -n default create configmap {plain}"),
        "operator": flow(
            project, "operator", f"echo '{in_home}' | {operator}", f"echo '{in_all}' | {operator}"
        ),
        "victim": flow(project, "victim", manager, f"touch ready; {seen('done')}", things=[labelled, shared_kind]),
        "wide": flow(
            project, "wide",
            f"{seen('ready')}; kubectl delete configmap --all-namespaces -l {team} >/dev/null",
            f"kubectl patch crd {crd}.seatrial.example --type merge -p '{patch}'; touch done",
            things=[mine, shared_kind],
        ),
    }  # fmt: skip
    try:
        rows = run(project, suites, 1)
    finally:
        for kind, one in (("clusterrole", role), ("configmap", plain), ("priorityclass", quiet)):
            project.kubectl("delete", kind, one, "--namespace", "default", "--ignore-not-found")
        trials = {event["trial"] for event in project.events() if event["trial"]}
        project.kubectl("delete", "clusterrole", role, "--ignore-not-found", *(f"leak-{trial}" for trial in trials))
    for name, suite in rows.items():
        print(name, suite["verdict"], suite["error"], *suite.get("contamination", ()), sep="\n  ")
    assert {name for name, suite in rows.items() if suite["verdict"] == "passed"} == {"good", "victim"}
    assert not blamed(rows["good"])
    named = {name: [(one["change"], one["what"]) for one in blamed(suite)] for name, suite in rows.items()}
    assert named["role"] == [("made", f"ClusterRole {role}")]
    assert named["leak"] == [("made", f"ClusterRole leak-{rows['leak']['trial_id']}")]
    assert named["space"] == [("made", f"Namespace {space}")]
    assert named["default"] == [("made", f"ConfigMap default/{plain}")]
    assert named["operator"] == [("made", f"PriorityClass {quiet}")]
    assert "shop-operator wrote objects of this trial too" in blamed(rows["operator"])[0]["evidence"]
    assert not [one for name in ("good", "victim", "role") for one in rows[name].get("contamination", ())
                if quiet in one["what"]]  # fmt: skip
    assert [change for change, _ in named["wide"]] == ["deleted", "changed"]
    assert all(suite["category"] == "test" for name, suite in rows.items() if suite["verdict"] != "passed")
    victim = rows["victim"]["trial_id"]
    deleted, changed = blamed(rows["wide"])
    assert victim in deleted["mark"]
    assert team in deleted["evidence"]
    assert victim in changed["mark"]
    assert "patched" in changed["evidence"]


def test_what_strangers_do_meanwhile_is_told_and_decides_nothing(project: InCluster) -> None:
    stray, role = word(), cluster_role(word())
    waiting = flow(project, "s", f"touch ready; {seen('done')}")
    strict = {**flow(project, "t", f"{seen('done')}"), "contamination": "strict"}
    allowed = {**strict, "contamination": {"mode": "strict", "allow": ["*"]}}
    suites = {"s": waiting, "t": strict, "u": allowed}
    running = project.start("run", project.write("flows.json", {"test_suites": suites}), "--parallel", 3)
    try:
        until((project.folder / "ready").exists, "the flow", 300)
        project.put(role)
        project.kubectl("delete", "clusterrole", role["metadata"]["name"])
        (project.folder / "done").touch()
        out, err = running.communicate(timeout=300)
    finally:
        project.kubectl("delete", "clusterrole", role["metadata"]["name"], stray, "--ignore-not-found")
    rows = {suite["name"]: suite for suite in project.results()["results"]}
    print(out, err)
    assert {name: suite["verdict"] for name, suite in rows.items()} == {"s": "passed", "t": "unknown", "u": "passed"}
    assert running.returncode == 3
    (told,) = [one for one in rows["s"]["contamination"] if role["metadata"]["name"] in one["what"]]
    assert told["blame"] == "nobody"
    assert "kubectl-client-side-apply" in told["by"]
    assert "removed again" in told["by"]
