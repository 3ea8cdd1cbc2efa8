"""What the tests of the GitHub server share: workflow files, and a client that speaks as a token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from seatrial_stand_ins.github import GitHubServer

REPOSITORY = "acme/notes"
DEPLOY = """\
name: Deploy
run-name: Deploy ${{ inputs.workers }} ${{ inputs.correlation }}
on:
  workflow_dispatch:
    inputs:
      workers: {type: number, default: 1}
      size: {type: choice, options: [small, big], default: small}
      debug: {type: boolean, default: false}
      place: {type: environment}
      correlation: {type: string}
concurrency: deploy-${{ github.repository }}
jobs:
  provision:
    runs-on: ubuntu-latest
    steps: [{name: Make machines, run: "true"}]
  deploy:
    needs: provision
    name: Ship it
    runs-on: ubuntu-latest
    steps: [{name: Build, run: "true"}, {run: kamal deploy}]
"""
FREE = """\
name: Free
on: {workflow_dispatch: {inputs: {who: {required: true, description: whose}}}}
jobs: {only: {runs-on: ubuntu-latest, steps: [{run: "true"}]}}
"""
PUSHED = "name: Checks\non: push\njobs: {only: {runs-on: ubuntu-latest, steps: [{run: 'true'}]}}\n"
FILES = {
    ".github/workflows/deploy.yml": DEPLOY,
    ".github/workflows/free.yml": FREE,
    ".github/workflows/checks.yaml": PUSHED,
    "README.md": "Notes\n",
    "app/main.py": "print('notes')\n",
}


class Client:
    """One token's requests to one repository."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def ask(self, path: str, method: str = "GET", expect: int = 200, **more: Any) -> httpx.Response:
        """A request below the repository (or anywhere, with `//`); the status is as expected."""
        where = path[1:] if path.startswith("//") else f"/repos/{REPOSITORY}{path}"
        answer = self.http.request(method, where, **more)
        assert answer.status_code == expect, f"{answer.status_code} {answer.text[:600]}"
        return answer

    def get(self, path: str, **more: Any) -> Any:
        """The JSON of it."""
        return self.ask(path, **more).json()

    def dispatch(self, workflow: str = "deploy.yml", expect: int = 200, **inputs: object) -> int:
        """Dispatch a workflow at main; the run's number."""
        body = {"ref": "main", "inputs": inputs, "return_run_details": True}
        answer = self.ask(f"/actions/workflows/{workflow}/dispatches", "POST", expect, json=body)
        return int(answer.json()["workflow_run_id"])


@contextmanager
def speaking(server: GitHubServer, token: str | None = None, **headers: str) -> Iterator[Client]:
    """A client; without a token of its own, the one that may do all; an empty one: nobody's."""
    said = server.token if token is None else token
    own = {"authorization": f"Bearer {said}"} if said else {}
    with httpx.Client(base_url=server.url, headers={**own, **headers}, trust_env=False, timeout=10) as http:
        yield Client(http)


def over(server: GitHubServer, run_id: int) -> Any:
    """The run's record, once it has ended."""

    def look() -> Any:
        return next((run for run in server.runs(REPOSITORY) if run.run_id == run_id and run.last.over), None)

    return server.wait_for(look)
