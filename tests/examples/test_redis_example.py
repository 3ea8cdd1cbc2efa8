"""The example of a bash deployer: a real Redis with Sentinel fails over, and nothing of it is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from tests.acceptance.harness import Project, until

EXAMPLE = Path(__file__).parents[2] / "examples" / "redis"

pytestmark = pytest.mark.backend("redis")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(shutil.copytree(EXAMPLE, tmp_path / "redis", ignore=shutil.ignore_patterns(".*")))


def servers(folder: Path) -> list[int]:
    """The processes of Redis and Sentinel in this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and "redis" in (entry / "comm").read_text():
                found += [int(entry.name)] if (entry / "cwd").readlink().is_relative_to(folder) else []
        except OSError:
            continue
    return found


def test_the_example_passes_and_leaves_nothing(project: Project) -> None:
    done = project.seatrial("run", "redis.yaml", "--format", "plain")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = {step["step_type"]: step for step in project.results()["results"][0]["workflow_steps"]}
    assert steps["crash_node"]["status"] == steps["start_node"]["status"] == "completed"
    assert {check["check"] for check in steps["validate"]["validation_results"]} >= {"cluster_status", "data_integrity"}
    assert (project.left(), servers(project.folder)) == ([], [])


def test_a_run_that_is_killed_in_its_deployment_is_cleaned(project: Project) -> None:
    process = project.start("run", "redis.yaml", "--format", "none")
    until(lambda: len(servers(project.folder)) >= 3 or process.poll() is not None, "three servers")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    done = project.seatrial("clean")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project.left(), servers(project.folder)) == ([], [])


def test_init_and_run_are_enough_beside_the_script_and_a_killed_run_is_cleaned(project: Project) -> None:
    (project.folder / "redis.yaml").unlink()
    assert project.seatrial("init").returncode == 0
    process = project.start("run", "--format", "none")
    until(lambda: servers(project.folder) or process.poll() is not None, "a server")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert project.seatrial("clean").returncode == 0
    assert (project.left(), servers(project.folder)) == ([], [])
    done = project.seatrial("run", "--format", "plain")
    assert done.returncode == 0, done.stdout + done.stderr
    kinds = [step["step_type"] for step in project.results()["results"][0]["workflow_steps"]]
    assert kinds == ["deploy", "validate", "stop_node", "validate", "start_node", "destroy"]
    assert (project.left(), servers(project.folder)) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("planted", "verdict", "said"),
    [
        ('[ "$1" != healthy ] || exit 1', "failed", "the state is critical"),
        ('[ "$1" != status ] || { echo oops; exit 0; }', "unknown", "status did not print JSON"),
    ],
)
def test_a_planted_fault_gets_its_verdict(project: Project, planted: str, verdict: str, said: str) -> None:
    script, document = project.folder / "cluster.sh", project.folder / "redis.yaml"
    script.write_text(script.read_text().replace("nodes=", f"{planted}\nnodes=", 1))
    document.write_text(document.read_text().replace("deploy: 60s", "deploy: 10s"))
    done: subprocess.CompletedProcess[str] = project.seatrial("run", "redis.yaml", "--format", "plain")
    assert project.results()["verdict"] == verdict, done.stdout
    assert said in json.dumps(project.results())
    assert servers(project.folder) == []
