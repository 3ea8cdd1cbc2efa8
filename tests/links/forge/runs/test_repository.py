from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.errors import CannotTell, UsageError
from seatrial.expressions import late
from seatrial.links.forge.runs.order import carries
from seatrial.links.forge.runs.repository import find_place


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))


def test_what_is_said_goes_before_the_environment(tmp_path: Path) -> None:
    there = {"GITHUB_REPOSITORY": "a/b", "GITHUB_API_URL": "https://ghe/api/v3/", "GITHUB_REF_NAME": "trunk"}
    place = find_place(tmp_path, there)
    assert (place.repository, place.api_url, place.ref) == ("a/b", "https://ghe/api/v3", "trunk")
    place = find_place(tmp_path, there, repository="c/d", api_url="http://localhost:1", ref="v1")
    assert (place.repository, place.api_url, place.ref) == ("c/d", "http://localhost:1", "v1")
    assert find_place(tmp_path, {}, repository="c/d", ref="v1").api_url == "https://api.github.com"


@pytest.mark.parametrize(("said", "why"), [
    ({"ref": "main"}, "no repository is named"),
    ({"repository": "notes", "ref": "main"}, "invalid repository 'notes'"),
    ({"repository": "a/b"}, "no branch is checked out"),
    ({"repository": "a/b", "ref": "main", "api_url": "ghe.example.org"}, "invalid API URL"),
])  # fmt: skip
def test_what_is_missing_or_wrong_is_said(said: dict[str, str], why: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=why):
        find_place(tmp_path, {}, **said)


def test_secrets_stay_templates_until_they_are_needed() -> None:
    told = {"a": "x ${{ secrets.KEY }} ${{ parameters.p }}", "b": ["${{ env.HOME }}"], "n": 3}
    names = {"parameters": {"p": "P"}, "secrets": {"KEY": "k"}, "env": {"HOME": "h"}}
    back = late.keep(told, names)
    assert back == {"a": "x ${{ secrets.KEY }} P", "b": ["${{ env.HOME }}"], "n": 3}
    seen: list[str] = []
    assert late.fill(back, {"KEY": "k", "HOME": "h"}, seen.append) == {"a": "x k P", "b": ["h"], "n": 3}
    assert seen == ["k", "h"]
    with pytest.raises(CannotTell, match="the environment variable KEY is needed"):
        late.fill(back, {"HOME": "h"})


def test_a_token_is_written_down_as_the_name_of_its_variable() -> None:
    assert late.template_of("t0k3n", {"OTHER": "x", "DEPLOY_TOKEN": "t0k3n"}) == "${{ secrets.DEPLOY_TOKEN }}"
    assert late.template_of("t0k3n", {}) == ""
    assert late.template_of("", {"GH_TOKEN": ""}) == ""


@pytest.mark.parametrize(("title", "ours"), [
    ("Deploy t1abc-01", True), ("t1abc-01", True), ("[t1abc-01] to production", True), ("deploy_t1abc-01", True),
    ("Deploy t1abc-012", False), ("Deploy xt1abc-01", False), ("Deploy T1ABC-01", False), ("", False),
])  # fmt: skip
def test_a_name_carries_an_id_only_whole(title: str, ours: bool) -> None:
    assert carries(title, "t1abc-01") is ours
