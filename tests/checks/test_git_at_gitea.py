"""The check `git` at a real Gitea."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.backends.gitea import USER, gitea
from tests.checks.fakes import FakeContext, look, verdict

from seatrial.checks.git import Git
from seatrial.model.values import Expression


@pytest.mark.backend("gitea")
def test_a_private_repository_of_gitea_is_read_with_a_token(tool: Callable[[str], Path]) -> None:
    with gitea(tool("gitea")) as server:
        made = {"name": "notes", "private": True, "auto_init": True, "default_branch": "main"}
        server.api("POST", "user/repos", json.dumps(made).encode())
        content = base64.b64encode(b'{"replicas": 3}').decode()
        server.api("POST", f"repos/{USER}/notes/contents/deploy/app.json",
                   json.dumps({"content": content, "message": "Three", "new_branch": "run-1"}).encode())  # fmt: skip
        check = Git(url=f"{server.url}/{USER}/notes.git", user=USER, token=server.token, branch="run-1",
                    path="deploy/app.json")  # fmt: skip
        good = replace(check, that=Expression("json.replicas == 3 && commit.message == 'Three'"))
        assert look(good, FakeContext()).verdict == "passed"
        assert look(replace(good, that=Expression("json.replicas == 4")), FakeContext()).verdict == "failed"
        assert look(replace(check, branch="main"), FakeContext()).verdict == "failed"
        assert look(replace(check, branch="run-2", path=""), FakeContext()).verdict == "failed"
        for other in (replace(check, token="wrong"), replace(check, url=f"{server.url}/{USER}/other.git")):
            assert verdict(other, FakeContext()) == "unknown"
            assert verdict(replace(other, exists=False), FakeContext()) == "unknown"
