"""Rows of the system `terraform`, with the real OpenTofu: a node is a folder, its service a file in it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.acceptance.harness import Document, Project, suite, validate
from tests.backends import tools
from tests.truth.case import Case
from tests.truth.documents import LETTERS, command

MAIN = """
variable "made" { type = string }
variable "size" {
  type    = number
  default = 2
  validation {
    condition     = var.size < 3
    error_message = "at most two machines are allowed"
  }
}
variable "make" { default = "true" }
variable "unmake" { default = "true" }
variable "off" { default = [] }
resource "terraform_data" "node" {
  count = var.size
  input = { folder = "${var.made}/n${11 + count.index}", unmake = var.unmake }
  provisioner "local-exec" {
    command = "mkdir -p $IN && echo well >$IN/up && cd $IN && ${var.make}"
    environment = { IN = self.input.folder }
  }
  provisioner "local-exec" {
    when    = destroy
    command = "${self.input.unmake} && rm -r ${self.input.folder}"
  }
}
output "nodes" {
  value = { for node in terraform_data.node : basename(node.output.folder) => {
    address = "127.0.0.1", ansible_connection = "local", folder = node.output.folder
  } }
}
"""
BY_SSH = MAIN.replace('ansible_connection = "local"', 'port = 1, user = "root"')
NODES_NONE = MAIN.replace("for node in terraform_data.node", "for node in []")
SHAPELESS = (
    MAIN.replace("{ for node", "[for node").replace(": basename(node.output.folder) =>", ":").replace("  } }", "  } ]")
)
LOCKED = 'terraform {\n  backend "local" {}\n}\n' + MAIN

SYSTEM: Document = {
    "kind": "terraform",
    "tool": "tofu",
    "folder": "infra",
    "health": {"command": ["grep", "-q", "well", "${{ node.folder }}/up"]},
    "rule": "all",
    "poll": 0.1,
    "stop_node": ["rm", "-f", "${{ node.folder }}/up"],
    "start_node": "echo well >${{ node.folder }}/up",
}
WELL = validate("cluster_status", "health_status[*].service==ok")
HURT = {"step": "stop_node", "target_node": "n12"}


def path_with(name: str, project: Project) -> str:
    """PATH with the programs of a tool, and those of the row's own before them."""
    program = tools.path(name)
    assert program is not None
    return os.pathsep.join([str(project.folder / "bin"), str(program.parent), os.environ["PATH"]])


@contextmanager
def here(project: Project) -> Iterator[Mapping[str, Any]]:
    """The tool is on PATH; a locked state is locked by somebody else."""
    state = project.folder / "locked.tfstate"
    env = {"PATH": path_with("tofu", project), "TF_VAR_made": str(project.folder / "made")}
    state.touch()
    with state.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield {"env": env, "locked": str(state)}


def row(
    what: str, look: str, letter: str, *steps: Document | str, main: str = MAIN, files: Mapping[str, str] = {},
    words: str = "", category: str = "", within: int = 60, **system: Any,
) -> Case:  # fmt: skip
    planted, right = LETTERS[letter]
    settings = {key: value for key, value in {**SYSTEM, **system}.items() if value is not None}

    deadlines = {"deploy": within, "stop": within}

    def bound(given: Any) -> Document:
        own = {"backend_config": {"path": given["locked"]}} if settings.get("backend") else {}
        return {**settings, **own}

    return Case(
        system="terraform", what=what, look=look, planted=planted, right=right, words=words, category=category,
        document=lambda given: suite("deploy", *steps, system=bound(given), deadlines=deadlines),
        files={"infra/main.tf": main, **files}, around=here, backend="tofu",
    )  # fmt: skip


def tool(text: str) -> dict[str, str]:
    """A tool that answers one question wrong, and is the real one for all others."""
    program = tools.path("tofu")
    return {"bin/tofu": f'#!/bin/sh\n{text}\nexec "{program}" "$@"\n'}


BROKEN_JSON = tool('[ "$1" = output ] && echo \'{"nodes":\' && exit 0')
KILLED = tool('[ "$1" = apply ] && kill -9 $$')

CASES = [
    row("nothing", "the whole", "P", WELL),
    row("nothing", "a node is stopped and started", "P", HURT, validate("cluster_status!=running"),
        {"step": "start_node", "target_node": "n12"}, WELL),
    row("the machines are unreachable", "ssh_connectivity", "F", main=BY_SSH, health=None, within=15,
        words="127.0.0.1:1"),
    row("the service is down", "health", "F", command("rm made/n12/up"), validate("health_status[*].service==ok")),
    row("the service is down", "cluster_status", "F", command("rm made/n12/up"), validate("cluster_status")),
    row("the service gives a wrong answer", "health", "F", command("echo ill >made/n12/up"),
        validate("health_status[*].service==ok")),
    row("stop_node stops nothing", "stop_node", "F", HURT, within=15, stop_node=["true"]),
    row("the tool is missing", "deploy", "U", env={"PATH": "/nowhere"}, words="tofu is not on PATH"),
    row("the tool is killed", "deploy", "U", files=KILLED),
    row("somebody holds the lock of the state", "deploy", "U", main=LOCKED, backend="configured", workspace="default",
        words="holds the lock"),
    row("the tool prints broken JSON", "deploy", "U", files=BROKEN_JSON),
    row("the configuration is broken", "deploy", "F", main=MAIN + 'resource "terraform_data" "x" {',
        words="infra/main.tf:"),
    row("the output has no nodes", "deploy", "U", main=NODES_NONE, words="the inventory has no nodes"),
    row("the output has another shape", "deploy", "U", main=SHAPELESS, words="not a mapping with a name"),
    row("apply fails half-way", "deploy", "F", variables={"make": "test $(basename $PWD) != n12"},
        words="local-exec provisioner error"),
    row("apply takes too long", "deploy", "F", variables={"make": "sleep 60"}, timeouts={"apply": 3},
        category="timeout"),
    row("the plan is refused", "deploy", "F", variables={"size": 3}, words="at most two machines are allowed"),
    row("a variable has no value", "deploy", "R", main=MAIN + 'variable "region" {}\n', words="'region' (main.tf:"),
    row("no resource heeds the variable of the power", "stop_node", "U", HURT, power={"variable": "off"},
        stop_node=None, start_node=None, words="the plan changes no resource"),
    row("destroy fails", "the end of the suite", "L", WELL, variables={"unmake": "false"}),
]  # fmt: skip
