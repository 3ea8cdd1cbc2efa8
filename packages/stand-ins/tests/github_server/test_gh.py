"""The real `gh` command, PyPI's and Debian's, against the server over TLS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from github_server.conftest import OUTPUT
from github_server.workflows import FILES, REPOSITORY, over
from seatrial_stand_ins.github import ArtifactWithPaths, Fails, Gate, GitHubServer, RunsForEver, Script, Scripted

NEW = str(Path(sys.executable).parent / "gh")
COMMANDS = [
    pytest.param(NEW, id="pypi"),
    pytest.param("/usr/bin/gh", id="debian", marks=pytest.mark.backend("gh")),
]


class Gh:
    """The command, as somebody calls it who is signed in to the server."""

    def __init__(self, program: str, server: GitHubServer, folder: Path) -> None:
        self.program = program
        host = f"localhost:{server.port}"
        own = {"GH_HOST": host, "GH_REPO": f"{host}/{REPOSITORY}", "GH_ENTERPRISE_TOKEN": server.token}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GH_", "GITHUB_"))}
        quiet = {"GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1", "NO_COLOR": "1"}
        places = {"GH_CONFIG_DIR": str(folder / "config"), "XDG_CACHE_HOME": str(folder / "cache")}
        self.environment = {**kept, **own, **quiet, **places, "SSL_CERT_FILE": str(server.ca_file)}
        self.folder = folder

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [self.program, *arguments], env=self.environment, cwd=self.folder, text=True, stdout=pipe, stderr=pipe
        )

    def __call__(self, *arguments: str, expect: int = 0) -> str:
        """What it prints, when it ends as expected."""
        with self.begin(*arguments) as started:
            said, complained = started.communicate(timeout=60)
        assert started.returncode == expect, f"gh {' '.join(arguments)}: {started.returncode}\n{said}\n{complained}"
        return said + complained


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def served(gate: Gate) -> Iterator[GitHubServer]:
    scripts = {"free.yml": Script(gate=gate, log=("hello from the job",))}
    # The older gh gives the token of an Enterprise server to whatever host it is sent to.
    runner = Scripted(scripts=scripts, default=Script(artifacts=OUTPUT))
    with GitHubServer(runner, tls=True, storage_refuses_tokens=False) as server:
        server.add_repository(REPOSITORY, files=FILES)
        yield server


@pytest.mark.parametrize("program", COMMANDS)
def test_gh_lists_runs_watches_reads_downloads_and_cancels(
    program: str, served: GitHubServer, gate: Gate, tmp_path: Path
) -> None:
    gh = Gh(program, served, tmp_path)
    assert [line.split("\t")[0] for line in gh("workflow", "list").splitlines()] == ["Checks", "Deploy", "Free"]
    assert "Total runs 0" in gh("workflow", "view", "deploy.yml")
    assert "run-name: Deploy" in gh("workflow", "view", "deploy.yml", "--yaml")

    refused = gh("workflow", "run", "deploy.yml", "-f", "size=huge", expect=1)
    assert "HTTP 422: Provided value 'huge' for input 'size' not in the list of allowed values" in refused
    gh("workflow", "run", "deploy.yml", "-f", "workers=3", "-f", "correlation=c-1")
    deploy = over(served, served.runs(REPOSITORY)[0].run_id)
    assert (deploy.inputs["workers"], deploy.title) == (3, "Deploy 3 c-1")
    assert "Deploy 3 c-1" in gh("run", "list")
    assert json.loads(gh("run", "list", "--json", "databaseId,conclusion")) == [
        {"databaseId": deploy.run_id, "conclusion": "success"}
    ]
    assert "provision-output" in gh("run", "view", str(deploy.run_id))
    gh("run", "download", str(deploy.run_id), "-n", "provision-output", "-D", "out")
    assert json.loads((tmp_path / "out" / "outputs.json").read_text())["web_ip"] == "192.0.2.7"

    gh("workflow", "run", "free.yml", "--ref", "main", "-f", "who=me")
    free = served.runs(REPOSITORY, "free.yml")[0]
    watching = gh.begin("run", "watch", str(free.run_id), "--interval", "1", "--exit-status")
    asked = f"/actions/runs/{free.run_id}/jobs"
    served.wait_for(lambda: any(asked in request.path for request in list(served.requests)))
    gate.open()
    said, complained = watching.communicate(timeout=60)
    assert watching.returncode == 0, said + complained
    assert "✓ only" in said
    assert "hello from the job" in gh("run", "view", str(free.run_id), "--log")

    served.plant(Fails("deploy.yml", job="deploy", step="Build", message="no such image", times=1))
    gh("workflow", "run", "Deploy")
    failed = over(served, served.runs(REPOSITORY, "deploy.yml")[1].run_id)
    assert "##[error]no such image" in gh("run", "view", str(failed.run_id), "--log-failed")
    assert "no such image" in gh("run", "view", str(failed.run_id), "--exit-status", expect=1)
    gh("run", "rerun", str(failed.run_id), "--failed")
    served.wait_for(lambda: failed.last.number == 2 and failed.last.over)
    assert failed.conclusion == "success"

    served.plant(RunsForEver("deploy.yml", times=1))
    gh("workflow", "run", "deploy.yml")
    endless = served.runs(REPOSITORY, "deploy.yml")[2]
    gh("run", "cancel", str(endless.run_id))
    assert over(served, endless.run_id).conclusion == "cancelled"
    gh("workflow", "disable", "deploy.yml")
    assert "Deploy" not in gh("workflow", "list")


@pytest.mark.parametrize("program", COMMANDS)
def test_gh_refuses_an_archive_that_reaches_out_and_a_token_without_rights(
    program: str, served: GitHubServer, tmp_path: Path
) -> None:
    gh = Gh(program, served, tmp_path)
    served.plant(ArtifactWithPaths(paths=("../../evil.json",)))
    number = over(served, served.dispatch(REPOSITORY, "deploy.yml").run_id).run_id
    (tmp_path / "deep" / "er").mkdir(parents=True)
    with gh.begin("run", "download", str(number), "-D", "deep/er") as started:
        started.communicate(timeout=60)
    assert not list(tmp_path.rglob("evil.json"))
    gh.environment["GH_ENTERPRISE_TOKEN"] = served.add_token("eve", permissions={"actions": "read", "contents": "read"})
    assert "HTTP 403: Resource not accessible" in gh("workflow", "run", "deploy.yml", "--ref", "main", expect=1)
    gh.environment["GH_ENTERPRISE_TOKEN"] = "ghp_nobody"
    assert "401" in gh("run", "list", expect=1)


def test_the_newer_gh_is_told_which_run_it_made(served: GitHubServer, tmp_path: Path) -> None:
    said = Gh(NEW, served, tmp_path)("workflow", "run", "deploy.yml")
    assert f"{served.site}/{REPOSITORY}/actions/runs/{served.runs(REPOSITORY)[0].run_id}" in said
