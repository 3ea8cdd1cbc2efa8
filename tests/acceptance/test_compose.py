"""A compose file as it is, through the real command, on Docker Compose with Docker and on podman-compose with Podman."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scripts.images.engines import IMAGE
from tests.acceptance.containers_project import cache_of_tests
from tests.acceptance.harness import Document, Project, assert_clean_leaves_nothing, only, suite, until, validate
from tests.backends import podman, session

pytestmark = pytest.mark.slow

LABEL = "com.docker.compose.project"
SITE = "python3 -m http.server --bind 0.0.0.0 8000"
FAST = {"interval": "1s", "timeout": "5s", "retries": 2, "start_period": "0s"}


def service(command: str = "sleep 100000", **more: Any) -> Document:
    return {"image": IMAGE, "command": ["sh", "-c", command], "init": True, "stop_grace_period": "1s", **more}


WEB = service(SITE, ports=["8123:8000"], healthcheck={"test": ["CMD", "grep", "-q", "1F40 ", "/proc/net/tcp"], **FAST})


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

    def run(self, *arguments: Any, timeout: float = 200) -> dict[str, Any]:
        """Run the document; its one row, with nothing left."""
        done = self.project.seatrial("run", "trial.json", "--format", "none", *arguments, timeout=timeout)
        assert self.project.runs(), done.stderr
        row = only(self.project.results()["results"])
        row["code"], row["said"] = done.returncode, done.stderr
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
        yield Here(str(tool("podman-compose")), _podman, project)


def _podman(*words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **podman.environment()}
    return subprocess.run(["podman", *words], env=env, capture_output=True, text=True, timeout=120, check=False)


def test_services_are_nodes_with_leased_ports_checks_inside_and_powers_and_nothing_is_left(here: Here) -> None:
    ask = {
        "check": "http",
        "url": '${{ "http://127.0.0.1:" + string(nodes["web"].ports["8000"]) + "/" }}',
        "status": 200,
    }
    inside = {
        "check": "command",
        "on": "web",
        "command": 'test "$GIVEN" = told && test -n "$E2E_RUN_ID"',
    }
    with socket.create_server(("127.0.0.1", 8123)):  # the file's own port is taken, and nobody needs it
        here.write(
            {
                "web": {
                    **WEB,
                    "environment": {"GIVEN": "${WORD}"},
                    "container_name": "fixed",
                    "volumes": ["data:/data"],
                },
                "worker": service(scale=2),
                "setup": service("exit 0"),
                "unused": service(profiles=["debug"]),
                "after": service(depends_on={"setup": {"condition": "service_completed_successfully"}}),
            },
            validate("cluster_status", "all_nodes_running", "ssh_connectivity", "health_status[*].service==ok", inside),
            validate(ask),
            {"step": "crash_node", "target_node": "worker-2", "method": "destroy"},
            validate("cluster_degraded", "node_status:worker-2:stopped", "node_status:worker-1:running"),
            {"step": "start_node", "target_node": "worker-2"},
            validate("cluster_status", retry={"max_attempts": 20, "delay_seconds": 1}),
            {"step": "stop_node", "target_node": "web"},
            validate("node_status:web:stopped", "health_status[web].service!=ok"),
            {"step": "destroy"},
            system={"env": {"WORD": "told"}},
            top={"volumes": {"data": {"name": "of-all-trials"}}, "networks": {"default": {"name": "of-all-trials"}}},
        )
        before = (here.project.folder / "compose.yaml").read_text()
        row = here.run()
    assert (row["verdict"], row["code"]) == ("passed", 0), (row["error"], row["said"])
    assert (here.project.folder / "compose.yaml").read_text() == before
