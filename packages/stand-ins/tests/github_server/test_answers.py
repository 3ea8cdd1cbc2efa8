"""Limits, conditional requests, and answers that are planted."""

from __future__ import annotations

import time

import httpx
import pytest

from github_server.workflows import FILES, REPOSITORY, Client, speaking
from seatrial_stand_ins.github import (
    Answers,
    GitHubServer,
    HangsUp,
    Quota,
    RateLimited,
    SecondaryLimit,
    ServerErrors,
    Slow,
)


def test_every_answer_says_what_is_left_and_asking_for_that_is_free(server: GitHubServer, client: Client) -> None:
    answer = client.ask("")
    assert (answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]) == ("5000", "4999")
    assert int(answer.headers["x-ratelimit-reset"]) > time.time() + 3000
    for _ in range(3):
        assert client.get("//rate_limit")["resources"]["core"]["used"] == 1


def test_when_nothing_is_left_it_is_403_until_the_hour_is_over(server: GitHubServer, client: Client) -> None:
    server.plant(Quota(remaining=2, reset_in=4))
    assert client.ask("").headers["x-ratelimit-remaining"] == "1"
    client.ask("")
    refused = client.ask("", expect=403)
    assert "rate limit exceeded" in refused.json()["message"]
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert 0 <= int(refused.headers["x-ratelimit-reset"]) - time.time() < 6
    server.wait_for(lambda: client.http.get(f"/repos/{REPOSITORY}").status_code == 200)
    assert client.ask("").headers["x-ratelimit-remaining"] == "4998"


def test_a_limit_of_its_own_is_kept_by_each_token() -> None:
    with GitHubServer(rate_limit=2) as server, speaking(server) as client:
        server.add_repository(REPOSITORY, files=FILES)
        for status in (200, 200, 403):
            client.ask("", expect=status)
        with speaking(server, server.add_token("bob")) as other:
            other.ask("")


def test_what_has_not_changed_is_304_and_costs_nothing(server: GitHubServer, client: Client) -> None:
    first = client.ask("/actions/runs")
    for _ in range(3):
        again = client.ask("/actions/runs", expect=304, headers={"if-none-match": first.headers["etag"]})
        assert again.content == b""
        assert again.headers["x-ratelimit-used"] == "1"
    client.dispatch()
    changed = client.ask("/actions/runs", headers={"if-none-match": first.headers["etag"]})
    assert changed.headers["etag"] != first.headers["etag"]


def test_the_limits_of_github_are_planted_with_their_headers(server: GitHubServer, client: Client) -> None:
    server.plant(RateLimited("/actions/runs", reset_in=1))
    primary = client.ask("/actions/runs", expect=403)
    assert (primary.headers["x-ratelimit-limit"], primary.headers["x-ratelimit-remaining"]) == ("5000", "0")
    assert int(primary.headers["x-ratelimit-reset"]) - time.time() <= 2
    server.plant(SecondaryLimit(retry_after=7))
    secondary = client.ask("/actions/runs", expect=429)
    assert (secondary.headers["retry-after"], "secondary rate limit" in secondary.text) == ("7", True)
    server.plant(SecondaryLimit(status=403, retry_after=None))
    assert "retry-after" not in client.ask("/actions/runs", expect=403).headers
    client.ask("/actions/runs")


def test_errors_are_planted_for_a_while_and_where_they_are_wanted(server: GitHubServer, client: Client) -> None:
    planted = server.plant(ServerErrors("/actions/runs", method="get", times=2, skip=1))
    assert [client.http.get(f"/repos/{REPOSITORY}/actions/runs").status_code for _ in range(4)] == [200, 500, 500, 200]
    client.ask("")
    assert planted.happened == 2
    lasting = server.plant(ServerErrors(status=502, seconds=2))
    client.ask("", expect=502)
    server.wait_for(lambda: client.http.get(f"/repos/{REPOSITORY}").status_code == 200)
    lasting.remove()
    server.plant(Answers(418, message="I am a teapot", times=1))
    assert client.ask("", expect=418).json()["message"] == "I am a teapot"
    assert server.problems == []


@pytest.mark.parametrize(
    "plant", [ServerErrors("dispatches", times=1, after_effect=True), HangsUp("dispatches", after_effect=True)]
)
def test_a_dispatch_may_have_its_effect_although_its_answer_is_lost(
    server: GitHubServer, client: Client, plant: Answers | HangsUp
) -> None:
    server.plant(plant)
    path = f"/repos/{REPOSITORY}/actions/workflows/deploy.yml/dispatches"
    if isinstance(plant, HangsUp):
        with pytest.raises(httpx.RemoteProtocolError):
            client.http.post(path, json={"ref": "main"})
    else:
        assert client.http.post(path, json={"ref": "main"}).status_code == 500
    assert len(server.runs(REPOSITORY)) == 1


def test_hanging_up_before_the_effect_leaves_nothing_and_slow_is_slow(server: GitHubServer, client: Client) -> None:
    server.plant(HangsUp())
    with pytest.raises(httpx.RemoteProtocolError):
        client.ask("/actions/workflows/deploy.yml/dispatches", "POST", json={"ref": "main"})
    assert server.runs(REPOSITORY) == []
    assert server.requests[-1].status == 0
    server.plant(Slow(0.2, times=1))
    begun = time.monotonic()
    client.ask("")
    assert time.monotonic() - begun >= 0.2


def test_requests_are_remembered_without_any_token(server: GitHubServer, client: Client) -> None:
    client.ask("/actions/runs?per_page=1")
    last = server.requests[-1]
    assert (last.method, last.path, last.status, last.login) == (
        "GET",
        f"/repos/{REPOSITORY}/actions/runs?per_page=1",
        200,
        "ada",
    )
    assert server.token not in repr(server.requests)


def test_the_api_is_at_the_root_too_as_on_github_com(server: GitHubServer, client: Client) -> None:
    with httpx.Client(
        base_url=server.site, headers={"authorization": f"token {server.token}"}, trust_env=False
    ) as http:
        answer = http.get(f"/repos/{REPOSITORY}/actions/runs").json()
        assert answer["total_count"] == 0
        assert http.get(f"/repos/{REPOSITORY}").json()["url"] == f"{server.site}/repos/{REPOSITORY}"
        assert "installed_version" not in http.get("/meta").json()
        assert http.get("/nothing").status_code == 404
    assert client.get("")["url"] == f"{server.url}/repos/{REPOSITORY}"
    assert client.get("//meta")["installed_version"]
    assert client.get("//user")["login"] == client.get("//users/ada")["login"] == "ada"
