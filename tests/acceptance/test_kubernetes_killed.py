"""Killed at any record of its ledger, a trial in Kubernetes leaves nothing after `clean`; nothing else is touched."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from scripts.cluster import shared
from tests.acceptance.harness import (
    Project,
    assert_clean_leaves_nothing,
    kill_and_clean,
    kill_at_records,
    until,
    validate,
)
from tests.backends.kubernetes_project import (
    Object,
    cluster_role,
    config_map,
    definition,
    deployment,
    instance,
    left_of,
    project_in,
    within,
)

pytestmark = [pytest.mark.slow, pytest.mark.backend("kubernetes", "helm")]

THEIRS = "seatrial-kill-others"
RECORDS = {"manifests": 8, "helm": 8}
"""Of the ledger, at least; the later ones are one test."""

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    "templates/role.yaml": "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n"
    "metadata: {name: '{{ .Release.Name }}'}\nrules: []\n",
}


def role_of(project: Project) -> str:
    """A name for the whole cluster that no other test has."""
    return "kill-" + "".join(c if c.isalnum() else "-" for c in "-".join(project.folder.parts[-2:]).lower())[
        -40:
    ].strip("-")


def manifests(project: Project) -> Sequence[object]:
    """Objects of all sorts: in the namespace, for the whole cluster, a definition and an object of it."""
    plural = f"{role_of(project).replace('-', '')}s"
    things = [
        definition(plural), cluster_role(role_of(project)), config_map("settings"), deployment(),
        instance(plural, "one"),
    ]  # fmt: skip
    project.write("objects.json", {"apiVersion": "v1", "kind": "List", "items": things})
    return [within(project).trial("deploy", validate("cluster_status"), manifests=["objects.json"])]


def chart(project: Project) -> Sequence[object]:
    """A release with a hook and an object for the whole cluster."""
    folder = project.folder / "chart"
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    for name, text in CHART.items():
        (folder / name).write_text(text)
    hook = cluster_role(f"{role_of(project)}-hook", annotations={"helm.sh/hook": "pre-install"})
    for name, thing in (("hook", hook), ("web", deployment()), ("settings", config_map("settings"))):
        (folder / "templates" / f"{name}.json").write_text(json.dumps(thing))
    return [within(project).trial("deploy", validate("cluster_status"), charts=[{"chart": "chart"}])]


MAKERS: dict[str, Callable[[Project], Sequence[object]]] = {"manifests": manifests, "helm": chart}


@pytest.fixture
def others(
    cluster: shared.Use, tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Twenty objects of other people with similar names; they are as they were, afterwards."""
    project = project_in(tmp_path_factory.mktemp("others"), cluster, tool)
    namespace = f"{THEIRS}-{secrets.token_hex(4)}"  # the cluster is shared by all test processes
    similar = [
        *(config_map(name, namespace=namespace) for name in ("settings", "settings-1", "web", "shop", "one", "page")),
        *(
            config_map(f"labelled-{number}", namespace=namespace, labels={"seatrial.trial": f"t{'0' * 22}{number}"})
            for number in range(3)
        ),
        *(config_map(f"run-e2e-s-t{number}", namespace=namespace, labels={"app": "web"}) for number in range(3)),
        *(cluster_role(f"{namespace}-{name}") for name in ("kill", "shop", "web", "seatrial", "run-e2e")),
        *(cluster_role(f"{namespace}-hook-{one}", annotations={"helm.sh/hook": "pre-install"}) for one in range(2)),
    ]  # fmt: skip
    space: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    everything = [space, *similar]
    assert len(everything) == 20
    project.put(*everything)
    names = [f"{thing['kind']}/{thing['metadata']['name']}" for thing in everything]

    def versions() -> list[str]:
        found = project.get(*names, "--namespace", namespace)
        return [f"{one['metadata']['uid']} {one['metadata']['resourceVersion']}" for one in found]

    before = versions()
    yield
    after = versions()
    for name in names:
        project.kubectl("delete", name, "--namespace", namespace, "--wait=false")
    # The namespace itself is written to by its controller.
    assert after[1:] == before[1:]
    assert after[0].split()[0] == before[0].split()[0]


def rows() -> list[Any]:
    return [
        (of, when, record)
        for of, records in RECORDS.items()
        for when in ("before", "after")
        for record in range(1, records + 2)
    ]


@pytest.mark.table
@pytest.mark.parametrize("of, when, record", rows())
def test_killed_at_any_record_in_kubernetes_and_cleaned_nothing_is_left(
    of: str, when: str, record: int, tmp_path: Path, cluster: shared.Use, tool: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch, others: None,
) -> None:  # fmt: skip
    path = project_in(tmp_path, cluster, tool).more
    for name, value in path.items():
        monkeypatch.setenv(name, value)
    listers = [Project.left, left_of]
    if record <= RECORDS[of]:
        assert kill_and_clean(tmp_path, MAKERS[of], listers, when=when, record=record), "the run was not killed"
    else:
        assert kill_at_records(tmp_path, MAKERS[of], listers, when=when, first=record) > 0, "no run was killed at all"


def test_killed_while_helm_waits_for_a_hook_nothing_is_left(
    tmp_path: Path, cluster: shared.Use, tool: Callable[[str], Path], others: None
) -> None:
    project = project_in(tmp_path, cluster, tool)
    (document,) = chart(project)
    pod = deployment(command=["sleep", "600"])["spec"]["template"]["spec"]
    del pod["containers"][0]["readinessProbe"]
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "wait", "annotations": {"helm.sh/hook": "pre-install", "helm.sh/hook-weight": "5"}},
        "spec": {"template": {"spec": {**pod, "restartPolicy": "Never"}}},
    }
    (tmp_path / "chart" / "templates" / "wait.json").write_text(json.dumps(job))
    with project.start("run", document) as run:
        until(lambda: "wait" in project.kubectl("get", "jobs", "-A", "-o", "name"), "the hook", seconds=240)
        run.kill()
    assert_clean_leaves_nothing(project, [Project.left, left_of], "killed in the middle of an installation")
