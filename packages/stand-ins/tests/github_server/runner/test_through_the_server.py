"""Workflows that are dispatched through the server's API are really executed, and the API tells of it."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from github_server.runner.test_stopping import QUICK, alive
from seatrial_stand_ins.github import GitHubServer
from seatrial_stand_ins.github.runner import WorkflowRunner

DEPLOY = """\
name: Deploy
run-name: Deploy for ${{ inputs.id }}
on: {workflow_dispatch: {inputs: {id: {required: true}, workers: {type: number, default: 1}}}}
concurrency: deploy-${{ github.repository }}
jobs:
  provision:
    runs-on: ubuntu-latest
    outputs: {ip: "${{ steps.made.outputs.ip }}"}
    steps:
      - uses: actions/checkout@v4
      - id: made
        run: |
          echo "ip=10.0.0.${{ inputs.workers }}" >> "$GITHUB_OUTPUT"
          printf '{"web_ip": "10.0.0.%s"}' "${{ inputs.workers }}" > provision-output.json
          echo "the key is $KEY"
          git log -1 --format=%H
        env: {KEY: "${{ secrets.KEY }}"}
      - uses: actions/upload-artifact@v4
        with: {name: provision-output, path: provision-output.json, if-no-files-found: error}
  deploy:
    needs: provision
    runs-on: ubuntu-latest
    environment: production
    steps:
      - {uses: actions/download-artifact@v4, with: {name: provision-output}}
      - run: |
          test "$(cat provision-output.json)" = '{"web_ip": "${{ needs.provision.outputs.ip }}"}'
          echo "### Deployed to ${{ vars.WHERE }}" >> "$GITHUB_STEP_SUMMARY"
      - name: Ask the API
        shell: python
        env: {TOKEN: "${{ secrets.GITHUB_TOKEN }}"}
        run: |
          import json, os, urllib.request
          api, name, run = (os.environ[f"GITHUB_{one}"] for one in ("API_URL", "REPOSITORY", "RUN_ID"))
          about = f"{api}/repos/{name}/actions/runs/{run}"
          request = urllib.request.Request(about, headers={"Authorization": f"Bearer {os.environ['TOKEN']}"})
          print("status is", json.load(urllib.request.urlopen(request))["status"])
"""
SLOW = f"""\
on: workflow_dispatch
jobs:
  wait:
    runs-on: x
    steps:
      - run: echo begun; sleep 63.{os.getpid()} & exec sleep 63.{os.getpid()}
      - {{run: echo cleaned up, if: always()}}
"""


AGAIN = """\
on: workflow_dispatch
jobs:
  build:
    runs-on: x
    strategy: {fail-fast: false, matrix: {n: [1, 2]}}
    outputs: {made: "${{ steps.s.outputs.made }}"}
    steps:
      - id: s
        run: |
          echo "made=n${{ matrix.n }} in ${{ github.run_attempt }}" >> "$GITHUB_OUTPUT"
          test ${{ matrix.n }} = 1 -o "$GITHUB_RUN_ATTEMPT" = 2
  call:
    uses: ./.github/workflows/called.yml
    with: {word: kept}
  after:
    needs: [build, call]
    runs-on: x
    steps: [{run: 'echo "told ${{ needs.build.outputs.made }} and ${{ needs.call.outputs.said }}"'}]
"""
CALLED = """\
on:
  workflow_call:
    inputs: {word: {type: string}}
    outputs: {said: {value: "${{ jobs.say.outputs.said }}"}}
jobs:
  say:
    runs-on: x
    outputs: {said: "${{ steps.s.outputs.said }}"}
    steps: [{id: s, run: 'echo "said=${{ inputs.word }} of $GITHUB_RUN_ATTEMPT" >> $GITHUB_OUTPUT'}]
"""


class Client:
    """GitHub's API, as a client asks it."""

    def __init__(self, server: GitHubServer) -> None:
        self.server = server
        headers = {"Authorization": f"Bearer {server.token}", "X-GitHub-Api-Version": "2022-11-28"}
        self.http = httpx.Client(base_url=f"{server.url}/repos/acme/notes/", headers=headers, follow_redirects=True)

    def dispatch(self, workflow: str, **inputs: object) -> int:
        asked = {"ref": "main", "inputs": inputs, "return_run_details": True}
        answer = self.http.post(f"actions/workflows/{workflow}/dispatches", json=asked)
        answer.raise_for_status()
        return int(answer.json()["workflow_run_id"])

    def get(self, path: str) -> Any:
        answer = self.http.get(path)
        answer.raise_for_status()
        return answer.json() if "json" in answer.headers["content-type"] else answer

    def until(self, run: int, ready: Callable[[Any], bool]) -> Any:
        until = time.monotonic() + 60
        while not ready(found := self.get(f"actions/runs/{run}")):
            assert time.monotonic() < until, found
            time.sleep(0.05)
        return found

    def ended(self, run: int) -> Any:
        return self.until(run, lambda found: found["status"] == "completed")

    def jobs(self, run: int) -> dict[str, Any]:
        return {job["name"]: job for job in self.get(f"actions/runs/{run}/jobs")["jobs"]}

    def log(self, job: Any) -> str:
        return str(self.get(f"actions/jobs/{job['id']}/logs").text)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with GitHubServer(WorkflowRunner(folder=tmp_path / "jobs", grace=QUICK)) as server:
        server.add_repository(
            "acme/notes",
            files={
                f".github/workflows/{name}.yml": text
                for name, text in {"deploy": DEPLOY, "slow": SLOW, "again": AGAIN, "called": CALLED}.items()
            },
            secrets={"KEY": "a-key-of-nobody"},
            environments={"production": {"variables": {"WHERE": "the north"}}},
        )
        client = Client(server)
        with client.http:
            yield client


def test_a_dispatched_workflow_is_executed_and_the_api_tells_of_it(client: Client) -> None:
    run = client.dispatch("deploy.yml", id="e2e-1", workers=3)
    ended = client.ended(run)
    jobs = client.jobs(run)
    logs = {name: client.log(job) for name, job in jobs.items()}
    assert ended["conclusion"] == "success", logs
    assert ended["display_title"] == "Deploy for e2e-1"
    assert list(jobs) == ["provision", "deploy"]
    assert [(step["name"], step["conclusion"]) for step in jobs["provision"]["steps"][1:4]] == [
        ("Run actions/checkout@v4", "success"),
        ('Run echo "ip=10.0.0.3" >> "$GITHUB_OUTPUT"', "success"),
        ("Run actions/upload-artifact@v4", "success"),
    ]
    assert "the key is ***" in logs["provision"]
    assert "a-key-of-nobody" not in repr(logs)
    assert ended["head_sha"] in logs["provision"]
    assert "status is in_progress" in logs["deploy"]
    (artifact,) = client.get(f"actions/runs/{run}/artifacts")["artifacts"]
    with zipfile.ZipFile(io.BytesIO(client.get(f"actions/artifacts/{artifact['id']}/zip").content)) as archive:
        assert json.loads(archive.read("provision-output.json")) == {"web_ip": "10.0.0.3"}


def test_a_run_that_is_cancelled_ends_its_programs(client: Client) -> None:
    run = client.dispatch("slow.yml")
    client.until(run, lambda found: bool(alive(f"63.{os.getpid()}")))
    client.http.post(f"actions/runs/{run}/cancel").raise_for_status()
    assert client.ended(run)["conclusion"] == "cancelled"
    job = client.jobs(run)["wait"]
    assert [step["conclusion"] for step in job["steps"][1:3]] == ["cancelled", "success"]
    assert "cleaned up" in client.log(job)
    assert alive(f"63.{os.getpid()}") == []


def test_runs_of_one_group_are_executed_one_after_another(client: Client) -> None:
    first, second = client.dispatch("deploy.yml", id="1"), client.dispatch("deploy.yml", id="2")
    ended = [client.ended(run) for run in (first, second)]
    assert [one["conclusion"] for one in ended] == ["success", "success"]
    assert max(job["completed_at"] for job in client.jobs(first).values()) <= min(
        job["started_at"] for job in client.jobs(second).values()
    )


def test_only_failed_jobs_and_what_needs_them_are_run_again(client: Client) -> None:
    run = client.dispatch("again.yml")
    assert client.ended(run)["conclusion"] == "failure"
    first = client.jobs(run)
    assert {name: job["conclusion"] for name, job in first.items()} == {
        "build (1)": "success",
        "build (2)": "failure",
        "call / say": "success",
        "after": "skipped",
    }
    client.http.post(f"actions/runs/{run}/rerun-failed-jobs").raise_for_status()
    ended = client.until(run, lambda found: found["run_attempt"] == 2 and found["status"] == "completed")
    assert ended["conclusion"] == "success"
    assert "told n2 in 2 and kept of 1" in client.log(client.jobs(run)["after"])


def test_jobs_speak_to_a_server_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    with GitHubServer(WorkflowRunner(folder=tmp_path / "jobs"), tls=True) as server:
        server.add_repository("acme/notes", files={".github/workflows/deploy.yml": DEPLOY}, secrets={"KEY": "a key"})
        run = server.dispatch("acme/notes", "deploy.yml", inputs={"id": "tls"})
        server.wait_for(lambda: run.status == "completed")
        told = "\n".join(line for job in run.last.jobs for step in job.steps for line in step.lines)
    assert run.conclusion == "success", told
    assert "status is in_progress" in told


def test_nothing_outlives_the_server(tmp_path: Path) -> None:
    with GitHubServer(WorkflowRunner(folder=tmp_path / "jobs", grace=QUICK)) as server:
        server.add_repository("acme/notes", files={".github/workflows/slow.yml": SLOW})
        client = Client(server)
        with client.http:
            run = client.dispatch("slow.yml")
            client.until(run, lambda found: bool(alive(f"63.{os.getpid()}")))
    assert alive(f"63.{os.getpid()}") == []
    assert list((tmp_path / "jobs").iterdir()) == []
