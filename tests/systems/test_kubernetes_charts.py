"""Helm charts and other people's things beside them, on a real cluster, through the real command."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripts.cluster import shared
from tests.backends.kubernetes_project import InCluster, config_map, deployment, left_of, project_in

pytestmark = pytest.mark.backend("kubernetes", "helm")
GIVEN = f"seatrial-test-charts-{secrets.token_hex(4)}"


@pytest.fixture
def project(tmp_path: Path, cluster: shared.Use, tool: Callable[[str], Path]) -> Iterator[InCluster]:
    made = project_in(tmp_path, cluster, tool)
    made.kubectl("create", "namespace", GIVEN)
    yield made
    made.seatrial("clean")
    made.kubectl("delete", "namespace", GIVEN)
    assert left_of(made) == []


def chart(project: InCluster, *things: object) -> str:
    folder = project.folder / "chart"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 1.0.0\n")
    for number, thing in enumerate(things):
        (folder / "templates" / f"{number}.json").write_text(json.dumps(thing))
    return "chart"


def test_a_release_of_other_people_is_neither_upgraded_nor_removed(project: InCluster) -> None:
    path = chart(project, config_map("settings"))
    project.helm("install", "shop", str(project.folder / path), "--namespace", GIVEN)
    charts = [{"chart": path, "release": "shop"}]
    ran = project.seatrial("run", project.trial("deploy", charts=charts, namespace=GIVEN, nodes="app=web"))
    assert "the release shop already exists" in ran.stdout + ran.stderr
    assert project.seatrial("clean").returncode == 0
    (release,) = json.loads(project.helm("list", "--namespace", GIVEN, "--output", "json"))
    assert (release["name"], release["revision"]) == ("shop", "1")


def test_pods_beside_a_chart_s_object_in_another_namespace_are_no_nodes(project: InCluster) -> None:
    project.put({**deployment("theirs"), "metadata": {"name": "theirs", "namespace": GIVEN}})
    path = chart(project, deployment(), config_map("leader", namespace=GIVEN))
    # The selector chooses nothing, so no state `running` may come of it.
    none = project.trial("deploy", {"step": "validate", "checks": ["cluster_status"]}, charts=[{"chart": path}],
                         nodes="app=wbe", name="none.json", deploy="8s")  # fmt: skip
    ran = project.seatrial("run", none)
    assert "no pod has the labels of `nodes`, app=wbe" in ran.stdout + ran.stderr
    stop = [{"step": "stop_cluster"}, {"step": "validate", "checks": ["node_status:web:stopped"]}]
    ran = project.seatrial("run", project.trial("deploy", *stop, charts=[{"chart": path}]))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (theirs,) = project.get("deployment", "--namespace", GIVEN)
    assert theirs["spec"]["replicas"] == 1
