"""The example of an operator in a folder of its own, with free ports, and flows that differ from its own."""

from __future__ import annotations

import base64
import json
import os
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from scripts.cluster import shared
from tests.acceptance.harness import until
from tests.acceptance.test_services import stopped
from tests.backends.kubernetes_project import InCluster, left_of

from scripts import operator

Steps = list[dict[str, Any]]

LONG = 900.0
"""Seconds for a flow on a busy machine."""

MARKS = [
    pytest.mark.slow,
    pytest.mark.backend("kubernetes", "helm", "gitea"),
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
    pytest.mark.skipif(shutil.which("go") is None, reason="the operator is a Go program, and Go is not installed"),
]

GO = 'until test -e "$SEATRIAL_PROJECT/go"; do sleep 0.2; done'
"""A command of a slow flow: it ends once the test says so."""


def operator_in(folder: Path, cluster: shared.Use, tool: Callable[[str], Path]) -> InCluster:
    """A copy of the example; the nodes have its image."""
    operator.copied(folder)
    programs = [str(tool(name).parent) for name in ("gitea", "helm")] + [str(cluster.folder / "bin")]
    return InCluster(folder, {**operator.prepared(cluster), "PATH": os.pathsep.join([*programs, os.environ["PATH"]])})


def ended(project: InCluster) -> None:
    """Remove what a test has left, and its services; assert that this was all."""
    project.seatrial("clean", timeout=LONG)
    project.seatrial("services", "stop", "--force")
    until(lambda: stopped(project), "the end of all services", seconds=120)
    assert left_of(project) == []


def flow(project: InCluster, name: str, change: Callable[[Steps], object], of: str = "quickstart-manifest") -> str:
    """Another flow, made from one of the example; its file."""
    document = yaml.safe_load((project.folder / f"{of}.yaml").read_text())
    (suite,) = document["test_suites"].values()
    change(suite["workflow"])
    document["test_suites"] = {name: suite}
    project.write(f"{name}.json", document)
    return f"{name}.json"


def step_named(steps: Steps, kind: str) -> int:
    """Where the first step of a kind is."""
    return next(at for at, step in enumerate(steps) if step["step"] == kind)


def row(project: InCluster, name: str) -> dict[str, Any]:
    """The newest result of a flow."""
    for run in reversed(project.runs()):
        results = run / "results.json"
        found = json.loads(results.read_text())["results"] if results.exists() else []
        for result in found:
            if result["name"] == name:
                return dict(result)
    raise AssertionError(f"no run has the flow {name}")


def repositories(project: InCluster) -> list[str]:
    """The names of all repositories of the project's Gitea."""
    url = next(one["url"] for one in services(project).values() if one["name"] == "gitea")
    login = base64.b64encode(f"seatrial:{project.environment['GITEA_PASSWORD']}".encode()).decode()
    request = urllib.request.Request(f"{url}/api/v1/repos/search?limit=50", headers={"Authorization": f"Basic {login}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return [str(one["name"]) for one in json.load(answer)["data"]]


def services(project: InCluster) -> dict[str, dict[str, Any]]:
    """The services of the project, by their names."""
    found = json.loads(project.seatrial("services", "--format", "json").stdout)
    return {one["name"]: one for one in found}


def held(name: str, command: str) -> Callable[[Steps], None]:
    """A flow that says that it has deployed, and then runs a command."""

    def change(steps: Steps) -> None:
        step = {
            "step": "custom_command",
            "custom_command": f'printenv E2E_RUN_ID > "$SEATRIAL_PROJECT/here-{name}"; {command}',
        }
        steps.insert(step_named(steps, "validate") + 1, {**step, "timeout": "15m"})

    return change
