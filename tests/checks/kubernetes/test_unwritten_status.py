"""A field that a controller has not written yet is measured absence: failed, not unknown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scripts.cluster import shared
from tests.backends.kubernetes_project import config_map, project_in

pytestmark = pytest.mark.backend("kubernetes")


def test_a_field_that_an_object_does_not_have_fails_the_check_by_name(
    tmp_path: Path, cluster: shared.Use, tool: Callable[[str], Path]
) -> None:
    project = project_in(tmp_path, cluster, tool)
    project.write("object.json", config_map("settings"))
    wanted = ("status.conditions.exists(c, c.type == 'Ready')", "status.phase == 'Ready'")
    checks = [{"check": "resource", "kind": "configmap", "name": "settings", "that": that} for that in wanted]
    ran = project.seatrial("run", project.trial(
        "deploy", {"step": "validate", "checks": checks}, manifests=["object.json"]))  # fmt: skip
    assert ran.returncode == 1, ran.stdout + ran.stderr
    (suite,) = project.results()["results"]
    seen = suite["workflow_steps"][-1]["validation_results"]
    assert [one["verdict"] for one in seen] == ["failed", "failed"]
    told = sorted(str(one["why"]).rpartition("there is no ")[2] for one in seen)
    assert told == ["'conditions'", "'phase'"], seen
    assert project.seatrial("clean").returncode == 0
