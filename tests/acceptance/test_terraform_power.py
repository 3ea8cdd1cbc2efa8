"""Nodes of a configuration that a variable turns off and on, and its kept clusters, with the real Terraform."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from tests.acceptance.test_terraform import MAIN, Infra, ran

pytestmark = pytest.mark.backend("terraform")

OFF_BY_VARIABLE = (
    MAIN
    + """
variable "stopped_nodes" { type = set(string) }
resource "terraform_data" "power" {
  for_each = setsubtract([for number in range(var.cluster_size) : "n${11 + number}"], var.stopped_nodes)
  input    = "${var.made}/${each.key}/up"
  provisioner "local-exec" { command = "touch ${self.input}" }
  provisioner "local-exec" {
    when    = destroy
    command = "rm -f ${self.input}"
  }
  depends_on = [terraform_data.node]
}
"""
)
LEFT_OUT = OFF_BY_VARIABLE.replace(
    'folder = node.output\n  } }', 'folder = node.output\n  } if !contains(var.stopped_nodes, basename(node.output)) }'
)  # fmt: skip
SYSTEM = {"tool": "terraform", "power": {"variable": "stopped_nodes"}, "crash_node": None, "start_node": None}


@pytest.fixture
def project(tmp_path: Any) -> Infra:
    made = Infra(tmp_path)
    made.configure(OFF_BY_VARIABLE)
    return made


def checks(*names: str, **more: object) -> dict[str, object]:
    return {"step": "validate", "checks": list(names), **more}


def look(name: str) -> dict[str, object]:
    return {"step": "custom_command", "custom_command": ["test", "-e", name]}


GOES = (
    {"step": "stop_node", "target_node": "n12"},
    checks("cluster_degraded", "node_status:n12:stopped", "health_status[n12].service!=ok", "node_status:n11"),
    look("go-on"),
    {"step": "start_node", "target_node": "n12"},
    checks("cluster_status", "health_status[*].service==ok"),
    "stop_cluster",
    checks("vms_powered_off", "health_status[*].service!=ok"),
    "start_cluster",
    checks("cluster_status"),
)


def again(project: Infra, *words: object) -> subprocess.CompletedProcess[str]:
    return project.seatrial("step", "last", *words)


@pytest.mark.parametrize("text", [OFF_BY_VARIABLE, LEFT_OUT], ids=["all outputs stay", "outputs leave them out"])
def test_a_variable_stops_and_starts_nodes_also_when_another_process_takes_the_cluster_up(
    text: str, project: Infra
) -> None:
    project.configure(text)
    steps = [{"step": "deploy"}, *({"step": one} if isinstance(one, str) else one for one in GOES)]
    document = project.suite(*steps, system=SYSTEM)
    kept = project.seatrial("run", document, "--keep", "failed")
    assert kept.returncode == 1, kept.stdout + kept.stderr
    said = [str(one["data"].get("text", "")) for one in project.events() if one["kind"] == "log"]
    assert any(text.startswith("the plan: - terraform_data.power") and "n12" in text for text in said), said
    shell = project.seatrial("shell", "last", "n11", "--", "sh", "-c", "echo here")
    assert (shell.returncode, shell.stdout) == (0, "here\n"), shell.stderr
    (project.folder / "go-on").touch()
    done = again(project, "3..", "--keep", "never")
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.there() == []
    assert project.left() == []


def test_a_variable_that_no_resource_heeds_is_unknown_and_no_stop(project: Infra) -> None:
    project.configure(MAIN + 'variable "stopped_nodes" { default = [] }\n')
    shown = ran(project, {"step": "deploy"}, {"step": "stop_node", "target_node": "n12"}, code=3, system=SYSTEM)
    assert 'with stopped_nodes = ["n12"], the plan changes no resource' in shown
    assert project.there() == []


@pytest.mark.parametrize(
    ("system", "said"),
    [
        ({"power": {"variable": "stoped_nodes"}}, "did you mean 'stopped_nodes'"),
        ({"stop_node": ["true"]}, "`power` and `stop_node` are two ways for the same"),
        ({"variables": {"stopped_nodes": []}}, "`power` sets the variable 'stopped_nodes' already"),
        ({"power": None}, "write `stop_node:` (a command) or `power: {variable: NAME}` into `system:`"),
    ],
    ids=["another name", "two ways", "set twice", "no power"],
)  # fmt: skip
def test_a_power_that_cannot_be_is_refused_before_the_run(system: dict[str, Any], said: str, project: Infra) -> None:
    steps = ({"step": "deploy"}, {"step": "stop_node", "target_node": "n12"})
    assert said in ran(project, *steps, code=2, system={**SYSTEM, **system})


def test_a_kept_cluster_whose_state_is_gone_is_unknown(project: Infra) -> None:
    project.configure()
    document = project.suite({"step": "deploy"}, look("never"), system={"tool": "terraform"}, size=1)
    assert project.seatrial("run", document, "--keep", "failed").returncode == 1
    (memory,) = project.folder.rglob("kept.json")
    known = json.loads(memory.read_text())
    known["memory"]["prepared"]["place"]["folder"] = str(project.folder / "gone")
    memory.write_text(json.dumps(known))
    lost = again(project, "2")
    assert lost.returncode == 3, lost.stdout
    assert "the copy of the configuration is gone" in lost.stdout + lost.stderr
    assert project.seatrial("clean", "--all").returncode == 0
