"""A project whose deployer is two workflows on the GitHub server for tests, and what the real command says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.acceptance.harness import Document, Project, only

from seatrial_stand_ins.github import GitHubServer, Planted, Run, Script, Scripted
from seatrial_stand_ins.github.plants import Plant

REPOSITORY = "acme/notes"

DEPLOY = """
name: Deploy
run-name: Deploy ${{ inputs.correlation_id }}
on:
  workflow_dispatch:
    inputs:
      workers: {type: number, default: 1}
      size: {type: choice, options: [small, large], default: small}
      correlation_id: {type: string, default: ""}
concurrency: deploy-${{ github.repository }}
jobs:
  provision:
    runs-on: ubuntu-latest
    steps:
      - {name: Make machines, run: ./provision}
  app:
    needs: provision
    runs-on: ubuntu-latest
    steps:
      - {name: Build, run: ./build}
      - {name: Deploy the app, run: kamal deploy}
"""

TEARDOWN = """
name: Teardown
run-name: Teardown ${{ inputs.correlation_id }}
on:
  workflow_dispatch:
    inputs:
      correlation_id: {type: string, default: ""}
concurrency: deploy-${{ github.repository }}
jobs:
  teardown:
    runs-on: ubuntu-latest
    steps:
      - {name: Destroy machines, run: ./destroy}
"""

SILENT = "\n".join(line for line in DEPLOY.splitlines() if "correlation_id" not in line)
"""The same without an id in its name."""

FILES = {".github/workflows/deploy.yml": DEPLOY, ".github/workflows/teardown.yml": TEARDOWN}

DEADLINES = {"queue": 90, "run": 90, "download": 60, "visible": 10, "settle": 1}


def provisioned(run: Run) -> Mapping[str, Mapping[str, object]]:
    """What the deploy workflow leaves: an address each for as many workers as were asked for."""
    workers = [f"127.0.0.{2 + number}" for number in range(int(str(run.inputs.get("workers") or 0)))]
    told = {"web_ip": "127.0.0.1", "worker_ips": workers, "db_ip": "", "size": run.inputs.get("size", "")}
    return {"provision-output": {"provision-output.json": told}}


def scripted(**scripts: Script) -> Scripted:
    """`deploy` leaves what it should, unless it is said otherwise."""
    named = {f"{name}.yml": script for name, script in scripts.items()}
    return Scripted(scripts={"deploy.yml": Script(artifacts=provisioned), **named})


@dataclass(frozen=True, kw_only=True)
class Case:
    """One suite of a document of many: what happens to its deployment, and what has to be said of it."""

    faults: Callable[[str, str], Sequence[Plant]] = lambda workflow, artifact: ()
    """The plants, by the name of its workflow file and of its artifact."""
    weather: Callable[[str], Sequence[Plant]] = lambda path: ()
    """The plants, by a pattern of the paths of its repository."""
    script: Script | None = None
    deploy: Mapping[str, Any] = field(default_factory=dict)
    steps: Sequence[Document | str] = ("deploy",)
    verdict: str = "passed"
    category: str = ""
    said: str = ""
    torn_down: tuple[str, ...] = ("success",)


@dataclass
class Fleet:
    """Many suites, each with a repository of its own on one server, run by one command."""

    server: GitHubServer
    cases: Mapping[str, Case]
    planted: dict[str, list[Planted]] = field(default_factory=dict)

    def document(self) -> Document:
        """Add the repositories, plant the faults, and write the suites."""
        suites: dict[str, Any] = {}
        assert isinstance(self.server.runner, Scripted)
        scripts = self.server.runner.scripts
        assert isinstance(scripts, dict)
        for number, (name, case) in enumerate(self.cases.items()):
            workflow, artifact, repository = f"deploy-{number}.yml", f"output-{number}", f"acme/repo-{number}"
            files = {f".github/workflows/{workflow}": DEPLOY, ".github/workflows/teardown.yml": TEARDOWN}
            self.server.add_repository(repository, files=files)
            scripts[workflow] = case.script or Script(artifacts=partial(_named, artifact))
            plants = [*case.faults(workflow, artifact), *case.weather(rf"^/repos/{repository}/")]
            self.planted[name] = [self.server.plant(one) for one in plants]
            deploy = {"workflow": workflow, "artifacts": [artifact], **case.deploy}
            told = {**system(deploy=deploy), "repository": repository}
            steps = [{"step": one} if isinstance(one, str) else one for one in case.steps]
            steps = [{**one, "repository": repository} if one["step"] == "dispatch_workflow" else one for one in steps]
            suites[name] = {"provider": "local", "system": told, "workflow": steps}
        return {"test_suites": suites}

    def runs(self, name: str, workflow: str = "") -> list[str | None]:
        """How the runs of a suite's repository ended, of the deployment or of one workflow."""
        number = list(self.cases).index(name)
        return [run.conclusion for run in self.server.runs(f"acme/repo-{number}", workflow or f"deploy-{number}.yml")]


def _named(artifact: str, run: Run) -> Mapping[str, Mapping[str, object]]:
    return {artifact: provisioned(run)["provision-output"]}


def system(**more: Any) -> Document:
    """The settings of the system, with short deadlines."""
    deploy = {
        "workflow": "deploy.yml",
        "artifacts": ["provision-output"],
        "deadlines": DEADLINES,
        **more.pop("deploy", {}),
    }
    teardown = {"workflow": "teardown.yml", "deadlines": DEADLINES, **more.pop("teardown", {})}
    return {
        "kind": "github-actions",
        "repository": REPOSITORY,
        "ref": "main",
        "deploy": deploy,
        "teardown": teardown,
        **more,
    }


def document(*steps: Document | str, **more: Any) -> Document:
    """A document with one suite called `trial`, which is deployed by workflows."""
    workflow = [{"step": one} if isinstance(one, str) else one for one in steps]
    return {"test_suites": {"trial": {"provider": "local", "system": system(**more), "workflow": workflow}}}


def dispatching(**more: Any) -> Document:
    """A step that dispatches the deploy workflow."""
    return {
        "step": "dispatch_workflow", "workflow": "deploy.yml", "repository": REPOSITORY, "ref": "main",
        "deadlines": DEADLINES, **more,
    }  # fmt: skip


@dataclass(frozen=True)
class Port(Project):
    """A project whose commands speak to one server."""

    server: GitHubServer
    token: str = ""
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        ours = {"GITHUB_API_URL": self.server.url, "GH_TOKEN": self.token or self.server.token}
        kept = {name: value for name, value in super().environment.items() if not name.startswith("GH_")}
        return {
            **kept,
            "HOME": str(self.folder),
            "GIT_CEILING_DIRECTORIES": str(self.folder.parent),
            **ours,
            **self.more,
        }

    def verdict(self, document: Document, *arguments: object, timeout: float = 300) -> Row:
        """Run a document and say how its one suite ended."""
        done = self.seatrial("run", self.write("trial.json", document), "--format", "none", *arguments, timeout=timeout)
        row = only(self.results()["results"])
        return Row(done.returncode, row["verdict"], row["category"], row["error"], row["evidence"], row, done.stderr)

    def told(self) -> str:
        """Everything that was written in the project, to be searched."""
        files = [one for one in self.folder.rglob("*") if one.is_file()]
        return "\n".join(one.read_bytes().decode("utf-8", "replace") for one in files)


@dataclass(frozen=True)
class Row:
    """How a suite ended."""

    code: int
    verdict: str
    category: str
    error: str
    evidence: str
    row: dict[str, Any]
    stderr: str


def artifacts(project: Project) -> list[Path]:
    """Files that were fetched."""
    return sorted(one for one in project.runs()[-1].rglob("workflows/**/*") if one.is_file())
