"""Every answer is held against GitHub's own description of its API."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from github_server.workflows import FILES, REPOSITORY, speaking
from seatrial_stand_ins.github import GitHubServer
from seatrial_stand_ins.github.endpoints import ENDPOINTS
from seatrial_stand_ins.github.openapi import NEW, OLD, description, wrong


def test_the_description_has_every_operation_that_is_served_and_no_other() -> None:
    described = {(method.upper(), path) for path, methods in description(OLD)["paths"].items() for method in methods}
    assert described == {(one.method, one.template) for one in ENDPOINTS}
    assert (
        resources.files("seatrial_stand_ins.github").joinpath("openapi.LICENSE").read_text().startswith("MIT License")
    )


def test_the_newer_version_has_the_published_changes() -> None:
    dispatch = "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches"
    assert set(description(OLD)["paths"][dispatch]["post"]["responses"]) == {"200", "204"}
    assert set(description(NEW)["paths"][dispatch]["post"]["responses"]) == {"200"}
    assert "rate" in description(OLD)["components"]["schemas"]["rate-limit-overview"]["required"]
    assert "rate" not in description(NEW)["components"]["schemas"]["rate-limit-overview"]["properties"]
    assert "x-github-breaking-changes" not in json.dumps(description(NEW))


@pytest.mark.parametrize(
    "method, template, status, has_body, body, said",
    [
        ("GET", "/rate_limit", 200, True, {}, "is a required property"),
        ("GET", "/rate_limit", 200, False, None, "has no body"),
        ("GET", "/rate_limit", 201, True, {}, "has no such answer"),
        ("PUT", "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/enable", 204, True, {}, "has a body"),
        ("GET", "/rate_limit", 403, True, {"message": 7}, "7 is not of type 'string'"),
        ("GET", "/rate_limit", 403, True, {"message": "no"}, ""),
        ("GET", "/repos/{owner}/{repo}/actions/artifacts/{artifact_id}/{archive_format}", 302, False, None, ""),
    ],
)
def test_what_differs_from_the_description_is_said(
    method: str, template: str, status: int, has_body: bool, body: object, said: str
) -> None:
    found = wrong(OLD, method, template, status, has_body, body)
    assert (said in found) if said else (found == "")


def test_an_answer_of_ours_that_is_not_as_described_fails_the_request_and_the_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from seatrial_stand_ins.github.shapes import Shapes

    true = Shapes.run

    def broken(self, *arguments):
        return {**true(self, *arguments), "head_sha": None}

    monkeypatch.setattr(Shapes, "run", broken)
    with pytest.raises(AssertionError, match="head_sha"):  # noqa: SIM117, PT012
        with GitHubServer() as server, speaking(server) as client:
            server.add_repository(REPOSITORY, files=FILES)
            client.dispatch()
            answer = client.ask("/actions/runs", expect=500)
            assert "head_sha" in answer.json()["message"]
            assert len(server.problems) == 1
    with GitHubServer(check_answers=False) as server, speaking(server) as client:
        server.add_repository(REPOSITORY, files=FILES)
        client.dispatch()
        assert client.get("/actions/runs")["workflow_runs"][0]["head_sha"] is None
