"""The real command with several deployments in one trial, and with workflows that deploy to several environments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.github_project import DEADLINES, DEPLOY, FILES, REPOSITORY, TEARDOWN, Port, document, scripted
from tests.acceptance.harness import Document, until

from seatrial_stand_ins.github import Answers, Fails, GitHubServer, QueuedForEver
from seatrial_stand_ins.github.plants import Plant

PATHS = (".github/workflows/deploy.yml", ".github/workflows/teardown.yml")


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    with GitHubServer(scripted(), check_answers=False) as server:
        server.add_repository(REPOSITORY, files=FILES)
        yield server


@pytest.fixture
def port(server: GitHubServer, tmp_path: Path) -> Port:
    return Port(tmp_path, server)


def with_input(text: str, shown: str = "") -> str:
    """A workflow with the input `place`; `shown`: how its name shows it."""
    text = text.replace("    inputs:\n", '    inputs:\n      place: {type: string, default: ""}\n')
    return text.replace("run-name: Deploy ", f"run-name: Deploy {shown}").replace(
        "run-name: Teardown ", f"run-name: Teardown {shown}"
    )


def places(server: GitHubServer, shown: str = "to ${{ inputs.place }} ") -> None:
    """The repository's workflows deploy to the place they are told."""
    texts = (with_input(DEPLOY, shown), with_input(TEARDOWN, shown))
    server._forge.repositories[REPOSITORY].commit(dict(zip(PATHS, texts, strict=True)))


def runs(server: GitHubServer) -> list[tuple[str, str, str | None]]:
    """Every run: its workflow, its place and its end."""
    return [
        (run.workflow.path.rpartition("/")[2].partition(".")[0], str(run.inputs.get("place") or ""), run.conclusion)
        for run in server.runs(REPOSITORY)
    ]


def quick(*steps: Document | str, **more: Any) -> Document:
    deadlines = {**DEADLINES, "visible": 2, **more.pop("deadlines", {})}
    deploy = {"deadlines": deadlines, **more.pop("deploy", {})}
    return document(*steps, deploy=deploy, **more)


def at(place: str, **more: Any) -> dict[str, Any]:
    """The settings for a deployment to one place."""
    given = {"inputs": {"place": place}}
    return {"deploy": {**given, **more.pop("deploy", {})}, "teardown": {**given, **more.pop("teardown", {})}, **more}


# Several deployments of one trial

NORTH_SOUTH: Sequence[Document | str] = (
    {"step": "set", "values": {"place": "north"}},
    "deploy",
    {"step": "set", "values": {"place": "south"}},
    "deploy",
)


@pytest.mark.parametrize("plant", [Answers(403, "deploy.yml/dispatches"), QueuedForEver("deploy.yml")])
def test_a_deployment_is_torn_down_though_the_next_one_never_began(
    plant: Plant, server: GitHubServer, port: Port
) -> None:
    gate = {"step": "custom_command", "custom_command": "touch deployed; while [ ! -e go ]; do sleep 0.02; done"}
    process = port.start(
        "run", port.write("trial.json", quick("deploy", gate, "deploy", deadlines={"queue": 6})), "--format", "none"
    )
    until((port.folder / "deployed").exists, "the deployment")
    server.plant(plant)
    (port.folder / "go").touch()
    process.communicate(timeout=300)
    assert process.returncode == 3
    assert ("teardown", "", "success") in runs(server), runs(server)
    assert port.left() == []
    assert port.seatrial("clean").returncode == 0


def test_a_teardown_that_fails_keeps_the_record_of_its_own_deployment_only(server: GitHubServer, port: Port) -> None:
    places(server)
    told = quick(*NORTH_SOUTH, **at("${{ vars.place }}"))
    planted = server.plant(Fails("teardown.yml", message="the VM is still there", times=1))
    assert port.verdict(told).code == 4
    assert planted.happened == 1
    torn = [run for run in runs(server) if run[0] == "teardown"]
    assert torn == [("teardown", "south", "failure"), ("teardown", "north", "success")]
    assert port.seatrial("clean").returncode == 0
    assert runs(server)[-1] == ("teardown", "south", "success")
    assert port.left() == []


def test_each_deployment_is_torn_down_with_its_own_inputs(server: GitHubServer, port: Port) -> None:
    places(server, shown="")
    row = port.verdict(quick(*NORTH_SOUTH, "destroy", **at("${{ vars.place }}")))
    assert row.verdict == "passed", row
    assert runs(server) == [
        ("deploy", "north", "success"), ("deploy", "south", "success"),
        ("teardown", "south", "success"), ("teardown", "north", "success"),
    ]  # fmt: skip
    assert port.left() == []


def test_two_deployments_to_one_place_are_torn_down_once(server: GitHubServer, port: Port) -> None:
    places(server, shown="")
    row = port.verdict(quick("deploy", "deploy", "destroy", **at("north", teardown={"before": True})))
    assert row.verdict == "passed", row
    assert [run[0] for run in runs(server)] == ["teardown", "deploy", "deploy", "teardown"]


def test_killed_after_two_deployments_both_are_torn_down(server: GitHubServer, port: Port) -> None:
    places(server)
    wait = {"step": "custom_command", "custom_command": "touch deployed; sleep 600"}
    process = port.start(
        "run", port.write("trial.json", quick(*NORTH_SOUTH, wait, **at("${{ vars.place }}"))), "--format", "none"
    )
    until((port.folder / "deployed").exists, "the deployment")
    process.kill()
    process.communicate()
    assert port.seatrial("clean").returncode == 0
    torn = {run for run in runs(server) if run[0] == "teardown"}
    assert torn == {("teardown", "north", "success"), ("teardown", "south", "success")}
    assert port.left() == []


# Several environments


def over(server: GitHubServer, workflow: str, place: str) -> None:
    run = server.dispatch(REPOSITORY, workflow, inputs={"place": place}, actor="grace")
    server.wait_for(lambda: run.status == "completed")


def test_without_a_name_for_the_environment_another_teardown_proves_nothing(server: GitHubServer, port: Port) -> None:
    places(server)
    over(server, "deploy.yml", "production")
    over(server, "teardown.yml", "staging")
    row = port.verdict(quick("deploy", **at("production")))
    assert (row.verdict, row.category, row.code) == ("unknown", "infrastructure", 3), row
    assert "does not tell whether a deployment" in row.error
    assert "the teardown has `place`" in row.error
    assert "`environment:`" in row.error
    assert "`standing:" in row.error
    assert "replace_existing" not in row.error
    assert len(runs(server)) == 2
    assert port.verdict(quick("deploy", **at("production", standing={"command": ["true"]}))).verdict == "passed"


D, T = "deploy.yml", "teardown.yml"
CASES: Mapping[str, tuple[list[tuple[str, str]], str, str]] = {
    "it stands": ([(D, "production"), (T, "staging")], "production", "not made by a trial"),
    "it stands, in other letters": ([(D, "Production")], "production", "not made by a trial"),
    "its name tells nothing": ([(D, "")], "production", "does not tell"),
    "its teardown's name tells nothing": ([(D, "production"), (T, "")], "production", "not tell"),
    "it was torn down": ([(D, "production"), (T, "production")], "production", ""),
    "another stands": ([(D, "production")], "preview", ""),
    "another's name begins with it": ([(D, "preview-2")], "preview", ""),
    "an older one stands": ([(D, "preview"), (D, "production")], "preview", "not made by a trial"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_runs_that_show_their_environment_count_for_it_alone(name: str, server: GitHubServer, port: Port) -> None:
    others, place, said = CASES[name]
    places(server)
    for workflow, where in others:
        over(server, workflow, where)
    row = port.verdict(quick("deploy", "destroy", **at(place, environment=["place"])))
    assert row.verdict == ("unknown" if said else "passed"), row
    assert said in (row.error or "")
    assert len(runs(server)) == len(others) + (0 if said else 2)


def test_what_others_deploy_elsewhere_meanwhile_does_not_keep_ours(server: GitHubServer, port: Port) -> None:
    places(server)
    wait = {"step": "custom_command", "custom_command": "touch deployed; while [ ! -e go ]; do sleep 0.02; done"}
    told = quick("deploy", wait, **at("preview", environment=["place"]))
    process = port.start("run", port.write("trial.json", told), "--format", "none")
    until((port.folder / "deployed").exists, "the deployment")
    over(server, "deploy.yml", "production")
    (port.folder / "go").touch()
    process.communicate(timeout=300)
    assert process.returncode == 0
    assert runs(server)[-1] == ("teardown", "preview", "success")


@pytest.mark.parametrize(
    ("shown", "more", "said"),
    [
        ("", {}, r"the `run-name` of .*deploy\.yml does not show the input 'place'"),
        ("to ${{ inputs.place }} ", {"environment": ["plaze"]}, r"has no input 'plaze'"),
        ("to ${{ inputs.place }} ", {"deploy": {"inputs": {"place": "two words"}}}, r"has the value 'two words'"),
        ("to ${{ inputs.place }} ", {"deploy": {"inputs": {"place": "else"}}}, r"has two values \(deploy: 'else'"),
        ("to ${{ inputs.place }} ", {"deploy": {"inputs": {}}}, r"has the value ''"),
    ],
)
def test_an_environment_that_no_run_can_show_is_refused(
    shown: str, more: dict[str, Any], said: str, server: GitHubServer, port: Port
) -> None:
    places(server, shown)
    row = port.verdict(quick("init", "deploy", **at("preview", **{"environment": ["place"], **more})))
    assert row.verdict == "unknown", row
    assert re.search(said, row.error), row.error
    assert runs(server) == []


# Trials of other machines


def test_a_deployment_of_another_machines_trial_is_left_alone_until_it_counts_as_abandoned(
    server: GitHubServer, port: Port, tmp_path: Path
) -> None:
    planted = server.plant(Fails("teardown.yml"))
    elsewhere = Port(tmp_path / "elsewhere", server)
    elsewhere.folder.mkdir()
    assert elsewhere.verdict(quick("deploy")).code == 4
    planted.remove()
    for lease in (elsewhere.folder / "xdg").rglob("*.yml"):
        lease.unlink()  # that machine is gone
    before = {"before": True}
    row = port.verdict(quick("deploy", teardown=before))
    assert (row.verdict, row.code) == ("unknown", 3)
    assert re.search(r"a deployment of the trial t\w{23}, which this machine does not know", row.error), row.error
    row = port.verdict(quick("deploy", teardown=before, abandoned_after=0))
    assert row.verdict == "passed", row
    assert "there is a deployment of the trial" in port.told()
