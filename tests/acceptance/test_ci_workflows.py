"""The real command against workflows that go wrong in every way that they can: each has its verdict and category."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.github_cases import CASES
from tests.acceptance.github_project import (
    DEADLINES,
    DEPLOY,
    FILES,
    REPOSITORY,
    Fleet,
    Port,
    artifacts,
    dispatching,
    document,
    provisioned,
    scripted,
)
from tests.acceptance.harness import Document, until

from seatrial_stand_ins.github import (
    Fails,
    Gate,
    GitHubServer,
    LateRefs,
    LateRuns,
    RunsForEver,
    Script,
    ServerErrors,
)


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    with GitHubServer(scripted()) as server:
        server.add_repository(REPOSITORY, files=FILES)
        yield server


@pytest.fixture
def port(server: GitHubServer, tmp_path: Path) -> Port:
    return Port(tmp_path, server)


WANTED = '127.0.0.1 127.0.0.3 ["web", "worker1", "worker2"]'


def conclusions(server: GitHubServer, workflow: str = "deploy.yml") -> list[str | None]:
    return [run.conclusion for run in server.runs(REPOSITORY, workflow)]


def test_what_the_workflow_leaves_becomes_outputs_and_nodes_and_the_teardown_runs(
    server: GitHubServer, port: Port
) -> None:
    nodes = {"web": "${{ outputs.web_ip }}", "worker": "${{ outputs.worker_ips }}", "db": "${{ outputs.db_ip }}"}
    said = "${{ steps.deploy.outputs.web_ip }} ${{ nodes.worker2.address }} ${{ steps.deploy.outputs.nodes }}"
    check = {"step": "custom_command", "custom_command": ["test", said, "=", WANTED]}
    deploy = {"inputs": {"workers": "${{ parameters.workers }}", "size": "large"}}
    told = document("init", "deploy", check, nodes=nodes, deploy=deploy)
    told["test_suites"]["trial"]["parameters"] = {"workers": 2}
    row = port.verdict(told)
    assert row.verdict == "passed", row
    assert conclusions(server) == ["success"]
    assert conclusions(server, "teardown.yml") == ["success"]
    (file,) = [one for one in artifacts(port) if one.suffix == ".json"]
    assert json.loads(file.read_text())["worker_ips"] == ["127.0.0.2", "127.0.0.3"]
    assert json.loads(file.read_text())["size"] == "large"
    assert port.left() == []


def wrong_in(name: str, row: dict[str, Any], fleet: Fleet) -> Iterator[str]:
    """What of a suite is not as it has to be."""
    case = CASES[name]
    if (row["verdict"], row["category"] or "") != (case.verdict, case.category):
        yield f"{row['verdict']} {row['category']}: {row['error']}"
    if not re.search(case.said, row["error"] or ""):
        yield f"it says: {row['error']}"
    if None in fleet.runs(name):
        yield "a run goes on"
    if fleet.runs(name, "teardown.yml") != list(case.torn_down):
        yield f"torn down: {fleet.runs(name, 'teardown.yml')}"
    if not all(planted.happened for planted in fleet.planted[name]):
        yield "the plant did nothing"
    if case.verdict == "passed" and fleet.runs(name) != ["success"]:
        yield f"its runs: {fleet.runs(name)}"


@pytest.mark.slow
def test_each_fault_has_its_verdict_its_category_and_its_reason(tmp_path: Path) -> None:
    with GitHubServer(scripted()) as server:
        fleet, port = Fleet(server, CASES), Port(tmp_path / "project", server)
        port.folder.mkdir()
        done = port.seatrial("run", port.write("fleet.json", fleet.document()), "--parallel", 10, timeout=400)
        rows = {row["name"]: row for row in port.results()["results"]}
        found = {name: [*wrong_in(name, rows[name], fleet)] for name in CASES}
    assert {name: what for name, what in found.items() if what} == {}
    assert done.returncode == 1
    assert port.left() == []
    assert not list(tmp_path.rglob("evil.json"))
    assert server.token not in port.told() + done.stdout + done.stderr


def test_a_failed_job_leaves_its_log_and_its_last_lines(server: GitHubServer, port: Port) -> None:
    server.plant(Fails("deploy.yml", job="app", step="Deploy the app", message="kamal: no route to host"))
    row = port.verdict(document("deploy"))
    assert "kamal: no route to host" in row.evidence
    assert f"{server.site}/{REPOSITORY}/actions/runs/" in row.error
    (log,) = [one for one in artifacts(port) if one.suffix == ".log"]
    assert log.name.startswith("app-")
    assert "kamal: no route to host" in log.read_text()


def test_a_run_that_is_followed_has_its_link_and_its_jobs_in_the_console_and_the_log(tmp_path: Path) -> None:
    gate = Gate()
    with GitHubServer(scripted(deploy=Script(gate=gate, artifacts=provisioned)), check_answers=False) as server:
        server.add_repository(REPOSITORY, files=FILES)
        port = Port(tmp_path, server)
        path, out = port.write("trial.json", document("deploy")), tmp_path / "out"
        with out.open("w") as file:
            process = port.start("run", path, "--format", "plain", stdout=file)
            link = f"{server.site}/{REPOSITORY}/actions/runs/"
            until(lambda: link in out.read_text(), "the link of the run that goes on")
            assert process.poll() is None
            gate.open()
            process.communicate(timeout=300)
        (log,) = port.folder.glob(".seatrial/runs/*/*/test.log")
        for text in (out.read_text(), log.read_text()):
            assert link in text
            assert "job 'provision' ended: success" in text or "job 'app' ended: success" in text


def test_a_run_that_is_shown_late_is_waited_for(server: GitHubServer, port: Port) -> None:
    server.plant(LateRuns(seconds=0.8, by_id=True))
    row = port.verdict(document("deploy"))
    assert row.verdict == "passed", row
    assert conclusions(server) == ["success"]


@pytest.mark.parametrize("details", ["offered", "ignored"])
def test_a_dispatch_without_an_answer_is_not_sent_again_while_its_run_may_appear(details: Any, tmp_path: Path) -> None:
    with GitHubServer(scripted(), run_details=details, check_answers=False) as server:
        server.add_repository(REPOSITORY, files=FILES)
        server.plant(ServerErrors("deploy.yml/dispatches", times=1, after_effect=True))
        server.plant(LateRuns(seconds=3, times=1))
        row = Port(tmp_path, server).verdict(document("deploy"))
        assert row.verdict == "passed", row
        assert conclusions(server) == ["success"]


@pytest.mark.parametrize(
    ("rights", "said"),
    [
        ({"actions": "read", "contents": "read"}, "the token needs the right `actions"),
        ({"actions": "write"}, "the token needs the right `contents"),
    ],
)
def test_a_token_without_rights_is_told_which_it_lacks(
    rights: dict[str, str], said: str, server: GitHubServer, port: Port
) -> None:
    token = server.add_token("ada", permissions=rights)
    row = Port(port.folder, server, token).verdict(document("deploy"))
    assert (row.verdict, row.category, row.code) == ("unknown", "infrastructure", 3)
    assert said in row.error, row.error
    assert server.runs(REPOSITORY) == []
    assert token not in port.told() + row.stderr


@pytest.mark.parametrize("keys", [{"deadlines": {"deploy": 6}}, {"timeout": 6}])
def test_a_deadline_while_the_forge_does_not_answer_is_not_the_products(
    keys: dict[str, Any], server: GitHubServer, port: Port
) -> None:
    server.plant(ServerErrors(times=None))
    told = document("deploy")
    told["test_suites"]["trial"] |= {name: value for name, value in keys.items() if name == "deadlines"}
    told["test_suites"]["trial"]["workflow"][0] |= {name: value for name, value in keys.items() if name == "timeout"}
    row = port.verdict(told)
    assert row.verdict == "unknown", row
    assert "GitHub could not be asked" in row.error


def test_a_token_that_is_known_no_more_is_said(server: GitHubServer, port: Port) -> None:
    token = server.add_token("ada")
    server.revoke(token)
    row = Port(port.folder, server, token).verdict(document("deploy"))
    assert (row.verdict, row.category) == ("unknown", "infrastructure")
    assert "the token is not valid, or no longer" in row.error


def test_a_teardown_that_fails_is_red_by_itself(server: GitHubServer, port: Port) -> None:
    planted = server.plant(Fails("teardown.yml", message="the VM is still there"))
    row = port.verdict(document("deploy"))
    assert row.code == 4, row
    assert "the VM is still there" in port.told()
    cleaned = port.seatrial("clean")
    assert cleaned.returncode == 4, cleaned.stdout
    planted.remove()
    cleaned = port.seatrial("clean")
    assert cleaned.returncode == 0, cleaned.stdout
    assert conclusions(server, "teardown.yml") == ["failure", "failure", "success"]
    assert port.left() == []


def test_destroy_tears_down_once_and_its_failure_is_the_products(server: GitHubServer, port: Port) -> None:
    server.plant(Fails("teardown.yml", message="the VM is still there", times=1))
    row = port.verdict(document("deploy", "destroy"))
    assert (row.verdict, row.category) == ("failed", "product")
    assert "the VM is still there" in row.error
    assert conclusions(server, "teardown.yml") == ["failure", "success"]  # the end of the suite tried again
    row = port.verdict(document("deploy", "destroy"))
    assert row.verdict == "passed", row
    assert conclusions(server, "teardown.yml") == ["failure", "success", "success"]


# Whose deployment it is


def test_a_deployment_that_no_trial_made_is_neither_replaced_nor_torn_down(server: GitHubServer, port: Port) -> None:
    run = server.dispatch(REPOSITORY, "deploy.yml", actor="grace")
    server.wait_for(lambda: run.status == "completed")
    row = port.verdict(document("init", "deploy", teardown={"before": True}))
    assert (row.verdict, row.category, row.code) == ("unknown", "infrastructure", 3)
    assert f"run {run.run_id}" in row.error
    assert "started by grace" in row.error
    assert "replace_existing: true" in row.error
    assert len(server.runs(REPOSITORY)) == 1
    row = port.verdict(document("deploy", teardown={"before": True}, replace_existing=True))
    assert row.verdict == "passed", row
    assert [one.workflow.path.rpartition("/")[2] for one in server.runs(REPOSITORY)] == [
        "deploy.yml", "teardown.yml", "deploy.yml", "teardown.yml"
    ]  # fmt: skip


def test_a_deployment_of_ours_that_was_left_is_known_again(server: GitHubServer, port: Port) -> None:
    planted = server.plant(Fails("teardown.yml"))
    assert port.verdict(document("deploy")).code == 4
    planted.remove()
    for file in port.folder.glob(".seatrial/ledger/*"):
        file.unlink()  # the ledger is lost, and with it whose the deployment is; the history is not
    for lease in (port.folder / "xdg").rglob("*.yml"):
        lease.unlink()
    row = port.verdict(document("deploy", teardown={"before": True}))
    assert row.verdict == "passed", row
    assert "a deployment of the trial" in port.told()


def test_what_others_deployed_over_ours_is_left_to_them(server: GitHubServer, port: Port) -> None:
    over = {"step": "custom_command", "custom_command": "touch deployed; while [ ! -e go ]; do sleep 0.02; done"}
    process = port.start("run", port.write("trial.json", document("deploy", over)), "--format", "none")
    until((port.folder / "deployed").exists, "the deployment")
    run = server.dispatch(REPOSITORY, "deploy.yml", actor="grace")
    server.wait_for(lambda: run.status == "completed")
    (port.folder / "go").touch()
    process.communicate(timeout=300)
    assert process.returncode == 4
    assert "deployed over this run's deployment" in port.told()
    assert conclusions(server, "teardown.yml") == []


def test_what_others_deploy_while_our_clean_slate_is_made_is_left_to_them(tmp_path: Path) -> None:
    gate = Gate()
    with GitHubServer(scripted(teardown=Script(gate=gate)), check_answers=False) as server:
        server.add_repository(REPOSITORY, files=FILES)
        port = Port(tmp_path, server)
        told = document("deploy", teardown={"before": True})
        process = port.start("run", port.write("trial.json", told), "--format", "none")
        server.wait_for(lambda: [run for run in server.runs(REPOSITORY, "teardown.yml") if run.status == "in_progress"])
        server.dispatch(REPOSITORY, "deploy.yml", actor="grace")
        gate.open()
        process.communicate(timeout=300)
        assert process.returncode == 3
        assert "started by grace" in port.told()
        assert [run.actor for run in server.runs(REPOSITORY, "deploy.yml")] == ["grace"]


def test_a_command_can_say_what_stands(server: GitHubServer, port: Port) -> None:
    told = document("deploy", standing={"command": "echo production of grace, since Tuesday"})
    row = port.verdict(told)
    assert (row.verdict, row.code) == ("unknown", 3)
    assert "production of grace, since Tuesday" in row.error
    assert port.verdict(document("deploy", standing={"command": ["true"]})).verdict == "passed"
    row = port.verdict(document("deploy", standing={"command": "echo no cloud >&2; exit 7"}))
    assert (row.verdict, "ended with exit code 7: no cloud" in row.error) == ("unknown", True)


# Interrupted, killed


def test_ctrl_c_cancels_the_run_and_tears_down(server: GitHubServer, port: Port) -> None:
    server.plant(RunsForEver("deploy.yml"))
    process = port.start("run", port.write("trial.json", document("deploy")), "--format", "none")
    server.wait_for(lambda: [run for run in server.runs(REPOSITORY) if run.status == "in_progress"])
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 130
    assert conclusions(server) == ["cancelled"]
    assert conclusions(server, "teardown.yml") == ["success"]
    assert port.left() == []


# At plan time


def wrong(*steps: Document | str, **more: Any) -> Document:
    return document(*steps, **more)


@pytest.fixture
def checkout(port: Port) -> Path:
    """The project's folder is a checkout of the repository."""
    import subprocess

    for path, text in FILES.items():
        (port.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (port.folder / path).write_text(text)
    commands: Sequence[Sequence[str]] = [
        ["init", "-q", "-b", "main"],
        ["remote", "add", "origin", f"https://github.com/{REPOSITORY}.git"],
        ["add", ".github"],
        ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "first"],
    ]
    for command in commands:
        subprocess.run(["git", "-C", str(port.folder), *command], check=True)
    return port.folder


def test_wrong_inputs_are_found_when_the_document_is_read(port: Port, checkout: Path) -> None:
    deploy = {"inputs": {"worker": 2, "size": "huge", "workers": "${{ parameters.workers }}"}}
    told = document("deploy", dispatching(workflow="deplay.yml"), deploy=deploy, token="ghp_literal")
    told["test_suites"]["trial"]["parameters"] = {"workers": "many"}
    path = port.folder / "trial.json"
    path.write_text(json.dumps(told, indent=1))
    done = port.seatrial("check", path)
    assert done.returncode == 2
    lines = path.read_text().splitlines()
    at = {name: number for number, line in enumerate(lines, 1) for name in ("worker", "size") if f'"{name}":' in line}
    text = done.stdout + done.stderr
    assert re.search(rf":{at['worker']}:\d+: .*there is no input 'worker'\n\s+did you mean 'workers'", text), text
    assert re.search(rf":{at['size']}:\d+: .*'size' is not one of its options", text), text
    assert "the input 'workers' is a number, not 'many'" in text
    assert "there is no .github/workflows/deplay.yml at main" in text
    assert "did you mean 'deploy.yml'?" in text
    assert "a token does not belong into a document" in text
    assert port.server.requests == []


def test_a_run_that_would_wait_for_itself_is_refused(port: Port, checkout: Path) -> None:
    ours = DEPLOY.replace("name: Deploy\n", "name: E2E\n").replace("run-name", "# run-name")
    (checkout / ".github/workflows/e2e.yml").write_text(ours)
    inside = {
        "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_JOB": "app", "GITHUB_REF_NAME": "main",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_WORKFLOW_REF": f"{REPOSITORY}/.github/workflows/e2e.yml@refs/heads/main",
    }  # fmt: skip
    done = Port(port.folder, port.server, more=inside).seatrial("check", port.write("trial.json", document("deploy")))
    assert done.returncode == 2, done.stdout
    assert "would wait for ever: it asks for the concurrency group 'deploy-acme/notes'" in done.stdout + done.stderr
    assert "rename one of the groups" in done.stdout + done.stderr
    assert port.seatrial("check", port.folder / "trial.json").returncode == 0


# Pushed, and visible


def test_a_pushed_commit_is_waited_for_and_one_that_is_not_is_said(
    server: GitHubServer, port: Port, checkout: Path
) -> None:
    row = port.verdict(document("deploy"))
    assert row.verdict == "passed", row
    assert "was not pushed to main" in port.told()


def test_a_branch_that_is_late_is_waited_for(server: GitHubServer, port: Port) -> None:
    repository = server._forge.repositories[REPOSITORY]
    server.plant(LateRefs(looks=2))
    repository.commit({"new.txt": "new"}, branch="feature")
    told = document("deploy", ref="feature")
    row = port.verdict(told)
    assert row.verdict == "passed", row
    row = port.verdict(document("deploy", ref="nowhere", deploy={"deadlines": {**DEADLINES, "visible": 0.5}}))
    assert (row.verdict, "has no 'nowhere' that the API shows" in row.error) == ("unknown", True), row
