"""The guard: a run that would wait for the run that waits for it is told from the files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from seatrial.links.forge.workflows.concurrency import Judgement, judge
from seatrial.links.forge.workflows.values import Unknown
from seatrial.links.forge.workflows.yaml_tree import WorkflowError

JOBS = "jobs: {a: {runs-on: x, steps: [{run: a}]}}\n"
DEPLOY = ".github/workflows/deploy.yml"
TEST = ".github/workflows/e2e-test.yml"
INSIDE = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "acme/notes",
    "GITHUB_REPOSITORY_OWNER": "acme",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_WORKFLOW_REF": f"acme/notes/{TEST}@refs/heads/main",
    "GITHUB_WORKFLOW": "E2E",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_REF_NAME": "main",
    "GITHUB_RUN_ID": "42",
    "GITHUB_RUN_NUMBER": "7",
    "GITHUB_SHA": "abc",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_JOB": "a",
}


def look(deploy: str, ours: str, more: Mapping[str, str] | None = None, **changes: Any) -> Judgement:
    """Judge two workflows; what has no jobs of its own gets one."""
    files = {DEPLOY: deploy, TEST: ours} | dict(more or {})
    files = {path: text if "jobs:" in text else text + JOBS for path, text in files.items()}
    asked: dict[str, Any] = {
        "repository": "acme/notes",
        "path": DEPLOY,
        "ref": "main",
        "inputs": {},
        "read": files.get,
        "environment": INSIDE,
        "event": {},
    }
    return judge(**(asked | changes))


def workflow(group: str = "", name: str = "Deploy", more: str = "") -> str:
    """A workflow that can be dispatched, in this group."""
    return f"name: {name}\non: workflow_dispatch\n" + (f"concurrency: {group}\n" if group else "") + more


@pytest.mark.parametrize(
    "deploy, ours",
    [
        ("deploy", "deploy"),
        ("Deploy-ACME/notes", "deploy-${{ github.repository }}"),
        ("deploy-${{ github.repository }}", "deploy-${{ github.repository }}"),
        ("deploy-${{ github.ref_name }}", "deploy-main"),
        ("deploy-${{ github.ref }}", "deploy-${{ github.ref }}"),
        ("${{ github.server_url }}", "${{ github.server_url }}"),
        ("'${{ github.event_name }}'", "workflow_dispatch"),
        ("x-${{ inputs.id }}-${{ github.workflow }}", "x--deploy"),
    ],
)
def test_a_workflow_in_the_group_of_ours_would_wait_for_ever(deploy: str, ours: str) -> None:
    found = look(workflow(deploy), workflow(ours, "E2E"))
    assert (len(found.held), len(found.asked), len(found.collisions), found.doubts) == (1, 1, 1, ())
    (problem,) = (one.problem() for one in found.collisions)
    assert (problem.file, problem.line) == (DEPLOY, 3)
    assert "would wait for ever" in problem.message
    assert f"the workflow ({TEST}:3) that runs now" in problem.message
    assert f"rename one of the groups, for example in {TEST}, line 3: `e2e-{ours}`" in problem.hint


@pytest.mark.parametrize(
    "deploy, ours",
    [
        ("deploy-${{ github.repository }}", "e2e-test-${{ github.repository }}"),
        ("deploy", ""),
        ("", "deploy"),
        ("", ""),
        # Every run has an id of its own.
        ("run-${{ github.run_id }}", "run-${{ github.run_id }}"),
        ("${{ github.workflow }}-${{ github.ref }}", "${{ github.workflow }}-${{ github.ref }}"),
        # What is not known cannot make them one.
        ("deploy-${{ vars.ZONE }}", "e2e-${{ vars.ZONE }}"),
        ("${{ vars.ZONE }}-deploy", "${{ vars.ZONE }}-e2e"),
    ],
)
def test_groups_that_differ_are_let_through_without_a_doubt(deploy: str, ours: str) -> None:
    found = look(workflow(deploy), workflow(ours, "E2E"))
    assert (found.collisions, found.doubts) == ((), ())


def test_what_the_new_run_would_cancel_is_told_too() -> None:
    found = look(workflow("{group: g, cancel-in-progress: true}"), workflow("g", "E2E"))
    assert "would cancel the run that waits for it" in found.collisions[0].problem().message


def test_jobs_have_groups_too_and_only_the_job_that_runs_holds_its_own() -> None:
    job = "jobs:\n  {}: {{runs-on: x, concurrency: {}, steps: [{{run: a}}]}}\n"
    deploy = workflow(more=job.format("up", "production"))
    ours = workflow(more=job.format("a", "production") + job.format("b", "staging")[6:])
    found = look(deploy, ours)
    message = found.collisions[0].problem().message
    assert "the job up that is dispatched would wait" in message
    assert f"the job a ({TEST}:4)" in message
    assert look(deploy, ours, environment=INSIDE | {"GITHUB_JOB": "b"}).collisions == ()


def test_a_matrix_makes_a_group_of_each_job() -> None:
    job = "jobs:\n  a:\n    runs-on: x\n    concurrency: z-${{ matrix.zone }}\n    strategy: {matrix: {zone: [1, 2]}}\n"
    job += "    steps: [{run: a}]\n"
    found = look(workflow(more=job), workflow("z-2", "E2E"))
    assert [one.name for one in found.asked] == ["z-1", "z-2"]
    assert [one.asked.whose for one in found.collisions] == ["the job a (2)"]
    # Which of the matrix's jobs ours is, the environment does not say.
    found = look(workflow("z-2"), workflow(more=job))
    assert found.collisions == ()
    assert "it is not known which job of its matrix is running" in found.doubts[0]


def test_a_job_that_does_not_run_asks_for_nothing() -> None:
    job = "jobs:\n  a:\n    if: {}\n    runs-on: x\n    concurrency: g\n    steps: [{{run: a}}]\n"
    inputs = "on: {workflow_dispatch: {inputs: {up: {type: boolean}}}}\n"
    ours = workflow("g", "E2E")
    asked = inputs + job.format("inputs.up")
    assert look(asked, ours).collisions == ()
    assert len(look(asked, ours, inputs={"up": "true"}).collisions) == 1
    assert len(look(inputs + job.format("always()"), ours).collisions) == 1
    for unsure in ("vars.UP", "failure()"):
        found = look(inputs + job.format(unsure), ours)
        assert found.collisions == ()
        assert "may be one, but Seatrial cannot decide it" in found.doubts[0]


CALLED = "on: {workflow_call: {inputs: {zone: {type: string}}}}\nconcurrency: zone-${{ inputs.zone }}\n"


def test_a_workflow_that_is_called_has_groups_too() -> None:
    call = "jobs:\n  up:\n    uses: ./.github/workflows/kamal.yml\n    with: {zone: '${{ github.ref_name }}'}\n"
    files = {".github/workflows/kamal.yml": CALLED}
    found = look(workflow(more=call), workflow("zone-main", "E2E"), files)
    problem = found.collisions[0].problem()
    assert problem.file == ".github/workflows/kamal.yml"
    assert "the workflow called by the job up" in problem.message
    # The other way round: we run in a job of the workflow that ours calls.
    found = look(workflow("ZONE-main"), workflow(more=call), files)
    assert [one.held.file for one in found.collisions] == [".github/workflows/kamal.yml"]


def test_a_called_workflow_that_cannot_be_read_is_a_doubt() -> None:
    call = "jobs: {up: {uses: other/place/.github/workflows/kamal.yml@v1}}\n"
    found = look(workflow(more=call), workflow("g", "E2E"))
    assert found.doubts == (
        "the job up calls other/place/.github/workflows/kamal.yml@v1, which cannot be read here, "
        "so its groups are unknown",
    )
    recursive = "on: {workflow_call: , workflow_dispatch: }\njobs: {up: {uses: ./.github/workflows/deploy.yml}}\n"
    assert "cannot be read here" in look(recursive, workflow()).doubts[0]


@pytest.mark.parametrize("unknown", ["vars.ZONE", "github.sha", "github.actor", "github.run_number", "vars.A || 'x'"])
def test_a_group_that_cannot_be_known_is_told_and_not_ignored(unknown: str) -> None:
    found = look(workflow(f"deploy-${{{{ {unknown} }}}}"), workflow("deploy-x", "E2E"))
    assert found.collisions == ()
    (doubt,) = found.doubts
    assert "may be one, but Seatrial cannot decide it" in doubt
    assert DEPLOY in doubt
    assert TEST in doubt


def test_an_input_that_is_not_known_yet_is_a_doubt_where_the_group_needs_it() -> None:
    deploy = "on: {workflow_dispatch: {inputs: {zone: , id: }}}\nconcurrency: zone-${{ inputs.zone }}\n"
    later = Unknown("inputs.zone", "a step gives it")
    found = look(deploy, workflow("zone-a", "E2E"), inputs={"zone": later})
    assert found.collisions == ()
    assert "inputs.zone (a step gives it)" in found.doubts[0]
    found = look(deploy, workflow("zone-a", "E2E"), inputs={"zone": "a", "id": Unknown("inputs.id")})
    assert len(found.collisions) == 1


def test_a_run_that_would_wait_for_itself_is_refused_anywhere() -> None:
    deploy = workflow("deploy", more="jobs: {up: {runs-on: x, concurrency: deploy, steps: [{run: a}]}}\n")
    found = look(deploy, workflow(), environment={})
    message = found.collisions[0].problem().message
    assert "would wait for itself, and GitHub would cancel it: the job up asks" in message


@pytest.mark.parametrize(
    "changes",
    [
        {"environment": {}},
        {"environment": INSIDE | {"GITHUB_REPOSITORY": "acme/other"}},
    ],
)
def test_outside_of_the_repositorys_actions_nothing_is_held(changes: dict[str, Any]) -> None:
    found = look(workflow("g"), workflow("g", "E2E"), **changes)
    assert (found.held, found.collisions) == ((), ())
    assert len(found.asked) == 1


def test_our_own_inputs_come_from_the_event() -> None:
    ours = "on: {workflow_dispatch: {inputs: {zone: }}}\nconcurrency: zone-${{ inputs.zone }}\n"
    found = look(workflow("zone-a"), ours, event={"inputs": {"zone": "a"}})
    assert len(found.collisions) == 1
    found = look(workflow("zone-a"), ours, event=None)
    assert "the event's file was not read" in found.doubts[0]


def test_a_workflow_of_ours_that_is_not_there_is_a_doubt() -> None:
    found = look(workflow("g"), workflow("g", "E2E"), read_ours=lambda path: None)
    assert found.doubts == (f"the running workflow ({TEST}) cannot be read, so its groups are unknown: check it out",)
    found = look(workflow("g"), workflow("g"), environment=INSIDE | {"GITHUB_WORKFLOW_REF": "else/where/x.yml@main"})
    assert "else/where/x.yml" in found.doubts[0]


def test_a_workflow_that_cannot_be_read_is_refused_with_its_line() -> None:
    with pytest.raises(WorkflowError, match=rf"{DEPLOY}:3:1: `concurrency` has no `group`"):
        look("on: push\n" + JOBS + "concurrency: {}\n", workflow())
