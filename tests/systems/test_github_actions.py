"""The parts of the system `github-actions` that ask nobody; the whole of it is tested by the real command."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.systems.fakes import settings

from seatrial import expressions
from seatrial.errors import StepFailed
from seatrial.links.forge.protocol import WorkflowRun
from seatrial.links.forge.runs.repository import Place
from seatrial.links.forge.workflows.values import Unknown
from seatrial.systems.github_actions.environments import Environment
from seatrial.systems.github_actions.history import DeploymentHistory
from seatrial.systems.github_actions.machines import machines
from seatrial.systems.github_actions.settings import GithubActionsSettings, SshSettings, draft
from seatrial.systems.github_actions.standing import by_command, by_history

RECORD = {"forge": "github", "api_url": "https://ghe/api/v3", "repository": "acme/notes", "workflow": "deploy.yml"}


def made(wanted: dict[str, Any], outputs: dict[str, Any], ssh: SshSettings | None = None) -> list[Any]:
    def bind(value: Any, **roots: object) -> Any:
        return expressions.bind(value, roots)

    ctx: Any = SimpleNamespace(bind=bind)
    return machines(ctx, wanted, ssh, outputs, Path("/documents"))


def test_a_text_is_a_node_a_list_are_several_and_nothing_is_none() -> None:
    outputs = {"web": "10.0.0.1", "workers": ["10.0.0.2", "10.0.0.3:2222"], "db": "", "more": "10.0.0.4, [fe80::1]:22"}
    wanted = {name: f"${{{{ outputs.{name} }}}}" for name in outputs} | {"gone": [], "fixed": "node-${{ outputs.web }}"}
    nodes = made(wanted, outputs, SshSettings(user="ops", key="keys/id", accept=True))
    assert {node.name: node.address for node in nodes} == {
        "web": "10.0.0.1", "workers1": "10.0.0.2", "workers2": "10.0.0.3", "more1": "10.0.0.4", "more2": "fe80::1",
        "fixed": "node-10.0.0.1",
    }  # fmt: skip
    assert [node.ssh["port"] for node in nodes] == [22, 22, 2222, 22, 22, 22]
    assert nodes[0].ssh["user"] == "ops"
    assert nodes[0].ssh["key"] == "/documents/keys/id"
    assert nodes[0].ssh["accept"] is True
    assert made({"web": "10.0.0.1"}, {})[0].ssh == {}


@pytest.mark.parametrize(("outputs", "said"), [
    ({}, "has no value in the workflow.s outputs: .* outputs has no 'web'"),
    ({"web": {"ip": "10.0.0.1"}}, "the address of web is {'ip': '10.0.0.1'}, not a text or a list of texts"),
    ({"web": 7}, "the address of web is 7, not a text or a list of texts"),
])  # fmt: skip
def test_an_output_that_is_not_there_or_no_address_is_the_workflows_fault(outputs: dict[str, Any], said: str) -> None:
    with pytest.raises(StepFailed, match=said):
        made({"web": "${{ outputs.web }}"}, outputs)


def test_the_book_knows_runs_by_number_and_by_name_and_only_of_its_repository(tmp_path: Path) -> None:
    history = DeploymentHistory(tmp_path)
    assert history.trial_of(RECORD, WorkflowRun(id=1)) == ""
    history.write({**RECORD, "correlation": "t1-abc", "run": 0}, "t1")
    history.write({**RECORD, "correlation": "", "run": 77}, "t2")
    with (tmp_path / ".seatrial/history/deployments.jsonl").open("a") as file:
        file.write('{"api_url": "https://ghe/api')  # a crash cut this line
    assert history.trial_of(RECORD, WorkflowRun(id=5, title="Deploy t1-abc")) == "t1"
    assert history.trial_of(RECORD, WorkflowRun(id=77, title="Deploy")) == "t2"
    assert history.trial_of(RECORD, WorkflowRun(id=7, title="Deploy t1-abcd")) == ""
    assert history.trial_of({**RECORD, "repository": "acme/other"}, WorkflowRun(id=77)) == ""
    assert history.trial_in(RECORD, "deployed by run 77") == "t2"
    assert "token" not in (tmp_path / ".seatrial/history/deployments.jsonl").read_text()


@pytest.mark.parametrize("printed", ["", "\n", "null", "{}", "[]", '""'])
def test_nothing_printed_is_nothing_that_stands(printed: str, tmp_path: Path) -> None:
    assert by_command(printed, RECORD, DeploymentHistory(tmp_path)) is None


def test_what_stands_is_the_newest_deployment_that_was_not_torn_down(tmp_path: Path) -> None:
    def stands(deploys: list[tuple[int, str]], teardowns: list[tuple[int, str]]) -> int:
        def runs(told: list[tuple[int, str]]) -> list[WorkflowRun]:
            ended = ("success", "failure", "cancelled")
            return [
                WorkflowRun(
                    id=id, status="completed" if word in ended else word, conclusion=word if word in ended else ""
                )
                for id, word in sorted(told, reverse=True)
            ]

        class Forge:
            ahead = 0.0

            async def runs(self, workflow: str, *, event: str) -> list[WorkflowRun]:
                return runs(deploys if workflow == "deploy.yml" else teardowns)

        forge: Any = Forge()
        alone = Environment(alone=True)
        found = asyncio.run(by_history(forge, RECORD, "teardown.yml", DeploymentHistory(tmp_path), alone))
        return found.run.id if found is not None and found.run is not None else 0

    assert stands([], []) == 0
    assert stands([(1, "success")], []) == 1
    assert stands([(1, "success"), (4, "failure")], [(3, "success")]) == 0
    assert stands([(1, "success")], [(3, "failure")]) == 1
    assert stands([(1, "success"), (5, "success")], [(3, "success")]) == 5
    assert stands([(1, "success"), (5, "in_progress")], [(6, "success")]) == 5
    assert stands([(5, "waiting")], []) == 0


def test_a_value_that_is_not_known_yet_is_not_judged() -> None:
    parameters, environment = {"workers": 3}, {"SIZE": "large"}
    told = {"a": "${{ parameters.workers }}", "b": "x-${{ env.SIZE }}", "c": "${{ steps.x.outputs.y }}", "d": True}
    made = settings(
        GithubActionsSettings,
        {"deploy": {"workflow": "deploy.yml", "inputs": told}, "teardown": {"workflow": "teardown.yml"}},
    )
    place = Place(api_url="https://ghe/api/v3", repository="acme/notes", ref="main")
    inputs = dict(draft(made.deploy, place, parameters, environment).inputs)
    assert isinstance(inputs.pop("c"), Unknown)
    assert inputs == {"a": 3, "b": "x-large", "d": True}
    assert json.dumps(inputs)


def test_service_nodes_name_nodes_that_there_are() -> None:
    parts = {"deploy": {"workflow": "a"}, "teardown": {"workflow": "b"}}
    with pytest.raises(AssertionError, match="unknown nodes in service_nodes: wob; allowed: web"):
        settings(GithubActionsSettings, {**parts, "nodes": {"web": "1"}, "service_nodes": ["wob"]})
