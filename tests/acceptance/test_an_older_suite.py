"""Suites of an older framework, sut x workflow, drive a deployer that knows nothing of Seatrial: no wrapper, its own
word for the provider, green when all is well, and never green with a fault in the deployer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.acceptance.harness import Project

KEEL = Path(__file__).with_name("keel")

SETTINGS = """\
trust = "reported"
system.kind = "command"
system.init = ["./keel", "init", "--provider", "$provider"]
system.deploy = ["./keel", "deploy"]
system.status = ["./keel", "status"]
system.health = ["./keel", "health", "--output-format", "json"]
system.stop = ["./keel", "stop"]
system.start = ["./keel", "start"]
system.destroy = ["./keel", "destroy", "--auto-approve"]
system.inventory = {file = "inventory.ini"}
system.exit_codes = {health = [0, 1]}
system.wait_for = "link"
"""


def well(state: str = "database_ready") -> dict[str, Any]:
    parts = [f"health_status[*].{part}==ok" for part in ("ssh", "adminui", "database")]
    return {"step": "validate", "checks": [f"cluster_status=={state}", *parts]}


def silent(state: str) -> dict[str, Any]:
    parts = [f"health_status[*].{part}!=ok" for part in ("ssh", "adminui", "database")]
    return {"step": "validate", "checks": [f"cluster_status=={state}", *parts]}


WORKFLOW = {
    "description": "A whole life",
    "steps": [
        {"step": "init"}, {"step": "validate", "checks": ["cluster_status==initialized"]},
        {"step": "deploy"}, well(),
        {"step": "stop_cluster"}, silent("stopped"),
        {"step": "start_cluster"}, well(),
        {"step": "destroy"}, silent("destroyed"),
    ],
}  # fmt: skip

FAULTS = {
    "quota": ("failed", "deploy", "VcpuLimitExceeded"),
    "half": ("failed", "deploy", "deploy_in_progress"),
    "one_too_few": ("failed", "deploy", "absent-1"),
    "dead_node": ("failed", "deploy", "of 2 nodes are healthy"),
    "db_down": ("failed", "deploy", "database: 0 passed, 2 failed"),
    "stuck": ("failed", "deploy", "deploy_in_progress"),
    "no_json": ("unknown", "deploy", "health did not print JSON"),
    "stop_lies": ("failed", "stop_cluster", "n11 is running"),
    "start_never_ready": ("failed", "start_cluster", "database: 0 passed, 2 failed"),
    "destroy_fails": ("failed", "destroy", "its status says destroy_failed"),
    "destroy_lies": ("unknown", "validate", "Seatrial measured that ssh of n11"),
}
"""The planted fault: the verdict, the step that ends with it, and some words of its reason."""


def older(project: Project, *faults: str) -> str:
    """Write the project; its configuration has a suite for each fault, `` for none."""
    shutil.copytree(KEEL, project.folder, dirs_exist_ok=True)
    (project.folder / "seatrial.toml").write_text(SETTINGS)
    for folder in ("sut", "workflow"):
        (project.folder / folder).mkdir()
    project.write("workflow/life.json", WORKFLOW)
    for fault in faults:
        sut = {
            "description": "As it was", "provider": "aws", "db_version": ["default-local", "default"],
            "use_portable_dependencies": True, "requirements": {"network_access": True},
            "parameters": {"cluster_size": 2, **({"misbehave": fault} if fault else {})},
        }  # fmt: skip
        project.write(f"sut/{fault or 'well'}.json", sut)
    suites = [{"sut": f"sut/{fault or 'well'}.json", "workflow": "workflow/life.json"} for fault in faults]
    # Of a fault that nothing ends, a deadline is used up.
    deadlines = dict.fromkeys(("deploy", "start", "stop", "destroy"), 14 if any(faults) else 120)
    return str(project.write("aws.json", {"provider": "aws", "test_suites": suites, "deadlines": deadlines}))


def test_a_whole_life_of_a_deployment_is_green_by_twelve_lines_of_settings(project: Project) -> None:
    done = project.seatrial("run", older(project, ""), "--format", "json")
    (row,) = json.loads(done.stdout)["results"]
    assert (done.returncode, row["verdict"]) == (0, "passed"), done.stdout + done.stderr
    assert row["deployment_id"].startswith("aws-workflow-well_life-")
    assert SETTINGS.count("\n") <= 12
    log = (next(project.runs()[0].glob("aws-*")) / "test.log").read_text()
    assert "Provider: aws" in log  # its word went to the deployer
    assert "Version not found: default-local" in log  # and its first version was refused
    assert project.left() == []


def test_every_planted_fault_of_the_deployer_is_seen(project: Project) -> None:
    done = project.seatrial("run", older(project, *FAULTS), "--format", "json", "--parallel", "3", timeout=600)
    rows = {row["name"].removesuffix("_life"): row for row in json.loads(done.stdout)["results"]}
    assert set(rows) == set(FAULTS)
    seen = {}
    for fault, row in rows.items():
        step = next(step for step in row["workflow_steps"] if step["status"] == "failed")
        words = FAULTS[fault][2]
        seen[fault] = (row["verdict"], step["step_type"], words if words in json.dumps(step) else step["error"])
    assert seen == FAULTS
