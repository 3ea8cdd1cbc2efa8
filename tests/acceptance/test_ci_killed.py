"""Killed at any point after the intent of a dispatch, `seatrial clean` cancels or tears down what was started."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.github_project import (
    DEADLINES,
    FILES,
    REPOSITORY,
    TEARDOWN,
    Port,
    dispatching,
    document,
    provisioned,
    scripted,
)
from tests.acceptance.harness import Document, Lister, Project, assert_clean_leaves_nothing, killed_at_record
from tests.acceptance.test_ci_fifty import SILENT as SILENT_WORD
from tests.acceptance.test_ci_fifty import WORD

from seatrial_stand_ins.github import (
    ForeignRuns,
    GitHubServer,
    LateRuns,
    QueuedForEver,
    RunsForEver,
    Script,
    ServerErrors,
)

QUICK = {**DEADLINES, "visible": 3, "settle": 1}


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    with GitHubServer(scripted(), check_answers=False) as server:
        yield server


def stands(server: GitHubServer, repository: str, _: object) -> list[str]:
    """Runs that go on, and deployments that were made and not torn down after."""
    runs = server.runs(repository)
    found = [f"{run.workflow.path} {run.run_id} is {run.status}" for run in runs if run.status != "completed"]
    last = ""
    for run in runs:
        name = run.workflow.path.rpartition("/")[2]
        did = run.conclusion == "success" or any(job.started_at for job in run.last.jobs)
        if name == "deploy.yml" and did:
            last = f"what run {run.run_id} deployed"
        elif name == "teardown.yml" and run.conclusion == "success":
            last = ""
    return [*found, last] if last else found


def quick(*steps: Document | str, **more: Any) -> Document:
    return document(*steps, deploy={"deadlines": QUICK}, teardown={"deadlines": QUICK}, **more)


POINTS = [
    ("after", 4),  # the intent is written, nothing was asked for
    ("before", 5),  # it was asked for, and its id is not written
    ("after", 5),
    ("before", 6),  # it was torn down, and that is not written
    ("after", 6),
]


@pytest.mark.slow
@pytest.mark.table
@pytest.mark.parametrize(
    ("details", "when", "record"), [*(("offered", *point) for point in POINTS), ("ignored", *POINTS[1])]
)
def test_killed_at_any_record_nothing_stands_after_clean(details: Any, when: str, record: int, tmp_path: Path) -> None:
    with GitHubServer(scripted(), run_details=details, check_answers=False) as server:
        server.add_repository(REPOSITORY, files=FILES)
        port = Port(tmp_path, server)
        path = port.write("trial.json", quick("deploy"))
        assert killed_at_record(port, path, record, when=when), "it was not killed"
        left: list[Lister] = [Project.left, partial(stands, server, REPOSITORY)]
        assert_clean_leaves_nothing(port, left, "killed")
        torn = [run for run in server.runs(REPOSITORY) if run.workflow.path.endswith("teardown.yml")]
        assert len(torn) == (0 if (when, record) == ("after", 4) else 1), torn
        assert server.token not in port.told()


def killed_when(port: Port, told: Document, server: GitHubServer, status: str, workflow: str = "deploy.yml") -> None:
    """SIGKILL as soon as a run of the workflow has this status."""
    process = port.start("run", port.write("trial.json", told), "--format", "none", stderr=subprocess.DEVNULL)
    server.wait_for(lambda: [run for run in server.runs(REPOSITORY, workflow) if run.status == status])
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize(
    ("fault", "status", "torn"), [(RunsForEver(), "in_progress", 1), (QueuedForEver(), "queued", 0)]
)
def test_a_run_that_goes_on_is_cancelled_and_what_it_began_is_torn_down(
    fault: Any, status: str, torn: int, tmp_path: Path
) -> None:
    with GitHubServer(scripted(), check_answers=False) as server:
        server.add_repository(REPOSITORY, files=FILES)
        planted = server.plant(fault)
        port = Port(tmp_path, server)
        killed_when(port, quick("deploy"), server, status)
        planted.remove()
        assert_clean_leaves_nothing(port, [Project.left, partial(stands, server, REPOSITORY)], "killed")
        assert [run.conclusion for run in server.runs(REPOSITORY, "deploy.yml")] == ["cancelled"]
        assert len(server.runs(REPOSITORY, "teardown.yml")) == torn


def test_a_clean_that_is_killed_while_it_tears_down_is_taken_up_by_the_next(tmp_path: Path) -> None:
    scripts = {"deploy": Script(artifacts=provisioned), "teardown": Script(ends=False)}
    runner = scripted(**scripts)
    with GitHubServer(runner, check_answers=False) as server:
        server.add_repository(REPOSITORY, files=FILES)
        port = Port(tmp_path, server)
        killed_when(port, quick("deploy"), server, "in_progress", "teardown.yml")
        (going,) = server.runs(REPOSITORY, "teardown.yml")
        before = len(server.requests)
        process = port.start("clean")
        server.wait_for(lambda: [one for one in server.requests[before:] if one.path.endswith(f"/{going.run_id}")])
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert len(server.runs(REPOSITORY, "teardown.yml")) == 1, (
            "it followed the one that went on, and started no other"
        )
        server.cancel(going)
        runner.scripts["teardown.yml"] = Script()  # type: ignore[index]
        assert_clean_leaves_nothing(port, [Project.left, partial(stands, server, REPOSITORY)], "killed twice")


@pytest.mark.parametrize("by", ["name", "age"])
def test_a_dispatched_workflow_is_found_by_its_name_or_its_age_and_cancelled(by: str, tmp_path: Path) -> None:
    files = {".github/workflows/deploy.yml": WORD if by == "name" else SILENT_WORD}
    with GitHubServer(scripted(deploy=Script(ends=False)), run_details="ignored", check_answers=False) as server:
        server.add_repository(REPOSITORY, files=files)
        server.plant(ForeignRuns(actor="grace", inputs={"word": "foreign"}))
        port = Port(tmp_path, server)
        step = dispatching(deadlines=QUICK, inputs={"word": "ours"})
        told = {"test_suites": {"trial": {"provider": "local", "workflow": [step]}}}
        process = port.start("run", port.write("trial.json", told), "--format", "none")
        server.wait_for(lambda: [run for run in server.runs(REPOSITORY) if run.actor == "ada"])
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert_clean_leaves_nothing(port, [Project.left], f"killed, by {by}")
        assert {run.actor: run.conclusion for run in server.runs(REPOSITORY)} == {"ada": "cancelled", "grace": None}


def test_a_deployment_that_cannot_be_told_from_others_is_said_and_not_touched(tmp_path: Path) -> None:
    silent = {**FILES, ".github/workflows/deploy.yml": SILENT_WORD.replace("required: true", "default: ours")}
    with GitHubServer(scripted(), run_details="ignored", check_answers=False) as server:
        server.add_repository(REPOSITORY, files=silent)
        server.plant(ForeignRuns(actor="same"))
        row = Port(tmp_path, server).verdict(quick("deploy"))
        assert (row.verdict, row.code) == ("unknown", 3)
        assert "none is followed" in row.error
        cleaned = Port(tmp_path, server).seatrial("clean")
        assert cleaned.returncode == 4
        assert "could be the run started by this trial" in cleaned.stdout
        assert server.runs(REPOSITORY, "teardown.yml") == []


def test_clean_sits_out_faults_of_the_server_and_runs_that_are_late(server: GitHubServer, tmp_path: Path) -> None:
    server.add_repository(REPOSITORY, files=FILES)
    port = Port(tmp_path, server)
    server.plant(LateRuns(seconds=0.5))
    assert killed_at_record(port, port.write("trial.json", quick("deploy")), 5, when="before")
    server.plant(ServerErrors(times=2))
    assert_clean_leaves_nothing(port, [Project.left, partial(stands, server, REPOSITORY)], "killed")
    assert [run.conclusion for run in server.runs(REPOSITORY)] == ["success", "success"]


def test_clean_without_a_token_says_what_it_needs_and_keeps_the_record(server: GitHubServer, tmp_path: Path) -> None:
    server.add_repository(REPOSITORY, files=FILES)
    port = Port(tmp_path, server)
    assert killed_at_record(port, port.write("trial.json", quick("deploy")), 5, when="after")
    bare = {name: value for name, value in port.environment.items() if name != "GH_TOKEN"}
    cleaned = port.seatrial("clean", env={**bare, "GH_CONFIG_DIR": str(tmp_path / "none")})
    assert cleaned.returncode == 4
    assert "set GH_TOKEN or GITHUB_TOKEN" in cleaned.stdout
    assert_clean_leaves_nothing(port, [Project.left, partial(stands, server, REPOSITORY)], "with a token")


def test_secrets_of_the_document_are_in_no_file_and_clean_finds_them_in_the_environment(tmp_path: Path) -> None:
    asking = TEARDOWN.replace(
        "      correlation_id:", "      password: {type: string, required: true}\n      correlation_id:"
    )
    leaking = Script(
        artifacts={"provision-output": {"out.json": {"web_ip": "127.0.0.1", "password": "pass-w0rd-of-db"}}}
    )
    with GitHubServer(scripted(deploy=leaking), check_answers=False) as server:
        server.add_repository(REPOSITORY, files={**FILES, ".github/workflows/teardown.yml": asking})
        secret = {"DEPLOY_TOKEN": server.token, "DB_PASSWORD": "pass-w0rd-of-db"}
        port = Port(tmp_path, server, token="not-the-token", more=secret)
        told = document(
            "deploy",
            deploy={"deadlines": QUICK},
            teardown={"deadlines": QUICK, "inputs": {"password": "${{ secrets.DB_PASSWORD }}"}},
            token="${{ secrets.DEPLOY_TOKEN }}",
        )
        assert killed_at_record(port, port.write("trial.json", told), 5, when="after")
        (ledger,) = port.folder.glob(".seatrial/ledger/*.jsonl")
        assert "${{ secrets.DEPLOY_TOKEN }}" in ledger.read_text()
        bare = {name: value for name, value in port.environment.items() if name != "DB_PASSWORD"}
        cleaned = port.seatrial("clean", env=bare)
        assert cleaned.returncode == 4
        assert "the environment variable DB_PASSWORD is needed for the clean-up" in cleaned.stdout
        assert_clean_leaves_nothing(port, [Project.left, partial(stands, server, REPOSITORY)], "with its secrets")
        (torn,) = server.runs(REPOSITORY, "teardown.yml")
        assert torn.inputs["password"] == "pass-w0rd-of-db"
        row = port.verdict(told)
        assert row.verdict == "passed", row
        written = port.told() + row.stderr + cleaned.stdout
        assert [one for one in secret.values() if one in written] == []
        assert '"password": "***"' in written, "what was fetched is kept, without the secret"
