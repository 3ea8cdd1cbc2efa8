"""The example of Ansible on three containers, with the real Ansible and Podman."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.acceptance.harness import Project, processes_of

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "ansible"


@pytest.mark.backend("ansible", "podman")
def test_three_servers_lose_one_and_get_it_back_and_nothing_is_left(tmp_path, tool, podman):
    project = Project(tmp_path)
    shutil.copytree(FOLDER, tmp_path / "site")
    env = {**project.environment, **podman, "PATH": f"{tool('ansible').parent}:{os.environ['PATH']}"}
    done = project.seatrial("run", "site/seatrial.yaml", env=env, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = project.results()["results"]
    assert [step["step_type"] for step in row["workflow_steps"]] == [
        "deploy", "validate", "stop_node", "validate", "start_node", "validate",
    ]  # fmt: skip
    trial = row["deployment_id"].rpartition("-")[2]
    listed = subprocess.run(
        ["podman", "ps", "--all", "--format", "{{.Names}}"],
        env={**os.environ, **podman}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert trial not in listed.stdout
    assert project.left() == []
    assert processes_of(tmp_path) == []
