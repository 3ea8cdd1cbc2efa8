"""Machines of a deployer with SSH as their only way in reboot from inside, on a real OpenSSH."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.acceptance.harness import Project, only, suite, validate
from tests.backends import tables
from tests.providers.ssh.test_containers import containers

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman")]


@tables.ON_ENGINES
def test_a_machine_of_an_inventory_reboots_and_its_boot_id_proves_it(project: Project, tmp_path: Path) -> None:
    machines = tmp_path / "machines"
    machines.mkdir()
    system = {
        "kind": "command",
        "deploy": "touch up",
        "destroy": "rm -f up",
        "health": 'test -e up && echo \'{"n11": {"db": "ok"}, "n12": {"db": "ok"}}\' || echo "{}"',
        "inventory": {"command": ["cat", str(machines / "config")], "format": "ssh_config"},
        "wait_for": "link",
    }
    document = suite(
        "deploy",
        {"step": "restart_node", "target_node": "n11"},
        validate("all_nodes_running", "ssh_connectivity", "cluster_status"),
        system=system,
    )

    async def scenario() -> None:
        async with containers(machines):
            done = await asyncio.to_thread(project.seatrial, "run", project.write("trial.json", document))
            assert done.returncode == 0, done.stdout + done.stderr

    asyncio.run(scenario())
    steps = only(project.results()["results"])["workflow_steps"]
    assert json.dumps(steps[1]["outputs"]["boot_ids"]).count("n11") == 1
    assert project.left() == []
