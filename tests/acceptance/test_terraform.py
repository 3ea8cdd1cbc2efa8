"""The system `terraform` with the real OpenTofu and Terraform: a node is a folder, its service a file in it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Document, Project, until

MAIN = """
variable "cluster_size" { type = number }
variable "made" { type = string }
variable "password" {
  type      = string
  sensitive = true
  default   = "nothing secret"
}
variable "make" {
  type    = string
  default = "true"
}
resource "terraform_data" "node" {
  count = var.cluster_size
  input = "${var.made}/n${11 + count.index}"
  provisioner "local-exec" {
    command = "mkdir ${self.input} && touch ${self.input}/up && cd ${self.input} && ${var.make}"
  }
  provisioner "local-exec" {
    when    = destroy
    command = "rm -r ${self.input}"
  }
}
output "nodes" {
  value = { for node in terraform_data.node : basename(node.output) => {
    address = "127.0.0.1", ansible_connection = "local", folder = node.output
  } }
}
output "url" { value = "http://127.0.0.1/${var.cluster_size}" }
output "password" {
  value     = var.password
  sensitive = true
}
output "token" {
  value     = strrev("emases fo nekot")
  sensitive = true
}
"""

UNNAMED = (
    MAIN.replace("{ for node in", "[for node in").replace("basename(node.output) =>", "").replace("} }\n}", "} ]\n}")
)

SYSTEM: Document = {
    "kind": "terraform",
    "folder": "infra",
    "health": {"command": ["test", "-e", "${{ node.folder }}/up"]},
    "rule": "any",
    "crash_node": ["rm", "${{ node.folder }}/up"],
    "start_node": ["touch", "${{ node.folder }}/up"],
}

TOOLS = [pytest.param(name, marks=pytest.mark.backend(name)) for name in ("tofu", "terraform")]


class Infra(Project):
    """A project with a configuration in `infra`; the nodes are folders in `made`."""

    @property
    def made(self) -> Path:
        return self.folder / "made"

    def there(self) -> list[str]:
        return sorted(str(path.relative_to(self.made)) for path in self.made.rglob("*"))

    def configure(self, text: str = MAIN) -> None:
        for name in ("infra", "made"):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / "infra" / "main.tf").write_text(text)

    def suite(self, *steps: Any, system: Mapping[str, object] = {}, size: int = 2, **suite: object) -> Path:
        variables = {"made": str(self.made), **dict(system.get("variables", {}))}  # type: ignore[call-overload]
        settings = {**SYSTEM, **system, "variables": variables}
        document = {
            "provider": "local",
            "system": {key: value for key, value in settings.items() if value is not None},
            "parameters": {"cluster_size": size},
            "test_suites": {"trial": {"workflow": list(steps), **suite}},
        }
        return self.write("trial.json", document)

    def errors(self) -> str:
        (row,) = self.results()["results"]
        return "\n".join([row["error"], *(step["error"] for step in row["workflow_steps"])])


@pytest.fixture
def project(tmp_path: Path) -> Infra:
    made = Infra(tmp_path)
    made.configure()
    return made


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch, tool: Callable[[str], Path]) -> Callable[[str], None]:
    """Put the program of a tool on PATH, and no other."""

    def put(name: str) -> None:
        (program := tool(name)).stat()
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    return put


LOST = (
    {"step": "deploy", "id": "d"},
    {"step": "validate", "checks": ["cluster_status", "database_running", "health_status[*].service==ok"]},
    {"step": "crash_node", "target_node": "n12", "method": "destroy"},
    {"step": "validate", "checks": ["cluster_degraded", "node_status:n12:stopped", "health_status[n12].service!=ok"]},
    {"step": "start_node", "target_node": "n12"},
    {"step": "validate", "checks": ["cluster_status"]},
    {"step": "custom_command", "custom_command": ["test", "${{ steps.d.outputs.url }}", "=", "http://127.0.0.1/3"]},
    {"step": "destroy"},
    {"step": "validate", "checks": ["cluster_status==destroyed"]},
)


@pytest.mark.parametrize("name", TOOLS)
def test_a_configuration_is_deployed_a_node_is_lost_and_back_and_nothing_is_left(
    name: str, project: Infra, on_path: Callable[[str], None]
) -> None:
    on_path(name)
    infra, prod = project.folder / "infra", project.folder / "prod.tfstate"
    project.configure(f'terraform {{\n  backend "local" {{ path = "{prod}" }}\n}}\n' + MAIN)
    (infra / "terraform.tfstate").write_text("the user's own")
    before = sorted(infra.rglob("*"))
    ran = project.seatrial("run", project.suite(*LOST, system={"tool": name}, size=3))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert project.there() == []
    assert project.left() == []
    assert sorted(infra.rglob("*")) == before  # nothing is written beside the configuration
    assert not prod.exists()
    planned = [one["data"]["text"] for one in project.events() if "the plan: " in str(one["data"].get("text", ""))]
    assert planned, "the journal has no plan"
    assert "+ terraform_data.node[2]" in planned[0]


@pytest.mark.backend("terraform")
def test_a_secret_is_on_no_command_line_and_in_no_file_that_stays(project: Infra) -> None:
    words = project.folder / "words"
    spy = project.folder / "bin" / "terraform"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\necho "$@" >>{words}\nexec {shutil.which("terraform")} "$@"\n')
    spy.chmod(0o755)
    environment = {**project.environment, "PW": "hunter2-of-trial", "PATH": f"{spy.parent}:{os.environ['PATH']}"}
    document = project.suite(
        {"step": "deploy", "id": "d"},
        {"step": "custom_command", "custom_command": "test ${{ steps.d.outputs.password }} = hunter2-of-trial"},
        {
            "step": "custom_command",
            "custom_command": "echo ${{ steps.d.outputs.password }} ${{ steps.d.outputs.token }}",
        },
        system={"tool": "terraform", "variables": {"password": "${{ secrets.PW }}"}},
    )
    ran = project.seatrial("run", document, env=environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "apply" in words.read_text()
    files = [file for file in project.folder.rglob("*") if file.is_file() and file != document]
    for secret in (b"hunter2-of-trial", b"token of sesame"):
        assert [file for file in files if secret in file.read_bytes()] == []


@pytest.mark.backend("terraform")
def test_a_killed_apply_is_ended_in_order_and_destroyed_by_clean(project: Infra) -> None:
    document = project.suite({"step": "deploy"}, system={"tool": "terraform", "variables": {"make": "sleep 600"}})
    with project.start("run", document) as process:
        until(lambda: len(project.there()) == 4 or process.poll() is not None, "both nodes")
        process.kill()
        process.communicate()
    assert project.there() == ["n11", "n11/up", "n12", "n12/up"]
    cleaned = project.seatrial("clean")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert project.there() == []
    assert project.left() == []


@pytest.mark.backend("terraform")
def test_an_interrupted_apply_is_ended_in_order_and_destroyed(project: Infra) -> None:
    document = project.suite({"step": "deploy"}, system={"tool": "terraform", "variables": {"make": "sleep 600"}})
    with project.start("run", document) as process:
        until(lambda: len(project.there()) == 4 or process.poll() is not None, "both nodes")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 130, out + err
    assert project.there() == []
    assert project.left() == []


def ran(project: Infra, *steps: Any, code: int, **suite: Any) -> str:
    """What a run with this exit code says."""
    done = project.seatrial("run", project.suite(*(steps or ({"step": "deploy"},)), **suite))
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr if code == 2 else project.errors()


@pytest.mark.backend("terraform")
@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (MAIN.replace("count = var.cluster_size", "count = var.size"), 1, "main.tf:14: Reference to undeclared input"),
        (MAIN + 'resource "terraform_data" "x" {', 1, "Unclosed configuration block"),
        (MAIN.replace('default = "true"', 'default = "false"'), 1, "local-exec provisioner error"),
        (
            'terraform {\n  required_providers {\n    x = { source = "registry.invalid/acme/x" }\n  }\n}\n' + MAIN,
            3,
            "registry.invalid",
        ),
        (MAIN.replace("for node in terraform_data.node", "for node in []"), 3, "the inventory has no nodes"),
        (UNNAMED, 3, "not a mapping with a name; allowed: a list of mappings with a name"),
        (MAIN.replace('output "nodes"', 'output "machines"'), 2, "no output 'nodes'"),
        (MAIN.replace('variable "made"', 'variable "mode"'), 2, "declares no variable 'made'"),
    ],
    ids=["reference", "syntax", "middle", "provider", "empty", "shape", "no output", "no variable"],
)  # fmt: skip
def test_a_fault_of_the_configuration_is_named_with_its_place(text: str, code: int, said: str, project: Infra) -> None:
    project.configure(text)
    shown = ran(project, code=code, system={"tool": "terraform"})
    assert said in shown
    assert "╷" not in shown
    assert project.there() == []
    assert project.left() == []


@pytest.mark.backend("terraform")
def test_a_missing_tool_and_an_old_one_are_unknown(project: Infra, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(project.folder / "bin"))
    assert "tofu is not on PATH" in ran(project, code=3)
    old = project.folder / "bin" / "terraform"
    old.parent.mkdir()
    old.write_text('#!/bin/sh\necho \'{"terraform_version": "1.5.7"}\'\n')
    old.chmod(0o755)
    assert "is 1.5.7; needed: 1.9 or newer" in ran(project, code=3)


@pytest.mark.backend("terraform")
def test_a_state_that_somebody_has_locked_is_unknown_and_one_with_resources_is_left_alone(project: Infra) -> None:
    state = project.folder / "shared.tfstate"
    project.configure('terraform {\n  backend "local" {}\n}\n' + MAIN)
    system = {
        "tool": "terraform", "backend": "configured", "workspace": "default", "backend_config": {"path": str(state)}
    }  # fmt: skip
    ran(project, {"step": "deploy"}, {"step": "destroy"}, code=0, system=system)
    state.touch()
    with state.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert "somebody else holds the lock of the state" in ran(project, code=3, system=system)
    prod = {"schema_version": 0, "attributes": {"id": "1"}}
    builtin = 'provider["terraform.io/builtin/terraform"]'
    one = {"mode": "managed", "type": "terraform_data", "name": "prod", "provider": builtin, "instances": [prod]}
    whole = {
        "version": 4,
        "terraform_version": "1.11.4",
        "serial": 9,
        "lineage": "x",
        "outputs": {},
        "resources": [one],
    }
    state.write_text(json.dumps(whole))
    assert "already has 1 resources that this trial did not make" in ran(project, code=3, system=system)
    assert "terraform_data" in state.read_text()


@pytest.mark.backend("terraform")
def test_a_destroy_that_fails_is_failed_and_left_behind_until_it_works(project: Infra) -> None:
    project.configure(MAIN.replace('"rm -r ', '"test -e ${self.input}/may-go && rm -r '))
    system = {"tool": "terraform"}
    shown = ran(project, {"step": "deploy"}, {"step": "destroy"}, code=1, system=system)
    assert "destroy: " in shown
    assert "main.tf:" in shown
    assert project.there() == ["n11", "n11/up", "n12", "n12/up"]
    left = project.seatrial("clean")
    assert left.returncode == 4, left.stdout
    for node in ("n11", "n12"):
        (project.made / node / "may-go").touch()
    cleaned = project.seatrial("clean")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert project.there() == []


@pytest.mark.backend("terraform")
def test_a_destroy_that_leaves_the_service_running_is_no_destroyed_system(project: Infra) -> None:
    project.configure(MAIN.replace('"rm -r ${self.input}"', '"true"'))
    steps = ({"step": "deploy"}, {"step": "destroy"}, {"step": "validate", "checks": ["cluster_status==destroyed"]})
    shown = ran(project, *steps, code=3, system={"tool": "terraform"})
    assert "service of n11" in shown
    shutil.rmtree(project.made)


@pytest.mark.backend("terraform")
def test_a_resource_that_was_being_made_when_the_tool_was_killed_is_left_behind(project: Infra) -> None:
    """Its state cannot have it; only the tool's messages do."""
    document = project.suite({"step": "deploy"}, {"step": "wait", "for": 600}, system={"tool": "terraform"})
    with project.start("run", document) as process:
        until(
            lambda: any(one["kind"] == "step_started" and one["data"].get("step") == "2" for one in project.events()),
            "the second step",
        )
        process.kill()
        process.communicate()
    (messages,) = project.folder.rglob("apply.jsonl")
    begun = '{"type": "apply_start", "hook": {"resource": {"addr": "aws_instance.web"}, "action": "create"}}\n'
    messages.write_text(messages.read_text() + begun)
    cleaned = project.seatrial("clean")
    assert cleaned.returncode == 4, cleaned.stdout
    assert "it made aws_instance.web, so its state does not have it" in cleaned.stdout + cleaned.stderr
    assert project.there() == []
    assert project.seatrial("clean", "--forget", project.runs()[-1].name).returncode == 0


@pytest.mark.backend("terraform")
def test_resources_are_nodes_without_any_output(project: Infra) -> None:
    project.configure(MAIN.replace('output "nodes"', 'output "machines"'))
    resources = {"terraform_data": {"address": "output"}}
    system = {
        "tool": "terraform",
        "inventory": {"resources": resources, "variables": {"ansible_connection": "local"}},
        "health": {"command": ["test", "-e", "${{ node.address }}/up"]},
    }
    checks = ["health_status[node-0,node-1].service==ok", "cluster_status"]
    ran(project, {"step": "deploy"}, {"step": "validate", "checks": checks}, code=0, system=system)
    reboot = {"step": "restart_node", "target_node": "node-0"}
    assert "reboot in the guest" in ran(project, {"step": "deploy"}, reboot, code=2, system=system)


@pytest.mark.backend("terraform")
def test_a_wrong_address_is_no_running_cluster(project: Infra) -> None:
    project.configure(MAIN.replace('ansible_connection = "local"', 'port = "1"'))
    system = {"tool": "terraform", "health": {"tcp": "1"}}
    ran(project, code=1, system=system, deadlines={"deploy": 25})
    assert project.there() == []
    assert project.left() == []


@pytest.mark.backend("terraform")
def test_a_secret_that_a_file_of_values_would_overrule_is_refused(project: Infra) -> None:
    (project.folder / "infra" / "terraform.tfvars").write_text('password = "in the file"\n')
    system = {"tool": "terraform", "variables": {"password": "${{ secrets.HOME }}"}}
    assert "terraform.tfvars of the configuration sets it too and would win" in ran(project, code=3, system=system)
