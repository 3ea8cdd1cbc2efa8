"""The forms of the older framework work unchanged, and what a system can never answer is refused before the run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.acceptance.harness import Document, Project, only, suite, validate

import seatrial

FUNCTION = """\
import seatrial

@seatrial.check("older")
def older(context):
    return (
        context.get("deploy_dir") == context["deploy_dir"]
        and "deploy_dir" in context and "nothing" not in context
        and context.get("nothing") is None and context.get("nothing", 5) == 5
        and dict(context)["provider"] == "local"
    )
"""


def test_the_keys_values_and_functions_of_older_documents(project: Project) -> None:
    (project.folder / "older.py").write_text(FUNCTION)
    (project.folder / "seatrial.toml").write_text('plugins = ["older.py"]')
    (project.folder / "verify.sh").write_text('#!/bin/sh\ntest -d "$1" && test "$2" = n11\n')
    (project.folder / "verify.sh").chmod(0o755)
    document = suite(
        "deploy",
        {"step": "custom_command", "command": ["test", "a", "=", "a"]},
        {"step": "custom_command", "command": "test a = a | cat"},
        {"step": "custom_command", "script": "verify.sh $deployment_dir n11"},
        validate("health_status[*].ssh==true", "health_status[n11].ssh!=false", "older"),
        parameters={"cluster_size": 1},
    )
    done = project.seatrial("run", project.write("trial.json", document), "--format", "json")
    assert only(json.loads(done.stdout)["results"])["verdict"] == "passed", done.stdout + done.stderr


def test_a_plugin_may_be_named_by_text(project: Project) -> None:
    (project.folder / "older.py").write_text(FUNCTION)
    path = project.write("trial.json", suite(validate("older")))
    plan = seatrial.plan(path, plugins=[str(project.folder / "older.py")], project=project.folder)
    assert len(plan.suites) == 1


COMMAND: Document = {"kind": "command", "deploy": "true", "destroy": "true"}


@pytest.mark.parametrize(
    "step, system, words",
    [
        ({"step": "custom_command", "command": "a", "custom_command": "b"}, None, "exactly one of"),
        ({"step": "custom_command", "script": "missing.sh $deployment_dir"}, None, "'missing.sh' does not exist"),
        (validate("health_status[*].cos_ssh==ok"), None, "never measures the part 'cos_ssh'"),
        (validate("health_status[*].shh!=ok"), None, "did you mean 'ssh'?"),
        (validate("cluster_status==db_ready"), None, "never in the state 'db_ready'"),
        (validate("cluster_status!=db_ready"), None, "did you mean 'database_ready'?"),
        (validate({"check": "health_status", "nodes": "*", "part": "cos"}), None, "the part 'cos'"),
        (validate("health_status[*].db==ok"), COMMAND, "never measures the part 'db'"),
        (validate("health_status[*].db==ok"), {**COMMAND, "health": "true"}, ""),
        (validate("health_status[*].ssh==ok"), {**COMMAND, "inventory": {"file": "i"}}, ""),
        (validate("cluster_status==db_ready"), COMMAND, "never in the state"),
        (validate("cluster_status==db_ready"), {**COMMAND, "status": "true"}, ""),
        (validate("cluster_status==database_ready", "health_status[*].healthy==ok"), None, ""),
    ],
)
def test_what_can_never_be_known_is_refused_before_the_run(
    step: Document, system: Document | None, words: str, project: Project
) -> None:
    more: dict[str, Any] = {"system": system} if system else {}
    document = suite(step, validate("health_status[*].healthy==ok"), **more)
    done = project.seatrial("check", project.write("trial.json", document))
    assert done.returncode == (2 if words else 0), done.stderr
    assert words in done.stderr
    assert not words or "trial.json:1:" in done.stderr
