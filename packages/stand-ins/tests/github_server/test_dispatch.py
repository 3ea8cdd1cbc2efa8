"""Dispatching: what the answer says, which inputs are taken, and who may."""

from __future__ import annotations

import pytest

from github_server.workflows import FILES, REPOSITORY, Client, over, speaking
from seatrial_stand_ins.github import ForeignRuns, GitHubServer

DISPATCHES = "/actions/workflows/deploy.yml/dispatches"


def test_the_answer_names_the_run_when_it_is_asked_for(server: GitHubServer, client: Client) -> None:
    said = client.ask(DISPATCHES, "POST", json={"ref": "main", "return_run_details": True}).json()
    (run,) = server.runs(REPOSITORY)
    assert said["workflow_run_id"] == run.run_id
    assert client.http.get(said["run_url"]).json()["id"] == run.run_id
    assert client.ask(DISPATCHES, "POST", 204, json={"ref": "main"}).content == b""


def test_version_2026_03_10_names_the_run_always_and_knows_the_wish_no_more(server: GitHubServer) -> None:
    with speaking(server, **{"x-github-api-version": "2026-03-10"}) as client:
        assert "workflow_run_id" in client.ask(DISPATCHES, "POST", json={"ref": "main"}).json()
        asked = {"ref": "main", "return_run_details": True}
        assert "not a permitted key" in client.ask(DISPATCHES, "POST", 422, json=asked).json()["message"]
        assert "rate" not in client.get("//rate_limit")
    with speaking(server, **{"x-github-api-version": "1999-01-01"}) as client:
        client.ask(DISPATCHES, "POST", 400, json={"ref": "main"})


@pytest.mark.parametrize("details, status", [("refused", 400), ("ignored", 204)])
def test_an_older_enterprise_server_names_no_run(details: str, status: int) -> None:
    with GitHubServer(run_details=details) as server, speaking(server) as client:  # type: ignore[arg-type]
        server.add_repository(REPOSITORY, files=FILES)
        client.ask(DISPATCHES, "POST", status, json={"ref": "main", "return_run_details": True})
        client.ask(DISPATCHES, "POST", 204, json={"ref": "main"})
        newest = {"x-github-api-version": "2026-03-10"}
        client.ask(DISPATCHES, "POST", 400, json={"ref": "main"}, headers=newest)
        assert client.get("//meta")["installed_version"] == "3.19.1"
        assert len(server.runs(REPOSITORY)) == (1 if details == "refused" else 2)


def test_inputs_are_typed_and_have_their_defaults_and_the_run_its_name(server: GitHubServer, client: Client) -> None:
    run = over(server, client.dispatch(workers="3", debug="true", correlation="c-17"))
    assert run.inputs == {"workers": 3, "size": "small", "debug": True, "place": "", "correlation": "c-17"}
    shown = client.get(f"/actions/runs/{run.run_id}")
    assert (shown["display_title"], shown["name"]) == ("Deploy 3 c-17", "Deploy")
    other = over(server, client.dispatch("free.yml", who="me"))
    assert other.title == "Free", "a workflow without a run name"


@pytest.mark.parametrize(
    "workflow, body, message",
    [
        ("deploy.yml", {}, '"ref" wasn\'t supplied'),
        ("deploy.yml", {"ref": "main", "more": 1}, '"more" is not a permitted key'),
        ("deploy.yml", {"ref": "main", "inputs": [1]}, "is not an object"),
        ("deploy.yml", {"ref": "nowhere"}, "No ref found for: nowhere"),
        ("deploy.yml", {"ref": "main", "inputs": {"x": "1", "y": "2"}}, 'Unexpected inputs provided: ["x", "y"]'),
        (
            "deploy.yml",
            {"ref": "main", "inputs": {"size": "huge"}},
            "'huge' for input 'size' not in the list of allowed",
        ),
        ("deploy.yml", {"ref": "main", "inputs": {"debug": ""}}, "Provided value '' for input 'debug' not in the list"),
        ("deploy.yml", {"ref": "main", "inputs": {"workers": "three"}}, "Provided value 'three' for input 'workers'"),
        ("deploy.yml", {"ref": "main", "inputs": {"place": "mars"}}, "Provided value 'mars' for input 'place'"),
        ("deploy.yml", {"ref": "main", "inputs": {f"x{n}": "" for n in range(26)}}, "No more than 25 properties"),
        ("free.yml", {"ref": "main"}, "Required input 'who' not provided"),
        ("checks.yaml", {"ref": "main"}, "Workflow does not have 'workflow_dispatch' trigger"),
    ],
)
def test_what_is_wrong_with_a_dispatch_is_said_as_github_says_it(
    server: GitHubServer, client: Client, workflow: str, body: object, message: str
) -> None:
    answer = client.ask(f"/actions/workflows/{workflow}/dispatches", "POST", 422, json=body)
    assert message in answer.json()["message"]
    assert server.runs(REPOSITORY) == []


def test_the_workflow_is_read_at_the_ref_and_must_be_on_the_default_branch(
    server: GitHubServer, client: Client
) -> None:
    repository = server.repositories[REPOSITORY]
    on_branch = FILES[".github/workflows/free.yml"].replace("who:", "whom:")
    new = {".github/workflows/free.yml": on_branch, ".github/workflows/new.yml": on_branch}
    sha = repository.commit(new, branch="topic")
    body = {"ref": "topic", "inputs": {"whom": "x"}}
    client.ask("/actions/workflows/new.yml/dispatches", "POST", 404, json=body)
    client.ask("/actions/workflows/free.yml/dispatches", "POST", 204, json=body)
    (run,) = server.runs(REPOSITORY)
    assert (run.sha, run.ref) == (sha, "refs/heads/topic")


def test_a_disabled_workflow_is_not_dispatched(client: Client) -> None:
    client.ask("/actions/workflows/deploy.yml/disable", "PUT", 204)
    assert client.get("/actions/workflows/deploy.yml")["state"] == "disabled_manually"
    client.ask(DISPATCHES, "POST", 422, json={"ref": "main"})
    client.ask("/actions/workflows/deploy.yml/enable", "PUT", 204)
    client.ask(DISPATCHES, "POST", 204, json={"ref": "main"})


def test_who_may_not_is_told_so_or_told_nothing(server: GitHubServer) -> None:
    reader = server.add_token("eve", permissions={"actions": "read", "contents": "read"})
    stranger = server.add_token("mallory", repositories=("acme/other",))
    body = {"ref": "main"}
    with speaking(server, reader) as client:
        refused = client.ask(DISPATCHES, "POST", 403, json=body)
        assert refused.json()["message"] == "Resource not accessible by personal access token"
        assert refused.headers["x-accepted-github-permissions"] == "actions=write"
        assert client.get("/actions/runs")["total_count"] == 0
        client.ask("/deployments", expect=403)
    for token, status in ((stranger, 404), ("", 404), ("ghp_nobody", 401)):
        with speaking(server, token) as client:
            client.ask(DISPATCHES, "POST", status, json=body)
    server.revoke(reader)
    with speaking(server, reader) as client:
        client.ask("/actions/runs", expect=401)
    assert server.runs(REPOSITORY) == []


def test_a_public_repository_can_be_read_by_anybody_and_changed_by_nobody(server: GitHubServer) -> None:
    server.add_repository("acme/open", files=FILES, private=False)
    with speaking(server, "") as client:
        assert client.http.get("/repos/acme/open/actions/workflows").json()["total_count"] == 3
        answer = client.http.post("/repos/acme/open/actions/workflows/deploy.yml/dispatches", json={"ref": "main"})
        assert answer.status_code == 401


def test_a_classic_token_may_what_its_scopes_say(server: GitHubServer, client: Client) -> None:
    server.add_repository("acme/open", files=FILES, private=False)
    where, body = "/repos/acme/open/actions/workflows/deploy.yml/dispatches", {"ref": "main"}
    with speaking(server, server.add_token("bob", scopes=("public_repo",))) as bob:
        bob.ask("/actions/runs", expect=404)
        assert bob.http.post(where, json=body).status_code == 204
    with speaking(server, server.add_token("eve", scopes=("gist",))) as eve:
        refused = eve.http.post(where, json=body)
        assert (refused.status_code, refused.headers["x-accepted-oauth-scopes"]) == (403, "repo")
        assert (refused.headers["x-oauth-scopes"], eve.http.get("/repos/acme/open").status_code) == ("gist", 200)
    assert client.ask("").headers["x-oauth-scopes"] == "repo, workflow"


def test_others_dispatch_the_same_workflow_just_before_and_after(server: GitHubServer, client: Client) -> None:
    planted = server.plant(ForeignRuns(before=2, after=1, workflow="deploy.yml", times=1))
    own = client.dispatch(correlation="mine")
    runs = server.runs(REPOSITORY)
    assert [run.run_id == own for run in runs] == [False, False, True, False]
    assert [run.actor for run in runs] == ["somebody", "somebody", "ada", "somebody"]
    client.dispatch()
    assert planted.happened == 1
    assert len(server.runs(REPOSITORY)) == 5
