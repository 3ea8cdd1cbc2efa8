"""A compose file in a project, with one tool: Docker Compose on Docker, or podman-compose on Podman."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scripts.images.engines import IMAGE
from tests.acceptance.containers_project import cache_of_tests
from tests.acceptance.harness import Document, Project, only, suite
from tests.backends import podman, session

SITE = "python3 -m http.server --bind 0.0.0.0 8000"
FAST = {"interval": "1s", "timeout": "5s", "retries": 2, "start_period": "0s"}


def service(command: str = "sleep 100000", **more: Any) -> Document:
    return {"image": IMAGE, "command": ["sh", "-c", command], "init": True, "stop_grace_period": "1s", **more}


WEB = service(SITE, ports=["8123:8000"], healthcheck={"test": ["CMD", "grep", "-q", "1F40 ", "/proc/net/tcp"], **FAST})

BUSY = {"max_attempts": 20, "delay_seconds": 1}
"""On a busy machine a command in a container may take longer than a link has."""


@dataclass(frozen=True)
class Here:
    """One tool with its engine, and a project for it."""

    tool: str
    engine: Callable[..., subprocess.CompletedProcess[str]]
    project: Project

    def write(self, services: Document, *steps: Any, system: Document | None = None, **more: Any) -> str:
        (self.project.folder / "compose.yaml").write_text(json.dumps({"services": services, **more.pop("top", {})}))
        given = {"kind": "compose", "tool": self.tool, **(system or {})}
        document = {"system": given, **suite("deploy", *steps, provider="containers", **more)}
        return str(self.project.write("trial.json", document))

    def run(self, *arguments: Any, timeout: float = 400, kept: bool = False) -> dict[str, Any]:
        """Run the document; its one row, with nothing left unless it is kept."""
        done = self.project.seatrial("run", "trial.json", "--format", "none", *arguments, timeout=timeout)
        assert self.project.runs(), done.stderr
        row = only(self.project.results()["results"])
        row["code"], row["said"] = done.returncode, done.stderr
        if not kept:
            assert self.left() == [], row
            assert self.project.left() == []
        return row

    def left(self, *_: Any) -> list[str]:
        """What its engine has of compose projects of this project's trials."""
        found = []
        for kind, listing in {
            "container": ["ps", "--all"],
            "volume": ["volume", "ls"],
            "network": ["network", "ls"],
        }.items():
            label = f"label=seatrial.project={self.project.folder}"
            said = self.engine(*listing, "--quiet", "--filter", label).stdout.split()
            found += [f"{kind} {name}" for name in said]
        return found


@pytest.fixture(
    params=[
        pytest.param("podman-compose", marks=[pytest.mark.backend("podman"), pytest.mark.backend("podman-compose")]),
        pytest.param("compose", marks=[pytest.mark.backend("docker"), pytest.mark.backend("compose")]),
    ]
)
def here(
    request: pytest.FixtureRequest,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    tool: Callable[[str], Path],
) -> Iterator[Here]:
    cache_of_tests(monkeypatch, tmp_path_factory)
    if request.param == "compose":
        daemon = session.dockerd()
        monkeypatch.setenv("DOCKER_HOST", daemon.host)
        yield Here(str(tool("compose")), daemon.run, project)
    else:
        yield Here(str(tool("podman-compose")), in_podman, project)


def in_podman(*words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **podman.environment()}
    return subprocess.run(["podman", *words], env=env, capture_output=True, text=True, timeout=120, check=False)
