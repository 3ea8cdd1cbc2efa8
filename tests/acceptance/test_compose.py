"""A compose file as it is, through the real command: Docker Compose on Docker, podman-compose on Podman."""

from __future__ import annotations

import json
import os
import re
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
    with socket.create_server(("127.0.0.1", 0)) as taken:  # the file's own port, and nobody needs it
        here.write(
            {
                "web": {
                    **WEB,
                    "ports": [f"{taken.getsockname()[1]}:8000"],
                    "environment": {"GIVEN": "${WORD}"},
                    "container_name": "fixed",
                    "volumes": ["data:/data"],
                },
                "worker": service(scale=2),
                "setup": service("exit 0"),
                "unused": service(profiles=["debug"]),
                "after": service(depends_on={"setup": {"condition": "service_completed_successfully"}}),
            },
            validate(
                *(
                    "cluster_status",
                    "all_nodes_running",
                    "ssh_connectivity",
                    "health_status[*].service==ok",
                    inside,
                    ask,
                ),
                retry=BUSY,
            ),
            {"step": "crash_node", "target_node": "worker-2", "method": "destroy"},
            validate("cluster_degraded", "node_status:worker-2:stopped", "node_status:worker-1:running", retry=BUSY),
            {"step": "start_node", "target_node": "worker-2"},
            validate("cluster_status", retry=BUSY),
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


def test_killed_while_the_tool_works_the_project_goes_with_clean(here: Here) -> None:
    slow = service("sleep 100000", healthcheck={"test": ["CMD", "false"], **FAST, "retries": 1000})
    here.write(
        {
            "db": {**slow, "volumes": ["data:/data"]},
            "web": service(depends_on={"db": {"condition": "service_healthy"}}),
        },
        top={"volumes": {"data": {}}},
    )
    running = here.project.start("run", "trial.json", "--format", "none")
    until(lambda: len(here.left()) >= 3, "the first container, its volume and its network", 90)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    said = assert_clean_leaves_nothing(here.project, [here.left, Project.left], "killed in `up`")
    assert "project" in said


@dataclass(frozen=True)
class Fault:
    """What is planted, and what has to come out."""

    services: Document
    verdict: str
    said: str
    """A part of the error."""
    system: Document | None = None
    seconds: int = 60
    """The deadline of `deploy`."""


WRONG = {"http": "http://${{ node.address }}:${{ node.ports['8000'] }}/", "that": "body.contains('welcome')"}

FAULTS: dict[str, Fault] = {
    "a service that ends at once": Fault(
        {"web": service("echo mayday; exit 7"), "db": service()}, "failed", "exit code 7: mayday"
    ),
    "a service that is down": Fault(
        {"web": service(healthcheck={"test": ["CMD-SHELL", "echo refused; exit 1"], **FAST}), "db": service()},
        "failed", "the health check of web ended with exit code 1: refused", seconds=12,
    ),
    "a service that crashes again and again": Fault(
        {"web": service("exit 3", restart="always"), "db": service()}, "failed", "web", seconds=16
    ),
    "a wrong answer": Fault(
        {"web": service(SITE, ports=["8000"])}, "failed", "false: body.contains('welcome')",
        {"health": {"web": WRONG}}, seconds=16,
    ),
    "a dependency that is never healthy": Fault(
        {
            "db": service(healthcheck={"test": ["CMD", "false"], **FAST}),
            "web": service(depends_on={"db": {"condition": "service_healthy"}}),
        },
        "failed", "db", seconds=16,
    ),
    "a job that fails": Fault(
        {"job": service("echo no schema; exit 4"), "web": service()},
        "failed", "exit code 4: no schema", {"jobs": ["job"]},
    ),
    "an image that is missing": Fault(
        {"web": {**service(), "image": "localhost/seatrial-no-such:1"}}, "unknown", "seatrial-no-such"
    ),
    "a tool that is missing": Fault(
        {"web": service()}, "unknown", "compose-nowhere is not installed", {"tool": "compose-nowhere"}
    ),
    "a volume without a definition": Fault({"web": service(volumes=["nowhere:/data"])}, "failed", "nowhere"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_it_gets_its_verdict_with_the_reason_and_nothing_is_left(here: Here, fault: str) -> None:
    planted = FAULTS[fault]
    here.write(planted.services, system=planted.system, deadlines={"deploy": planted.seconds})
    row = here.run()
    told = f"{row['error']} {row['evidence']}"
    assert row["verdict"] == planted.verdict, told
    assert planted.said in told


def test_a_file_that_the_tool_refuses_fails_with_its_own_words_before_anything_is_made(here: Here) -> None:
    here.write({"web": service()})
    (here.project.folder / "compose.yaml").write_text("services:\n  web:\n    image: web\n   command: x\n")
    row = here.run()
    assert row["verdict"] == "failed", row["error"]
    assert "compose.yaml" in row["error"]
    assert re.search(r"line \d", row["error"])
    assert not [event for event in here.project.events() if event.get("owner") == "system:compose"]


def test_a_fixed_port_that_is_taken_says_nothing_about_the_product(here: Here) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        here.write({"web": service(ports=[f"127.0.0.1:{number}:8000"])}, system={"ports": "fixed"})
        row = here.run()
    assert row["verdict"] == "unknown", row["error"]
    assert str(number) in f"{row['error']} {row['evidence']}"


def test_a_container_removed_by_others_is_missed(here: Here) -> None:
    mine = f"--filter label=seatrial.project={here.project.folder} --filter label=com.docker.compose.service=web"
    program = "docker" if here.engine is not _podman else "podman"
    remove = {"step": "custom_command", "custom_command": f"{program} rm --force $({program} ps --quiet {mine})"}
    here.write(
        {"web": service(), "db": service()}, remove, validate("node_status:db:running"), validate("all_nodes_running")
    )
    row = here.run()
    assert row["verdict"] == "failed", row["error"]
    assert "web" in row["error"]
    assert [step["status"] for step in row["workflow_steps"]] == ["completed", "completed", "completed", "failed"]
