"""Flows that write to repositories of others at a real Gitea: each is caught, and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.acceptance.harness import Document, Project
from tests.backends.gitea import USER, gitea

pytestmark = pytest.mark.backend("gitea")

AT = {"server": "${{ env.GITEA_URL }}", "token": "${{ secrets.GITEA_TOKEN }}"}
CLONE = {"user": USER, "token": "${{ secrets.GITEA_TOKEN }}"}


def until(file: str) -> Document:
    line = f"until test -e {file}; do sleep 0.05; done"
    return {"step": "custom_command", "custom_command": ["sh", "-c", line]}


def touch(file: str) -> Document:
    return {"step": "custom_command", "custom_command": ["touch", file]}


def push(url: str, **more: object) -> Document:
    return {"step": "git_commit", "url": url, "files": {"a.txt": "${{ trial.id }}"}, **CLONE, **more}


def test_who_writes_to_another_repository_is_named(project: Project, tool: Callable[[str], Path]) -> None:
    with gitea(tool("gitea")) as server:
        server.api("POST", "user/repos", json.dumps({"name": "shared", "auto_init": True}).encode())
        own = "${{ steps.repo.outputs.clone_url }}"
        make: Document = {"step": "git_repository", "id": "repo", **AT}
        victim = f"{server.url}/{USER}/victims.git"
        seen = f"until grep -q 'Repository {USER}/victims' .seatrial/runs/*/events.jsonl; do sleep 0.05; done"
        until_found: Document = {"step": "custom_command", "custom_command": ["timeout", "120", "sh", "-c", seen]}
        create = (
            'curl -fsS -X POST -H "Authorization: token $GITEA_TOKEN" -H "Content-Type: application/json" '
            '-d \'{"name": "stray"}\' "$GITEA_URL/api/v1/user/repos"'
        )
        suites = {
            "good": [make, push(own), touch("good")],
            "victim": [{**make, "name": "victims"}, touch("ready"), until_found],
            "into-victims": [make, until("ready"), push(victim)],
            "into-shared": [make, push(f"{server.url}/{USER}/shared.git")],
            "new": [make, {"step": "custom_command", "custom_command": ["sh", "-c", create]}],
        }
        system = {"kind": "command", "deploy": "true", "destroy": "true"}
        flows = {name: {"workflow": steps} for name, steps in suites.items()}
        document = project.write("flows.json", {"system": system, "test_suites": flows})
        env = {**project.environment, "GITEA_URL": server.url, "GITEA_TOKEN": server.token}
        ran = project.seatrial("run", document, "--parallel", len(flows), env=env, timeout=300)
        assert ran.returncode == 1, ran.stdout + ran.stderr
        rows = {suite["name"]: suite for suite in project.results()["results"]}
        found = {
            name: [(one["change"], one["what"], one["blame"]) for one in suite.get("contamination", ())]
            for name, suite in rows.items()
        }
        stray = ("made", f"Repository {USER}/stray")
        strays = {name: [one for one in ones if one[:2] != stray] for name, ones in found.items()}
        assert strays == {
            "good": [],
            "victim": [],
            "into-victims": [("changed", f"Repository {USER}/victims", "this")],
            "into-shared": [("changed", f"Repository {USER}/shared", "this")],
            "new": [],
        }, ran.stdout
        assert {name: suite["verdict"] for name, suite in rows.items()} == {
            "good": "passed", "victim": "passed", "into-victims": "failed", "into-shared": "failed", "new": "passed",
        }  # fmt: skip
        assert (*stray, "nobody") in found["new"]  # made by the token of all of them, and nothing says by which flow
        (changed,) = rows["into-victims"]["contamination"][:1]
        assert rows["victim"]["trial_id"] in changed["mark"]
