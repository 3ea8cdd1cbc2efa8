"""The example of Kubernetes, on the cluster of the tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from scripts.cluster import shared
from tests.acceptance.harness import until
from tests.backends.kubernetes_project import left_of, project_in

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "kubernetes"

pytestmark = [pytest.mark.slow, pytest.mark.backend("kubernetes", "helm")]


def test_the_example_loses_a_pod_stops_and_starts_and_leaves_nothing(
    tmp_path: Path, cluster: shared.Use, tool: Callable[[str], Path]
) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    project = project_in(tmp_path, cluster, tool)
    environment = {**project.environment, "REPOSITORY": str(EXAMPLE.parents[1])}
    del environment["KUBECONFIG"]  # the way to the cluster is the service's
    ran = project.seatrial("run", "trial.yaml", timeout=400, env=environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (suite,) = project.results()["results"]
    crash = next(step for step in suite["workflow_steps"] if step["step_type"] == "crash_node")
    assert crash["status"] == "completed"
    assert left_of(project) == []
    assert project.seatrial("services", "stop", timeout=400).stdout == "stopped cluster\n"
    until(lambda: project.left() == [], "the end of the service's keeper")
