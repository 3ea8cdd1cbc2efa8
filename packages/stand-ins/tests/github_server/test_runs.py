"""Runs: their lists, their life, cancelling, running again, and who waits for whom."""

from __future__ import annotations

import time

from github_server.conftest import OUTPUT
from github_server.workflows import DEPLOY, FREE, REPOSITORY, Client, over
from seatrial_stand_ins.github import (
    CancelledBySomebody,
    Fails,
    Gate,
    GitHubServer,
    LateRuns,
    QueuedForEver,
    RunsForEver,
    Script,
    Scripted,
    TimesOut,
)


def test_a_list_is_cut_into_pages_that_name_each_other(server: GitHubServer, client: Client) -> None:
    numbers = [client.dispatch("free.yml", who=str(place)) for place in range(5)]
    first = client.ask("/actions/runs?per_page=2&event=workflow_dispatch")
    assert first.json()["total_count"] == 5
    assert set(first.links) == {"next", "last"}
    found, page = [], first
    while True:
        found += [run["id"] for run in page.json()["workflow_runs"]]
        if "next" not in page.links:
            break
        page = client.http.get(page.links["next"]["url"])
    assert found == numbers[::-1], "newest first, each once"
    assert set(page.links) == {"prev", "first"}
    beyond = client.ask("/actions/runs?per_page=2&page=9").json()
    assert (beyond["total_count"], beyond["workflow_runs"]) == (5, [])
    assert len(client.get("/actions/runs?per_page=1000")["workflow_runs"]) == 5


def test_runs_are_filtered_as_the_query_wants(server: GitHubServer, client: Client) -> None:
    deploy = over(server, client.dispatch())
    server.plant(Fails("free.yml"))
    free = over(server, server.dispatch(REPOSITORY, "free.yml", inputs={"who": "x"}, actor="bob").run_id)
    day = deploy.created_at.strftime("%Y-%m-%d")
    moment = deploy.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")

    def found(query: str) -> list[int]:
        return [run["id"] for run in client.get(f"/actions/runs?{query}")["workflow_runs"]]

    both = [free.run_id, deploy.run_id]
    assert found("actor=bob") == [free.run_id]
    assert found("status=failure") == found("status=failure&branch=main") == [free.run_id]
    assert found("status=completed") == both
    assert found("event=push") == found("branch=other") == found("head_sha=0000") == []
    assert found(f"head_sha={deploy.sha}") == both
    assert found(f"created=%3E%3D{moment}") == found(f"created={day}") == found(f"created={moment}..*") == both
    assert found(f"created=%3C{day}") == found("created=*..2020-01-01") == []
    client.ask("/actions/runs?created=yesterday", expect=422)
    listed = client.get("/actions/workflows/free.yml/runs")["workflow_runs"]
    assert [run["id"] for run in listed] == [free.run_id]


def test_a_run_goes_from_queued_to_its_conclusion_with_jobs_and_steps(server: GitHubServer, client: Client) -> None:
    gate = Gate()
    server.runner.default = Script(gate=gate, artifacts=OUTPUT)  # type: ignore[attr-defined]
    number = client.dispatch()
    server.wait_for(lambda: client.get(f"/actions/runs/{number}")["status"] == "in_progress")
    server.wait_for(lambda: [len(one["steps"]) for one in client.get(f"/actions/runs/{number}/jobs")["jobs"]] == [2])
    (job,) = client.get(f"/actions/runs/{number}/jobs")["jobs"]
    assert [(step["name"], step["status"]) for step in job["steps"]] == [
        ("Set up job", "completed"),
        ("Make machines", "in_progress"),
    ]
    client.ask(f"/actions/jobs/{job['id']}/logs", expect=404)
    client.ask(f"/actions/runs/{number}/logs", expect=404)
    gate.open()
    over(server, number)
    assert client.get(f"/actions/runs/{number}")["conclusion"] == "success"
    jobs = client.get(f"/actions/runs/{number}/jobs")["jobs"]
    assert [one["name"] for one in jobs] == ["provision", "Ship it"]
    names = [step["name"] for step in client.get(f"/actions/jobs/{jobs[1]['id']}")["steps"]]
    assert names == ["Set up job", "Build", "Run kamal deploy", "Complete job"]


def test_a_planted_failure_is_at_its_step_with_the_rest_skipped(server: GitHubServer, client: Client) -> None:
    planted = server.plant(Fails("deploy.yml", job="deploy", step="Build", message="no such image", times=1))
    number = client.dispatch()
    assert over(server, number).conclusion == "failure"
    ship = client.get(f"/actions/runs/{number}/jobs")["jobs"][1]
    assert [(step["name"], step["conclusion"]) for step in ship["steps"][1:3]] == [
        ("Build", "failure"),
        ("Run kamal deploy", "skipped"),
    ]
    (remark,) = client.get(f"/check-runs/{ship['id']}/annotations")
    assert (remark["annotation_level"], remark["message"]) == ("failure", "no such image")
    assert client.get(f"/check-runs/{ship['id']}")["conclusion"] == "failure"
    assert over(server, client.dispatch()).conclusion == "success"
    assert planted.happened == 1


def test_runs_that_time_out_or_are_cancelled_by_somebody(server: GitHubServer, client: Client) -> None:
    server.plant(TimesOut("free.yml", times=1))
    assert over(server, client.dispatch("free.yml", who="x")).conclusion == "timed_out"
    server.runner.default = Script(ends=False)  # type: ignore[attr-defined]
    server.plant(CancelledBySomebody("free.yml", after=0.05, by="bob", times=1))
    cancelled = over(server, client.dispatch("free.yml", who="x"))
    assert (cancelled.conclusion, cancelled.last.cancelled_by) == ("cancelled", "bob")


def test_a_run_that_is_queued_or_goes_on_for_ever_ends_when_it_is_cancelled(
    server: GitHubServer, client: Client
) -> None:
    server.plant(QueuedForEver("deploy.yml"))
    server.plant(RunsForEver("free.yml"))
    queued, going = client.dispatch(), client.dispatch("free.yml", who="x")
    server.wait_for(lambda: client.get(f"/actions/runs/{going}")["status"] == "in_progress")
    assert client.get(f"/actions/runs/{queued}")["status"] == "queued"
    assert client.get(f"/actions/runs/{queued}/jobs")["jobs"] == []
    client.ask(f"/actions/runs/{going}", "DELETE", 403)
    for number in (queued, going):
        client.ask(f"/actions/runs/{number}/cancel", "POST", 202)
        assert over(server, number).conclusion == "cancelled"
        client.ask(f"/actions/runs/{number}/cancel", "POST", 409)
    client.ask(f"/actions/runs/{going}", "DELETE", 204)
    client.ask(f"/actions/runs/{going}", expect=404)


def test_force_cancelling_ends_a_runner_that_does_not_listen(server: GitHubServer, client: Client) -> None:
    class Deaf:
        async def run(self, run):
            job = run.begin_job("only", "only")
            job.begin_step("For ever")
            await __import__("asyncio").Event().wait()

    server._forge.runner = Deaf()
    number = client.dispatch("free.yml", who="x")
    server.wait_for(lambda: client.get(f"/actions/runs/{number}")["status"] == "in_progress")
    client.ask(f"/actions/runs/{number}/cancel", "POST", 202)
    assert client.get(f"/actions/runs/{number}")["status"] == "in_progress"
    client.ask(f"/actions/runs/{number}/force-cancel", "POST", 202)
    assert over(server, number).conclusion == "cancelled"
    assert client.get(f"/actions/runs/{number}/jobs")["jobs"][0]["conclusion"] == "cancelled"


def test_of_a_group_one_runs_one_is_pending_and_the_older_pending_one_is_cancelled(
    server: GitHubServer, client: Client
) -> None:
    gate = Gate()
    server.runner.default = Script(gate=gate)  # type: ignore[attr-defined]
    first, second, third = client.dispatch(), client.dispatch(), client.dispatch()
    free = client.dispatch("free.yml", who="x")
    displaced = over(server, second)
    assert displaced.conclusion == "cancelled"
    assert client.get(f"/actions/runs/{first}")["status"] == "in_progress"
    assert client.get(f"/actions/runs/{third}")["status"] == "pending"
    server.wait_for(lambda: client.get(f"/actions/runs/{free}")["status"] == "in_progress")
    (job,) = client.get(f"/actions/runs/{second}/jobs")["jobs"]
    (remark,) = client.get(f"/check-runs/{job['id']}/annotations")
    assert "higher priority waiting request for deploy-acme/notes" in remark["message"]
    (group,) = client.get("/actions/concurrency_groups")["concurrency_groups"]
    members = client.http.get(group["group_url"]).json()["group_members"]
    assert [(one["run_id"], one["status"]) for one in members] == [(first, "in_progress"), (third, "pending")]
    (own,) = client.get(f"/actions/runs/{third}/concurrency_groups")["concurrency_groups"]
    assert (own["group_name"], len(own["group_members"])) == ("deploy-acme/notes", 1)
    gate.open()
    assert [over(server, number).conclusion for number in (first, third, free)] == ["success"] * 3
    assert client.get("/actions/concurrency_groups")["total_count"] == 0
    client.http.get(group["group_url"])
    assert server.requests[-1].status == 404


def test_cancel_in_progress_ends_the_one_that_runs(server: GitHubServer, client: Client) -> None:
    group = "concurrency: {group: 'g-${{ github.ref_name }}', cancel-in-progress: true}\n"
    server.repositories[REPOSITORY].commit({".github/workflows/free.yml": group + FREE})
    server.plant(RunsForEver("free.yml", times=1))
    first, second = client.dispatch("free.yml", who="x"), client.dispatch("free.yml", who="y")
    assert over(server, first).conclusion == "cancelled"
    assert over(server, second).conclusion == "success"


def test_a_run_can_be_run_again_whole_or_where_it_failed(server: GitHubServer, client: Client) -> None:
    server.plant(Fails("deploy.yml", job="deploy", times=1))
    number = client.dispatch(workers=2)
    over(server, number)
    client.ask(f"/actions/runs/{number}/rerun-failed-jobs", "POST", 201)
    again = over(server, number)
    assert (again.conclusion, len(again.attempts)) == ("success", 2)
    shown = client.get(f"/actions/runs/{number}")
    assert (shown["run_attempt"], shown["previous_attempt_url"]) == (2, shown["url"] + "/attempts/1")
    assert client.get(f"/actions/runs/{number}/attempts/1")["conclusion"] == "failure"
    client.ask(f"/actions/runs/{number}/attempts/3", expect=404)
    kept, fresh = client.get(f"/actions/runs/{number}/jobs")["jobs"]
    earlier = client.get(f"/actions/runs/{number}/attempts/1/jobs")["jobs"]
    assert kept["completed_at"] == earlier[0]["completed_at"]
    assert (fresh["conclusion"], earlier[1]["conclusion"]) == ("success", "failure")
    client.ask(f"/actions/runs/{number}/rerun", "POST", 201)
    server.wait_for(lambda: len(again.attempts) == 3 and again.last.over)
    assert client.get(f"/actions/runs/{number}/jobs?filter=all")["total_count"] == 6


def test_a_new_run_is_in_lists_only_after_some_looks(server: GitHubServer, client: Client) -> None:
    server.plant(LateRuns(looks=2, times=1))
    number = client.dispatch()
    assert client.get(f"/actions/runs/{number}")["id"] == number
    seen = [client.get("/actions/workflows/deploy.yml/runs")["total_count"] for _ in range(4)]
    assert seen == [0, 0, 1, 1]
    server.plant(LateRuns(seconds=2, by_id=True, times=1))
    begun = time.monotonic()
    late = client.dispatch()
    client.ask(f"/actions/runs/{late}", expect=404)
    server.wait_for(lambda: client.get("/actions/runs")["total_count"] == 2)
    assert time.monotonic() - begun >= 2
    client.ask(f"/actions/runs/{late}")


def test_a_workflow_that_cannot_be_read_is_listed_by_its_path_and_not_dispatched(
    server: GitHubServer, client: Client
) -> None:
    server.repositories[REPOSITORY].commit({".github/workflows/deploy.yml": DEPLOY + "\n  - [broken"})
    listed = client.get("/actions/workflows")["workflows"]
    assert ".github/workflows/deploy.yml" in [one["name"] for one in listed]
    answer = client.ask("/actions/workflows/deploy.yml/dispatches", "POST", 422, json={"ref": "main"})
    assert "failed to parse workflow" in answer.json()["message"]


def test_scripts_are_chosen_by_the_name_of_the_file() -> None:
    scripts = {"free.yml": Script(conclusion="neutral")}
    with GitHubServer(Scripted(scripts=scripts)) as server:
        server.add_repository(REPOSITORY, files={".github/workflows/free.yml": FREE})
        run = server.dispatch(REPOSITORY, "free.yml", inputs={"who": "x"})
        assert over(server, run.run_id).conclusion == "neutral"
