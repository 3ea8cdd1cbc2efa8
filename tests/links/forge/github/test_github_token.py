from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from seatrial.errors import CannotTell
from seatrial.links.forge.github import find_token, host_of


def found(given: str = "", url: str = "https://api.github.com", **environment: str) -> str:
    return asyncio.run(find_token(given, url, {"PATH": "/nowhere", **environment}))


def test_the_document_goes_before_the_environment_and_an_enterprise_server_has_names_of_its_own() -> None:
    every = {"GH_TOKEN": "gh", "GITHUB_TOKEN": "github", "GH_ENTERPRISE_TOKEN": "ghe"}
    assert found("own ", **every) == "own"
    assert found(**every) == "gh"
    assert found(GITHUB_TOKEN="github") == "github"
    assert found(url="https://ghe.example.org/api/v3", **every) == "ghe"
    assert found(url="https://ghe.example.org/api/v3", GH_TOKEN="gh") == "gh"


def test_gh_is_asked_for_the_host_and_by_arguments(tmp_path: Path) -> None:
    script = tmp_path / "gh"
    script.write_text('#!/bin/sh\n[ "$*" = "auth token --hostname ghe.example.org:8443" ] && echo from-gh\n')
    script.chmod(0o755)
    path = f"{tmp_path}:{os.defpath}"
    assert found(url="https://ghe.example.org:8443/api/v3", PATH=path) == "from-gh"
    with pytest.raises(CannotTell, match=r"no token for github\.com: set GH_TOKEN or GITHUB_TOKEN"):
        found(PATH=path)


def test_without_any_the_error_says_what_to_set() -> None:
    with pytest.raises(CannotTell, match=r"gh auth login --hostname github\.com"):
        found()
    assert host_of("https://api.github.com") == "github.com"
