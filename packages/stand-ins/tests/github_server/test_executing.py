"""The server and the runner that really executes, together: running again, and a job that dispatches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from github_server.workflows import REPOSITORY, Client, over, speaking
from seatrial_stand_ins.github import GitHubServer
from seatrial_stand_ins.github.runner import WorkflowRunner

DEPLOY = """\
name: Deploy
run-name: Deploy ${{ inputs.workers }}
on:
  workflow_dispatch:
    inputs: {workers: {type: number, default: 1}, breaks: {type: boolean}}
concurrency: deploy-${{ github.repository }}
jobs:
  provision:
    runs-on: ubuntu-latest
    outputs: {address: "${{ steps.make.outputs.address }}"}
    steps:
      - uses: actions/checkout@v4
      - id: make
        run: |
          test "$(cat greeting.txt)" = hello
          echo "address=192.0.2.7" >>"$GITHUB_OUTPUT"
          echo "the key is $KEY"
        env: {KEY: "${{ secrets.KEY }}"}
  deploy:
    needs: provision
    runs-on: ubuntu-latest
    environment: production
    steps:
      - name: Write what was made
        run: echo '{"web_ip":"${{ needs.provision.outputs.address }}","workers":${{ inputs.workers }}}' >outputs.json
      - name: Break
        if: inputs.breaks
        run: "echo '::error file=app.py,line=3::it broke'; exit 7"
      - uses: actions/upload-artifact@v4
        with: {name: provision-output, path: outputs.json}
      - run: echo '# Deployed' >>"$GITHUB_STEP_SUMMARY"
"""
OTHER = """\
on: {workflow_dispatch: {}}
permissions: {actions: write}
jobs:
  both:
    runs-on: ubuntu-latest
    steps:
      - shell: python
        env: {TOKEN: "${{ github.token }}"}
        run: |
          import os, urllib.request
          here = f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}"
          said = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
          where = f"{here}/actions/workflows/deploy.yml/dispatches"
          urllib.request.urlopen(urllib.request.Request(where, b'{"ref": "main"}', said), timeout=20)
"""
FILES = {
    ".github/workflows/deploy.yml": DEPLOY,
    ".github/workflows/other.yml": OTHER,
    "greeting.txt": "hello\n",
}


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    with GitHubServer(WorkflowRunner()) as server:
        server.add_repository(REPOSITORY, files=FILES, secrets={"KEY": "hush-hush"})
        yield server


@pytest.fixture
def client(server: GitHubServer) -> Iterator[Client]:
    with speaking(server) as client:
        yield client


def test_what_breaks_is_at_its_step_and_only_that_job_is_run_again(server: GitHubServer, client: Client) -> None:
    number = client.dispatch(breaks="true")
    assert over(server, number).conclusion == "failure"
    deploy = client.get(f"/actions/runs/{number}/jobs")["jobs"][1]
    assert [step["name"] for step in deploy["steps"] if step["conclusion"] == "failure"] == ["Break"]
    remarks = client.get(f"/check-runs/{deploy['id']}/annotations")
    assert ("app.py", 3, "it broke") in [(one["path"], one["start_line"], one["message"]) for one in remarks]
    client.ask(f"/actions/runs/{number}/rerun-failed-jobs", "POST", 201)
    again = server.wait_for(lambda: next((run for run in server.runs(REPOSITORY) if run.last.number == 2), None))
    server.wait_for(lambda: again.last.over)
    assert again.conclusion == "failure", "it has the same inputs"
    assert [job.conclusion for job in again.last.jobs] == ["success", "failure"]


def test_a_job_dispatches_another_workflow_with_its_own_token(server: GitHubServer, client: Client) -> None:
    number = client.dispatch("other.yml")
    assert over(server, number).conclusion == "success"
    (deploy,) = server.runs(REPOSITORY, "deploy.yml")
    assert deploy.actor == "github-actions[bot]"
    assert over(server, deploy.run_id).conclusion == "success"
