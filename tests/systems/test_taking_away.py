"""What a workflow deployed is taken away whatever became of its run, and what others deployed is left to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import httpx
import pytest
from tests.acceptance.github_project import DEADLINES, FILES, REPOSITORY, SILENT, TEARDOWN, scripted

from seatrial.errors import CannotTell, LeftBehind, StepFailed
from seatrial.links.forge.github import GitHub
from seatrial.links.forge.protocol import Absent, Denied, Rejected, WorkflowRun
from seatrial.links.forge.runs.dispatch import ready
from seatrial.links.forge.runs.following import record_of, started
from seatrial.links.forge.runs.order import Order, RunDeadlines
from seatrial.links.forge.runs.outcome import until_over
from seatrial.links.forge.runs.repository import Place
from seatrial.model.values import Duration
from seatrial.systems.github_actions.deployments import take_away
from seatrial.systems.github_actions.environments import Environment
from seatrial.systems.github_actions.history import DeploymentHistory
from seatrial.systems.github_actions.machines import _named
from seatrial.systems.github_actions.standing import by_history
from seatrial_stand_ins.github import Answers, Fails, GitHubServer, RunsForEver
from seatrial_stand_ins.github.records import RunRecord

T = TypeVar("T")
TRIAL = "t0123456789abcdefghjkmnp"
SOON = RunDeadlines(**{name: Duration(float(seconds)) for name, seconds in DEADLINES.items()})


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    with GitHubServer(scripted(), run_details="ignored", check_answers=False) as server:
        server.add_repository(REPOSITORY, files=FILES)
        yield server


def with_forge(server: GitHubServer, work: Callable[[GitHub], Awaitable[T]], token: str = "") -> T:
    async def doing() -> T:
        forge = GitHub(server.url, REPOSITORY, token or server.token, patience=3.0)
        try:
            async with asyncio.timeout(30):
                return await work(forge)
        finally:
            await forge.close()

    return asyncio.run(doing())


def record(server: GitHubServer, folder: Path, **more: Any) -> dict[str, Any]:
    """As the ledger has it, before anything was asked for."""
    given = more.pop("inputs", {})
    teardown = {"workflow": "teardown.yml", "inputs": given, "correlation_input": "", "deadlines": DEADLINES}
    return {
        "forge": "github", "api_url": server.url, "repository": REPOSITORY, "token": "", "workflow": "deploy.yml",
        "ref": "main", "correlation": "", "above": 0, "actor": "", "run": 0,
        "asked": round(time.time()), "visible": 0.3, "settle": 0.1, "timeout": 30,
        "teardown": teardown, "environment": {"alone": not given, "digest": "i0000aaaaaa"},
        "replace_existing": False, "project": str(folder),
        "artifacts": str(folder / "artifacts"), "log": str(folder / "teardown.log"), **more,
    }  # fmt: skip


def torn_down(server: GitHubServer, record: dict[str, Any], token: str = "") -> str:
    """What was said, after the end of a deployment was asked for as `clean` does it."""
    asyncio.run(take_away(record, TRIAL, {"GH_TOKEN": token or server.token}))
    return Path(str(record["log"])).read_text(encoding="utf-8")


def over(server: GitHubServer, workflow: str = "deploy.yml", **more: Any) -> RunRecord:
    """A run that somebody started, and that has ended."""
    run = server.dispatch(REPOSITORY, workflow, **more)
    server.wait_for(lambda: run.status == "completed")
    return run


def again(server: GitHubServer, run: RunRecord) -> None:
    """Somebody runs it again, in the second after its last time."""
    ended = time.time()
    server.wait_for(lambda: int(time.time()) > int(ended))
    url = f"{server.url}/repos/{REPOSITORY}/actions/runs/{run.run_id}/rerun"
    assert httpx.post(url, headers={"authorization": f"Bearer {server.token}"}, trust_env=False).status_code == 201
    server.wait_for(lambda: run.last.number > 1)


def teardowns(server: GitHubServer) -> list[str | None]:
    return [run.conclusion for run in server.runs(REPOSITORY, "teardown.yml")]


# Nothing is left behind


def test_a_token_that_may_not_see_the_repository_is_no_word_that_its_run_is_gone(
    server: GitHubServer, tmp_path: Path
) -> None:
    told = record(server, tmp_path, run=over(server).run_id)
    blind = server.add_token("eve", permissions={"actions": "write"}, repositories=())
    with pytest.raises(Absent, match="the token needs the right"):
        torn_down(server, told, blind)
    assert teardowns(server) == []
    torn_down(server, told)
    assert teardowns(server) == ["success"]


def test_what_a_run_deployed_is_torn_down_also_when_somebody_deleted_the_run(
    server: GitHubServer, tmp_path: Path
) -> None:
    run = over(server)
    url = f"{server.url}/repos/{REPOSITORY}/actions/runs/{run.run_id}"
    assert httpx.delete(url, headers={"authorization": f"Bearer {server.token}"}, trust_env=False).status_code == 204
    torn_down(server, record(server, tmp_path, run=run.run_id))
    assert teardowns(server) == ["success"]


def begun(server: GitHubServer, told: dict[str, Any]) -> None:
    """Ask for the deployment with the record of the ledger."""

    async def asking(forge: GitHub) -> None:
        prepared = await ready(forge, Order(workflow="deploy.yml", ref="main", deadlines=SOON), f"{TRIAL}-1")
        place = Place(api_url=server.url, repository=REPOSITORY, ref="main")
        told.update({**record_of(place, "", prepared), "visible": 0.3, "settle": 0.1})
        await started(forge, prepared, told, lambda text: None)

    with_forge(server, asking)


@pytest.mark.parametrize("status", [401, 403])
def test_a_right_that_is_missing_after_the_dispatch_does_not_hide_that_it_was_taken(
    server: GitHubServer, tmp_path: Path, status: int
) -> None:
    told = record(server, tmp_path)
    planted = server.plant(Answers(status, path=r"/deploy\.yml/runs", message="no", skip=1))
    with pytest.raises(Denied):
        begun(server, told)
    planted.remove()
    server.wait_for(lambda: [run for run in server.runs(REPOSITORY) if run.status == "completed"])
    torn_down(server, told)
    assert teardowns(server) == ["success"]


def test_the_id_that_the_dispatch_told_is_kept_where_the_run_is_never_shown(tmp_path: Path) -> None:
    with GitHubServer(scripted(), check_answers=False) as server:
        server.add_repository(REPOSITORY, files=FILES)
        told = record(server, tmp_path)
        server.plant(Answers(403, path=r"/actions/runs/\d+$", message="no"))
        with pytest.raises(Denied):
            begun(server, told)
        assert told["run"] == server.runs(REPOSITORY)[0].run_id


def test_of_two_dispatches_of_ours_the_one_that_began_is_torn_down(server: GitHubServer, tmp_path: Path) -> None:
    server.plant(RunsForEver("deploy.yml"))
    id = f"{TRIAL}-1"
    runs = [server.dispatch(REPOSITORY, "deploy.yml", inputs={"correlation_id": id}) for _ in range(2)]
    server.wait_for(lambda: [run.status for run in runs] == ["in_progress", "pending"])
    torn_down(server, record(server, tmp_path, correlation=id))
    assert [run.conclusion for run in runs] == ["cancelled", "cancelled"]
    assert teardowns(server) == ["success"]


def test_what_the_first_attempt_began_is_torn_down_though_the_second_did_not(
    server: GitHubServer, tmp_path: Path
) -> None:
    run = over(server)
    server.plant(RunsForEver("teardown.yml", times=1))
    blocking = server.dispatch(REPOSITORY, "teardown.yml")
    server.wait_for(lambda: blocking.status == "in_progress")
    again(server, run)
    server.cancel(run)
    server.cancel(blocking)
    server.wait_for(lambda: run.conclusion == "cancelled" and blocking.conclusion == "cancelled")
    torn_down(server, record(server, tmp_path, run=run.run_id))
    assert teardowns(server) == ["cancelled", "success"]


def test_a_run_of_ours_is_known_by_its_age_though_our_clock_is_another(
    server: GitHubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = "acme/silent"
    server.add_repository(repository, files={**FILES, ".github/workflows/deploy.yml": SILENT})
    monkeypatch.setattr("tests.systems.test_taking_away.REPOSITORY", repository)
    told = record(server, tmp_path)
    late = SimpleNamespace(time=lambda: time.time() - 3600)  # an hour behind the server's
    monkeypatch.setattr("seatrial.links.forge.runs.following.time", late)
    monkeypatch.setattr("seatrial.links.forge.github.api.time", late)
    begun(server, told)
    told["run"] = 0  # killed before it was written down
    torn_down(server, {**told, "looked": True})
    assert teardowns(server) == ["success"]


def test_another_environments_teardown_is_not_ours(server: GitHubServer, tmp_path: Path) -> None:
    into = TEARDOWN.replace("    inputs:\n", "    inputs:\n      place: {type: string, default: production}\n")
    server.add_repository("acme/places", files={**FILES, ".github/workflows/teardown.yml": into})
    run = server.dispatch("acme/places", "deploy.yml")
    server.wait_for(lambda: run.status == "completed")
    other = server.dispatch("acme/places", "teardown.yml", inputs={"place": "production"}, actor="grace")
    server.wait_for(lambda: other.status == "completed")
    told = record(server, tmp_path, run=run.run_id, repository="acme/places", inputs={"place": "trial"})
    torn_down(server, told)
    mine = server.runs("acme/places", "teardown.yml")[-1]
    assert (mine.inputs["place"], mine.conclusion) == ("trial", "success")
    assert "it is already torn down" in torn_down(server, told)
    assert len(server.runs("acme/places", "teardown.yml")) == 2


# What is another's


def test_a_deployment_that_somebody_ran_again_after_ours_is_left_to_them(server: GitHubServer, tmp_path: Path) -> None:
    old = over(server, actor="grace")
    ours = over(server)
    again(server, old)
    server.wait_for(lambda: old.status == "completed")
    with pytest.raises(LeftBehind, match="deployed over this run's deployment"):
        torn_down(server, record(server, tmp_path, run=ours.run_id))
    assert teardowns(server) == []


def history(server: GitHubServer, folder: Path) -> WorkflowRun | None:
    told = record(server, folder)

    async def looking(forge: GitHub) -> WorkflowRun | None:
        found = await by_history(forge, told, "teardown.yml", DeploymentHistory(folder), Environment(alone=True))
        return found.run if found else None

    return with_forge(server, looking)


def test_a_deployment_that_was_run_again_after_its_teardown_stands(server: GitHubServer, tmp_path: Path) -> None:
    run = over(server, actor="grace")
    over(server, "teardown.yml", actor="grace")
    assert history(server, tmp_path) is None
    again(server, run)
    server.wait_for(lambda: run.status == "completed")
    found = history(server, tmp_path)
    assert (found.id, found.attempt) == (run.run_id, 2) if found else False


def test_a_deployment_stands_behind_a_hundred_that_failed(
    server: GitHubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.links.forge.github.PAGE", 3)
    monkeypatch.setattr("seatrial.systems.github_actions.standing.MANY", 3)
    monkeypatch.setattr(GitHub.runs, "__kwdefaults__", {**(GitHub.runs.__kwdefaults__ or {}), "most": 3})
    run = over(server, actor="grace")
    for _ in range(4):
        server.plant(Fails("deploy.yml", times=1))
        over(server, actor="grace")
    found = history(server, tmp_path)
    assert found is not None
    assert found.id == run.run_id


def test_a_list_that_the_server_cuts_is_not_taken_for_the_whole(
    server: GitHubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.links.forge.github.PAGE", 2)
    monkeypatch.setattr("seatrial.links.forge.github.PAGES", 2)
    runs = [over(server) for _ in range(5)]

    async def asked(forge: GitHub) -> int:
        assert len(await forge.runs("deploy.yml", above=runs[2].run_id)) == 2
        return len(await forge.runs("deploy.yml", above=runs[0].run_id - 1))

    with pytest.raises(CannotTell, match="more runs above"):
        with_forge(server, asked)


def test_a_repository_that_was_renamed_is_told_so(server: GitHubServer) -> None:
    server.plant(Answers(301, path="/repos/acme/notes/", message="Moved Permanently"))
    with pytest.raises(Rejected, match=r"renamed or moved: write its new name as `repository`; GET .* answers 301"):
        with_forge(server, lambda forge: forge.runs("deploy.yml"))


# Which attempt


def test_an_attempt_that_somebody_else_began_is_not_followed(server: GitHubServer) -> None:
    run = over(server)
    ours = with_forge(server, lambda forge: forge.run(run.run_id))
    again(server, run)
    server.wait_for(lambda: run.status == "completed")
    going = WorkflowRun(id=ours.id, status="in_progress", attempt=1)
    with pytest.raises(CannotTell, match=r"run again by ada .* it is attempt 2, and the trial started attempt 1"):
        with_forge(server, lambda forge: until_over(forge, going, SOON, lambda text: None))


# What is said of the machines


def test_nothing_in_a_list_of_addresses_is_no_machine_called_none() -> None:
    assert _named("worker", [None, "192.0.2.1", " "]) == [("worker2", "192.0.2.1")]
    with pytest.raises(StepFailed, match="not a text"):
        _named("worker", [{"ip": "192.0.2.1"}])
