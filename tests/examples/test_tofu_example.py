"""The example of OpenTofu: real containers by real provisioners."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.acceptance.harness import Project

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "tofu"

pytestmark = pytest.mark.backend("tofu", "podman")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
    return Project(tmp_path)


@pytest.fixture
def environment(project: Project, podman: Mapping[str, str], tool: Callable[[str], Path]) -> dict[str, str]:
    path = f"{tool('tofu').parent}{os.pathsep}{os.environ['PATH']}"
    return {**project.environment, **podman, "PATH": path}


def containers(environment: Mapping[str, str], project: Project) -> list[str]:
    """Those of the project's trials: their names begin with the trial's id."""
    listed = subprocess.run(
        ["podman", "ps", "--all", "--format", "{{.Names}}"], env=environment, capture_output=True, text=True, check=True
    )  # fmt: skip
    trials = {one["trial"] for one in project.events() if one.get("trial")}
    return [name for name in listed.stdout.split() if name.startswith(tuple(trials) or ("no trial",))]


def test_the_example_of_opentofu_loses_a_container_and_has_it_back(
    project: Project, environment: dict[str, str]
) -> None:
    ran = project.seatrial("run", "seatrial.yaml", env=environment, timeout=600)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (suite,) = project.results()["results"]
    assert [step["step_type"] for step in suite["workflow_steps"]] == [
        "deploy", "validate", "crash_node", "validate", "start_node", "validate"
    ]  # fmt: skip
    assert containers(environment, project) == []
    assert project.left() == []


def test_the_example_of_opentofu_leaves_nothing_after_a_kill_in_the_middle_of_apply(
    project: Project, environment: dict[str, str]
) -> None:
    with project.start("run", "seatrial.yaml", env=environment) as process:
        while not containers(environment, project):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.kill()
        process.communicate()
    cleaned = project.seatrial("clean", env=environment, timeout=600)
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert containers(environment, project) == []
    assert project.left() == []
