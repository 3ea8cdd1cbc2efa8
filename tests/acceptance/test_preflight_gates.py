"""What stands before a commit and before a deploy: the hook for pre-commit, and the workflows of the example."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.acceptance.harness import Project

from seatrial.links.forge.workflows.reading import read_workflow
from seatrial.links.forge.workflows.workflow import Workflow
from seatrial_stand_ins.github import GitHubServer
from seatrial_stand_ins.github.runner import WorkflowRunner

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLE = CHECKOUT / "examples" / "preflight-ci"
COMMAND = "seatrial preflight"


def workflow(name: str) -> Workflow:
    place = f".github/workflows/{name}.yml"
    return read_workflow((EXAMPLE / place).read_text(), place)


def hook() -> dict[str, Any]:
    hooks = yaml.safe_load((CHECKOUT / ".pre-commit-hooks.yaml").read_text())
    (found,) = [one for one in hooks if one["id"] == "seatrial-preflight"]
    return dict(found)


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_the_deploy_is_gated_by_the_command_and_runs_it_once() -> None:
    validate, deploy = workflow("validate"), workflow("deploy")
    assert validate.call is not None
    steps = [step.run for job in (*validate.jobs.values(), *deploy.jobs.values()) for step in job.steps]
    assert steps.count(COMMAND) == 1
    gate, job = deploy.jobs["preflight"], deploy.jobs["deploy"]
    assert gate.uses == "./.github/workflows/validate.yml"
    assert job.needs == ("preflight",)
    for one in (gate, job, *validate.jobs.values()):
        assert not one.condition, "a condition of its own would let it run without the gate"
        assert not one.continue_on_error
    assert not any(step.continue_on_error or step.condition for one in validate.jobs.values() for step in one.steps)
    assert set(validate.triggers) == {"pull_request", "workflow_call"}, "a push would run it beside the deploy's own"
    assert "pull_request" not in deploy.triggers


@pytest.mark.slow
@pytest.mark.parametrize("planted", [False, True])
def test_a_deploy_begins_only_when_the_checks_of_the_same_commit_passed(tmp_path: Path, planted: bool) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".seatrial", "__pycache__"))
    if planted:
        (folder / "shop" / "prices.py").write_text("def gross(net, percent=19):\n    return net\n")
    runner = WorkflowRunner(
        folder=tmp_path / "jobs",
        environment={
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "SEATRIAL_CACHE_DIR": str(tmp_path / "cache"),
            "PIP_NO_INDEX": "1",  # it is there already
        },
        tools=[Path(sys.executable).parent],
    )
    with GitHubServer(runner) as server:
        server.add_repository("acme/shop", folder)
        run = server.dispatch("acme/shop", "deploy.yml")
        server.wait_for(lambda: run.last.status == "completed", timeout=300)
        jobs = {job.key: job for job in run.last.jobs}
        told = "\n".join(line for job in run.last.jobs for step in job.steps for line in step.lines)
    deploy = next(job for key, job in jobs.items() if key == "deploy")
    assert run.last.conclusion == ("failure" if planted else "success"), told
    assert deploy.conclusion == ("skipped" if planted else "success"), told
    assert (f"deployed {run.sha[:7]}" in told) is not planted
    assert ("Ready to deploy!" in told) is not planted
    if planted:
        assert "tests/test_prices.py" in told


def test_the_hook_is_one_that_pre_commit_takes() -> None:
    made = hook()
    assert made["language"] == "python", "pre-commit installs this checkout, and with it the command"
    assert made["pass_filenames"] is False, "the pipeline says which files count"
    assert made["always_run"] is True
    assert shlex.split(made["entry"])[:2] == COMMAND.split()
    page = (CHECKOUT / "docs" / "guides" / "preflight.md").read_text()
    assert "id: seatrial-preflight" in page


def test_the_hook_keeps_back_a_commit_whose_checks_fail(tmp_path: Path) -> None:
    project = Project(tmp_path / "shop")
    shutil.copytree(EXAMPLE, project.folder, ignore=shutil.ignore_patterns(".seatrial", "__pycache__"))
    git(project.folder, "init", "--initial-branch", "main")
    git(project.folder, "add", "--all")
    # As pre-commit has it: the words of the entry, in the top folder, and what git tells its hooks.
    script = project.folder / ".git" / "hooks" / "pre-commit"
    script.write_text(f"#!/bin/sh\nexec {hook()['entry']} >../said 2>&1\n")
    script.chmod(0o755)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**project.environment, "PATH": path, "SEATRIAL_CACHE_DIR": str(project.folder.parent / "cache")}

    def commit() -> int:
        words = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--all", "--message", "x"]
        return subprocess.run(words, cwd=project.folder, env=environment, capture_output=True, check=False).returncode

    assert commit() == 0, (project.folder.parent / "said").read_text()
    with (project.folder / "shop" / "prices.py").open("a") as file:
        file.write("\ndef (:\n")
    assert commit() != 0
    said = (project.folder.parent / "said").read_text()
    assert said.startswith("FAILED exit=1 ")
    assert "failed quality/syntax" in said
    assert "again: seatrial preflight --only quality/syntax" in said
    assert project.left() == []
