from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.links.forge.github.scripted_api import Api, scripted_api

from seatrial.errors import CannotTell
from seatrial.links.forge.github import GitHub
from seatrial.links.forge.protocol import Absent, Denied, Rejected, Unsure
from seatrial_stand_ins.github import GitHubServer

ASKED = ("deploy.yml", "main", {"workers": 3, "dry": True, "name": "x", "none": None})


@pytest.fixture
def api() -> Iterator[Api]:
    with scripted_api() as api:
        yield api


def asked(api: Api, question: Any, patience: float = 5.0) -> Any:
    async def main() -> Any:
        github = GitHub(api.url, "acme/notes", "t0k3n-of-tests", patience=patience)
        try:
            return await question(github)
        finally:
            await github.close()

    return asyncio.run(main())


def test_inputs_are_texts_on_the_wire_and_the_id_is_asked_for(api: Api) -> None:
    api.answers = [(200, {}, {"workflow_run_id": 7})]
    assert asked(api, lambda github: github.dispatch(*ASKED)) == 7
    (request,) = api.seen
    assert request.path == "/repos/acme/notes/actions/workflows/deploy.yml/dispatches"
    assert request.headers["x-github-api-version"] == "2022-11-28"
    inputs = {"workers": "3", "dry": "true", "name": "x", "none": ""}
    assert request.body == {"ref": "main", "inputs": inputs, "return_run_details": True}


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_does_not_know_the_field_is_asked_again_without_it(api: Api, status: int) -> None:
    refusal = {"message": 'Invalid request. "return_run_details" is not a permitted key.'}
    api.answers = [(status, {}, refusal), (204, {}, None), (204, {}, None)]

    async def twice(github: GitHub) -> list[int]:
        return [await github.dispatch(*ASKED), await github.dispatch(*ASKED)]

    assert asked(api, twice) == [0, 0]
    assert ["return_run_details" in request.body for request in api.seen] == [True, False, False]


def test_another_version_of_the_api_is_taken_where_the_first_is_not_known(api: Api) -> None:
    old = {"message": "The API version '2022-11-28' is not supported"}
    api.answers = [(400, {}, old), (200, {}, {"workflow_run_id": 8})]
    assert asked(api, lambda github: github.dispatch(*ASKED)) == 8
    assert [one.headers.get("x-github-api-version") for one in api.seen] == ["2022-11-28", "2026-03-10"]
    assert "return_run_details" not in api.seen[1].body


@pytest.mark.parametrize(("answer", "kind", "said"), [
    ((401, {}, {"message": "Bad credentials"}), Denied, "the token is not valid"),
    ((403, {"x-accepted-github-permissions": "actions=write"}, {"message": "no"}), Denied, "right `actions=write`"),
    ((403, {"x-oauth-scopes": "gist"}, {"message": "no"}), Denied, "`actions: write` .it has the scopes: gist"),
    ((404, {}, {"message": "Not Found"}), Absent, "it does not exist, or the token needs the right `actions: write`"),
    ((422, {}, {"message": "Unexpected inputs provided"}), Rejected, "Unexpected inputs provided"),
    ((502, {}, None), Unsure, "answers 502"),
])  # fmt: skip
def test_what_a_refused_dispatch_means(api: Api, answer: Any, kind: type[Exception], said: str) -> None:
    api.answers = [answer]
    with pytest.raises(kind, match=said) as caught:
        asked(api, lambda github: github.dispatch(*ASKED))
    assert type(caught.value) is kind
    assert "t0k3n" not in str(caught.value)
    assert len(api.seen) == 1


def test_what_has_not_changed_is_not_sent_again(api: Api) -> None:
    run = {"id": 7, "status": "queued"}
    api.answers = [(200, {"etag": '"a"'}, run), (304, {}, None), (200, {"etag": '"b"'}, {**run, "status": "completed"})]

    async def thrice(github: GitHub) -> list[str]:
        return [(await github.run(7)).status for _ in range(3)]

    assert asked(api, thrice) == ["queued", "queued", "completed"]
    assert [one.headers.get("if-none-match") for one in api.seen] == [None, '"a"', '"a"']


def test_faults_that_last_end_in_cannot_tell(api: Api) -> None:
    api.default = (503, {}, {"message": "Service Unavailable"})
    with pytest.raises(CannotTell, match=r"could not be asked any longer: .* answers 503: Service Unavailable"):
        asked(api, lambda github: github.run(7), patience=2.0)
    assert len(api.seen) == 3


def test_an_answer_that_makes_no_sense_is_said(api: Api) -> None:
    api.answers = [(200, {}, {"workflow_runs": "none"})]
    with pytest.raises(CannotTell, match="answers without 'workflow_runs'"):
        asked(api, lambda github: github.runs("deploy.yml"))


def test_a_token_of_a_workflow_has_no_user(api: Api) -> None:
    api.answers = [(403, {}, {"message": "Resource not accessible by integration"})]
    assert asked(api, lambda github: github.who()) == ""


def test_every_run_above_a_number_is_found_on_all_pages(tmp_path: Path) -> None:
    text = "on: workflow_dispatch\njobs: {a: {runs-on: x, steps: [{run: a}]}}\n"
    with GitHubServer() as server:
        server.add_repository("acme/notes", files={".github/workflows/deploy.yml": text})
        first = server.dispatch("acme/notes", "deploy.yml")
        ours = [server.dispatch("acme/notes", "deploy.yml").run_id for _ in range(105)]

        async def main() -> list[int]:
            github = GitHub(server.url, "acme/notes", server.token)
            try:
                return [run.id for run in await github.runs("deploy.yml", above=first.run_id)]
            finally:
                await github.close()

        assert asyncio.run(main()) == ours[::-1]


def test_a_limit_is_waited_for_longer_than_a_fault_where_there_is_time(api: Api) -> None:
    api.answers = [(403, {"retry-after": "1"}, {"message": "secondary rate limit"}), (200, {}, {"id": 7})]

    async def main(limited: float) -> int:
        github = GitHub(api.url, "acme/notes", "t0k3n-of-tests", patience=0.5, limited=limited)
        try:
            return (await github.run(7)).id
        finally:
            await github.close()

    assert asyncio.run(main(5)) == 7
    api.answers = [(403, {"retry-after": "1"}, {"message": "secondary rate limit"})]
    with pytest.raises(CannotTell, match="limits our requests for 1 s more, and 0 s are left"):
        asyncio.run(main(0))
