"""What a runner is given, and what becomes of what it says."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from github_server.workflows import FILES, REPOSITORY, over, speaking
from seatrial.errors import ExtraMissing
from seatrial_stand_ins.github import Conclusion, GitHubServer, Run, Runner, Scripted, archive

Doing = Callable[[Run], Coroutine[Any, Any, Conclusion]]


class Does:
    """A runner that is a function."""

    def __init__(self, doing: Doing) -> None:
        self.run = doing


def test_a_runner_gets_the_repository_its_secrets_and_a_token_that_holds_as_long_as_the_run(tmp_path: Path) -> None:
    seen: dict[str, object] = {}

    async def run(run: Run) -> Conclusion:
        seen["sha"] = await run.checkout(tmp_path / "work")
        seen["other"] = await run.read("README.md"), await run.read("none")
        seen["secrets"] = dict(run.secrets), dict(run.environment_secrets("production"))
        seen["variables"] = run.environment_variables("production")
        job = run.begin_job("only", "Only")
        job.deploy_to("production", "https://notes.example")
        job.begin_step("Say")
        job.log(f"hush and {run.environment_secrets('production')['KEY']} and {run.secrets['GITHUB_TOKEN']}\nthen")
        run.mask("later")
        job.log("later on")
        job.annotate("warning", "hush is odd", path="app/main.py", line=3, title="Odd")
        job.summarise("# hush\n")
        job.end_step("success")
        job.end("success")
        run.skip_job("not", "Not")
        run.add_artifact("out", archive({"a.json": {"b": 1}}))
        assert run.artifact_names() == ("out",)
        assert run.read_artifact("out").startswith(b"PK")
        return "success"

    with GitHubServer(Does(run)) as server, speaking(server) as client:
        server.add_repository(
            REPOSITORY, files=FILES, secrets={"TOKEN": "hush"}, variables={"COLOUR": "blue"},
            environments={"production": {"secrets": {"KEY": "quiet"}, "variables": {"COLOUR": "red"}}},
        )  # fmt: skip
        number = client.dispatch()
        record = over(server, number)
        assert record.conclusion == "success", server.problems
        first, skipped = client.get(f"/actions/runs/{number}/jobs")["jobs"]
        assert (first["conclusion"], skipped["conclusion"], skipped["steps"]) == ("success", "skipped", [])
        log = client.http.get(f"{first['url']}/logs", follow_redirects=True).text
        assert "*** and *** and ***" in log
        assert "*** on" in log
        (remark,) = client.get(f"/check-runs/{first['id']}/annotations")
        assert (remark["path"], remark["start_line"], remark["title"]) == ("app/main.py", 3, "Odd")
        assert remark["message"] == "*** is odd"
        assert record.last.jobs[0].steps[1].summary == "# ***\n"
        (deployment,) = client.get("/deployments?environment=production")
        states = client.get(f"/deployments/{deployment['id']}/statuses")
        assert [one["state"] for one in states] == ["success", "in_progress"]
        assert seen["sha"] == record.sha
        assert seen["other"] == (b"Notes\n", None)
        assert (tmp_path / "work" / "app" / "main.py").read_text() == FILES["app/main.py"]
        assert seen["variables"] == {"COLOUR": "red"}


def test_the_token_of_a_job_may_what_the_workflow_says_until_the_run_is_over() -> None:
    workflow = (
        "on: workflow_dispatch\npermissions: {actions: read}\n"
        "jobs: {only: {runs-on: ubuntu-latest, steps: [{run: 'true'}]}}\n"
    )
    tokens: list[str] = []
    gate = asyncio.Event()

    async def run(run: Run) -> Conclusion:
        tokens.append(run.secrets["GITHUB_TOKEN"])
        await gate.wait()
        return "success"

    with GitHubServer(Does(run)) as server:
        server.add_repository(REPOSITORY, files={".github/workflows/one.yml": workflow})
        record = server.dispatch(REPOSITORY, "one.yml")
        server.wait_for(lambda: tokens)
        with speaking(server, tokens[0]) as client:
            client.ask("/actions/runs")
            client.ask("//user", expect=403)
            refused = client.ask("/actions/workflows/one.yml/dispatches", "POST", 403, json={"ref": "main"})
            assert refused.json()["message"] == "Resource not accessible by integration"
            assert server._loop is not None
            server._loop.call_soon_threadsafe(gate.set)
            over(server, record.run_id)
            client.ask("/actions/runs", expect=401)


def test_a_runner_that_breaks_ends_the_run_and_fails_the_test() -> None:
    async def run(run: Run) -> Conclusion:
        run.begin_job("only", "Only").begin_step("Break")
        raise OSError("no such engine")

    with pytest.raises(AssertionError, match="no such engine"):  # noqa: SIM117, PT012
        with GitHubServer(Does(run)) as server:
            server.add_repository(REPOSITORY, files=FILES)
            record = over(server, server.dispatch(REPOSITORY, "deploy.yml").run_id)
            assert record.conclusion == "startup_failure"
            assert record.last.jobs[0].status == "completed"


def test_a_job_waits_for_a_group_of_its_own_and_an_older_one_that_waits_is_cancelled() -> None:
    gates = [asyncio.Event() for _ in range(3)]

    async def run(run: Run) -> Conclusion:
        job = run.begin_job("ship", f"Ship {run.run_number}", waiting=True)
        if not await job.hold("Ships"):
            job.end("cancelled")
            return "cancelled"
        job.begin()
        job.begin_step("Ship")
        await gates[run.run_number - 1].wait()
        job.end("success")
        return "success"

    with GitHubServer(Does(run)) as server, speaking(server) as client:
        server.add_repository(REPOSITORY, files=FILES)
        runs = []
        for place in range(3):
            runs.append(client.dispatch("free.yml", who=str(place)))
            server.wait_for(lambda: client.get(f"/actions/runs/{runs[-1]}/jobs")["jobs"])
        assert over(server, runs[1]).conclusion == "cancelled"
        (job,) = client.get(f"/actions/runs/{runs[2]}/jobs")["jobs"]
        assert job["status"] == "pending"
        members = client.get("/actions/concurrency_groups/ships")["group_members"]
        assert [(one["run_id"], one["job_name"]) for one in members] == [(runs[0], "Ship 1"), (runs[2], "Ship 3")]
        assert client.get(f"/actions/runs/{runs[2]}")["status"] == "in_progress"
        assert server._loop is not None
        for gate in gates:
            server._loop.call_soon_threadsafe(gate.set)
        assert [over(server, runs[place]).conclusion for place in (0, 2)] == ["success", "success"]


def test_a_job_that_waits_for_its_own_run_is_cancelled_as_a_deadlock() -> None:
    async def run(run: Run) -> Conclusion:
        job = run.begin_job("ship", "Ship", waiting=True)
        held = await job.hold(f"deploy-{run.repository}")
        job.end("success" if held else "cancelled")
        return "success" if held else "cancelled"

    with GitHubServer(Does(run)) as server, speaking(server) as client:
        server.add_repository(REPOSITORY, files=FILES)
        number = client.dispatch()
        assert over(server, number).conclusion == "cancelled"
        (job,) = client.get(f"/actions/runs/{number}/jobs")["jobs"]
        (remark,) = client.get(f"/check-runs/{job['id']}/annotations")
        assert "a deadlock for concurrency group 'deploy-acme/notes' was detected" in remark["message"]


def test_connections_that_come_just_as_it_stops_are_closed() -> None:
    clients: list[socket.socket] = []
    with GitHubServer() as server:
        loop, stop = server._loop, server._stop
        assert loop is not None
        assert stop is not None

        def arrive() -> None:
            clients.extend(socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(4))
            loop.call_soon(stop.set)  # they are accepted in the same turn

        loop.call_soon_threadsafe(arrive)
        server._thread.join(60)
    for client in clients:
        with client:
            assert client.recv(1) == b""


def test_the_scripted_runner_and_a_function_are_runners() -> None:
    async def run(run: Run) -> Conclusion:
        return "success"

    assert isinstance(Scripted(), Runner)
    assert isinstance(Does(run), Runner)


@pytest.mark.parametrize("module, tls", [("uvicorn", False), ("openapi_schema_validator", False), ("trustme", True)])
def test_without_the_extra_it_is_said_what_brings_it(monkeypatch: pytest.MonkeyPatch, module: str, tls: bool) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExtraMissing, match=rf"{module} is not installed: pip install 'seatrial\[testing\]'"):
        GitHubServer(tls=tls).__enter__()
