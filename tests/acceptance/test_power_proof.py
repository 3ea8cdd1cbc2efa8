"""A power command that did nothing is found out, and a crash ends what runs on the node at once."""

from __future__ import annotations

import time

import pytest
from tests.acceptance.harness import Project, only, suite

PLUGIN = '''
from dataclasses import dataclass
from pathlib import Path
from seatrial import provider, step
from seatrial.providers.local import Local

@provider("ignores_power")
class IgnoresPower(Local):
    """Its guests take every order to go down, and stay up."""
    async def guest_reboot(self, node):
        reboot = Path(node.detail["folder"]) / "sbin" / "reboot"
        reboot.write_text("#!/bin/sh\\nexit 0\\n")
        await super().guest_reboot(node)
    async def guest_crash(self, node):
        return "rebooting"
    async def crash(self, node):
        pass

@step("long_command")
@dataclass(frozen=True, kw_only=True)
class LongCommand:
    """A command on a node that does not end by itself."""
    node: str
    async def run(self, ctx):
        (node,) = await ctx.select(self.node)
        await ctx.link(node).run(["sleep", "600"], timeout=600)
'''


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ({"step": "restart_node", "target_node": "n11"}, "n11 did not go down"),
        ({"step": "crash_node", "target_node": "n11"}, "waiting for the crash of n11"),
        ({"step": "crash_node", "target_node": "n11", "method": "destroy"}, "waiting for the power-off of n11"),
    ],
    ids=["restart", "crash by ssh", "crash by destroy"],
)
def test_a_machine_that_did_not_go_down_fails_the_step(project: Project, step: dict[str, str], told: str) -> None:
    (project.folder / "plugin.py").write_text(PLUGIN)
    deadlines = {"restart": 6, "stop": 6}
    project.write("trial.json", suite("init", "deploy", step, deadlines=deadlines, parameters={"cluster_size": 1}))
    arguments = ("run", "trial.json", "--plugin", "plugin.py", "--on", "ignores_power", "--format", "none")
    assert project.seatrial(*arguments).returncode == 1
    row = only(project.results()["results"])
    assert row["verdict"] == "failed"
    assert told in row["error"]
    assert project.left() == []


@pytest.mark.parametrize("method", ["ssh", "destroy"])
def test_a_command_on_a_node_that_crashes_ends_at_once_as_a_lost_link(project: Project, method: str) -> None:
    (project.folder / "plugin.py").write_text(PLUGIN)
    crash = {"step": "group", "steps": [{"step": "wait", "for": "1s"}, {"step": "crash_node", "target_node": "n11"}]}
    crash["steps"][1]["method"] = method  # type: ignore[index]
    both = {"step": "parallel", "steps": [{"step": "long_command", "node": "n11"}, crash]}
    project.write("trial.json", suite("init", "deploy", both, parameters={"cluster_size": 1}))
    start = time.monotonic()
    done = project.seatrial("run", "trial.json", "--plugin", "plugin.py", "--format", "none")
    assert done.returncode == 3, done.stderr
    assert time.monotonic() - start < 300
    steps = {one["type"]: one for e in project.events() if e["kind"] == "step_finished" for one in [e["data"]]}
    at = {e["data"]["type"]: e["at"] for e in project.events() if e["kind"] == "step_finished"}
    assert steps["crash_node"]["verdict"] == "passed"
    assert steps["long_command"]["verdict"] == "unknown"
    assert "the connection was interrupted" in steps["long_command"]["error"]
    assert at["long_command"] - at["crash_node"] < 60  # of 600: the machine may be busy
    assert project.left() == []
