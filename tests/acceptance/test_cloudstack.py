"""A deployer's machines in CloudStack: recognised, powered, checked as provisioned, and after the teardown."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Project, only, suite, validate

from seatrial_stand_ins.cloudstack import CloudStackServer

DEPLOYER = Path(__file__).with_name("cloudstack_deployer.py")
NODES = ("n11", "n12", "n13")
WELL = json.dumps({name: {"ssh": "ok", "service": "ok"} for name in NODES})
SYSTEM = {
    "kind": "command",
    "deploy": [sys.executable, str(DEPLOYER), "deploy"],
    "destroy": [sys.executable, str(DEPLOYER), "destroy"],
    "health": f"test -e inventory.ini && echo '{WELL}' || echo '{{}}'",
    "inventory": {"file": "inventory.ini"},
}
PROVISIONED = validate(
    {"check": "cloudstack_vm", "offering": "small", "template": "debian-12", "zone": "zone-1", "network": "shared-1",
     "tags": {"app": "notes"}, "cpus": 1, "memory": "512MiB", "count": 3},
    {"check": "cloudstack_vm", "name": "notes-w*", "count": 2},
    {"check": "cloudstack_volume", "on": "n13", "size": "2GiB", "offering": "custom", "count": 1},
    {"check": "cloudstack_volume", "machine": "notes-web-*", "count": 0},
)  # fmt: skip
LEFT = validate({"check": "cloudstack_left", "name": "notes-*", "tags": {"app": "notes"}})


@pytest.fixture
def cloud():
    with CloudStackServer() as server:
        yield server


def run(project: Project, cloud: CloudStackServer, *steps: Any) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    """The exit code, the steps and the row of a run; no file of the project may hold the secret."""
    project.write("trial.json", suite(*steps, provider="cloudstack", system=SYSTEM))
    environment = {**project.environment, **cloud.environment}
    done = project.seatrial("run", "trial.json", "--format", "plain", env=environment)
    row = only(project.results()["results"])
    files = [file for file in project.folder.rglob("*") if file.is_file()]
    holding = [file for file in files if cloud.secret.encode() in file.read_bytes()]
    assert holding == []
    assert cloud.secret not in done.stdout + done.stderr
    return done.returncode, row["workflow_steps"], row


def test_a_deployers_machines_have_power_are_as_provisioned_and_leave_nothing(
    project: Project, cloud: CloudStackServer
) -> None:
    code, steps, row = run(
        project,
        cloud,
        "deploy",
        PROVISIONED,
        {"step": "crash_node", "target_node": "n11", "method": "destroy"},
        validate(
            "node_status:n11:stopped", "cluster_degraded", {"check": "cloudstack_vm", "on": "n11", "state": "Stopped"}
        ),
        {"step": "start_node", "target_node": "n11"},
        {"step": "stop_node", "target_node": "n12"},
        validate("node_status:n12:stopped", "node_status:n11:running"),
        {"step": "start_node", "target_node": "n12"},
        validate("cluster_status"),
        "destroy",
        LEFT,
    )
    told = [(step["step_type"], step["status"], step.get("error")) for step in steps]
    assert code == 0, (told, row)
    forced = [given.get("forced") for command, given in cloud.cloud.calls if command == "stopVirtualMachine"]
    assert forced == ["true", None]
    assert not cloud.cloud.machines
    assert not cloud.cloud.volumes
    assert project.left() == []


def test_what_was_provisioned_wrongly_is_told_as_it_is(project: Project, cloud: CloudStackServer) -> None:
    cloud.plants.wrong_disk_size, cloud.plants.wrong_offering = 7, "large"
    code, steps, row = run(project, cloud, "deploy", PROVISIONED)
    assert (code, row["category"]) == (1, "product"), row
    said = str([one for one in steps[-1]["validation_results"] if not one["passed"]])
    assert "offering is large, expected small" in said
    assert f"size is {7 * 1024**3} bytes, expected 2GiB" in said
    (power,) = project.folder.rglob("diagnostics/n11/power.txt")
    assert power.read_text().startswith("state: running\nreason: Running\n")
    assert project.left() == []


class EveryWeb(set[str]):
    """The names of all machines that are called so."""

    def __contains__(self, name: object) -> bool:
        return str(name).startswith("notes-web")


def test_what_a_teardown_left_is_named(project: Project, cloud: CloudStackServer) -> None:
    cloud.plants.keeps, cloud.plants.forgets_volumes = EveryWeb(), True
    looked_at = validate({"check": "cloudstack_vm", "count": 3})
    code, steps, row = run(project, cloud, "deploy", looked_at, "destroy", LEFT)
    assert (code, row["category"]) == (1, "product"), row
    (kept,) = (one.name for one in cloud.cloud.machines.values())
    (disk,) = (one.name for one in cloud.cloud.volumes.values() if one.kind == "DATADISK")
    said = str(steps[-1]["validation_results"])
    assert f"machine {kept} (Running)" in said
    assert f"volume {disk}" in said


def test_a_list_that_cannot_be_read_after_a_teardown_is_unknown(project: Project, cloud: CloudStackServer) -> None:
    cloud.plants.refuses["listSnapshots"] = 531, "not allowed"
    code, steps, row = run(project, cloud, "deploy", "destroy", LEFT)
    assert (code, row["category"]) == (3, "infrastructure"), row
    assert "listSnapshots: CloudStack says (531): not allowed" in str(steps[-1]["validation_results"])
