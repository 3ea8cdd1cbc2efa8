"""Ready-made services, started for real where their program exists, and a service in a container."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from scripts.images.engines import POSTGRES
from tests.acceptance.containers_project import engine
from tests.acceptance.harness import Project, until
from tests.acceptance.test_services import SYSTEM, eventually, rows, stopped, write_settings

PROGRAMS = {"redis": "redis-server", "postgresql": "initdb", "prometheus": "prometheus"}

CHECKS = {
    "redis": {"check": "tcp", "host": "${{ services.redis.address }}", "port": "${{ services.redis.port }}"},
    "postgresql": {
        "check": "sql",
        "url": "${{ services.postgresql.url }}",
        "query": "select 6 * 7",
        "that": "value == 42",
    },
    "prometheus": {"check": "http", "url": "${{ services.prometheus.url }}/api/v1/targets", "status": 200},
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_ready_made_service_serves_a_suite(name: str, project: Project) -> None:
    if shutil.which(PROGRAMS[name]) is None:
        pytest.skip(f"{PROGRAMS[name]} is not installed")
    added = project.seatrial("services", "add", name)
    assert f"added [services.{name}] to seatrial.toml" in added.stdout
    file = project.folder / "seatrial.toml"
    lines = file.read_text().splitlines()
    # The fixed port may be that of a server of this machine.
    file.write_text("\n".join(line for line in lines if not line.startswith("port = ")))
    document = project.write("a.json", {"system": SYSTEM, "workflow": [{"step": "validate", "checks": [CHECKS[name]]}]})
    done = project.seatrial("run", document, timeout=300)
    assert done.returncode == 0, done.stdout
    assert rows(project)[name]["state"] == "healthy"
    assert project.seatrial("services", "stop").stdout == f"stopped {name}\n"
    eventually(lambda: stopped(project), "nothing of it is left")


@pytest.mark.backend("podman")
def test_a_container_is_removed_after_its_last_user_and_after_its_keeper(project: Project) -> None:
    env = {"POSTGRES_PASSWORD": "${{ secrets.PIER_PW }}"}
    url = "postgresql://postgres:${{ secrets.PIER_PW }}@127.0.0.1:${{ service.port }}/postgres"
    write_settings(project, {"pier": {"image": POSTGRES, "container_port": 5432, "env": env, "url": url}})
    environment = {**project.environment, "PIER_PW": "a-word-nobody-may-read"}
    check = {"check": "sql", "url": "${{ services.pier.url }}", "query": "select 6 * 7", "that": "value == 42"}
    step = {"step": "validate", "checks": [check], "retry": {"timeout": "180s"}}
    document = project.write("a.json", {"system": SYSTEM, "workflow": [step]})
    done = project.seatrial("run", document, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout
    assert "ready to accept connections" in project.seatrial("services", "logs", "pier").stdout
    os.kill(rows(project)["pier"]["keeper"], signal.SIGKILL)
    names = engine("ps", "--all", "--format", "{{.Names}}").split()
    (ours,) = [name for name in names if name.startswith("service-pier-")]
    cleaned = project.seatrial("clean", timeout=300)
    assert "removed service pier" in cleaned.stdout
    assert ours not in engine("ps", "--all", "--format", "{{.Names}}").split()
    eventually(lambda: stopped(project), "nothing of it is left")


@pytest.mark.backend("gitea")
def test_ready_made_gitea_serves_a_suite(project: Project, tool: Callable[[str], Path]) -> None:
    program = tool("gitea")
    project.seatrial("services", "add", "gitea")
    file = project.folder / "seatrial.toml"
    # The fixed port may be that of a server of this machine.
    text = file.read_text().replace("port = 13000\n", f'path = ["{project.folder / "own"}"]\n')
    file.write_text(text.replace("command -v gitea", f"echo {program}"))
    # What every user of this machine can see of it.
    (project.folder / "own").mkdir()
    shown = project.folder / "shown"
    script = project.folder / "own" / "gitea"
    script.write_text(f'#!/bin/sh\necho "$@" >>{shown}\nexec {program} "$@"\n')
    script.chmod(0o755)
    environment = {**project.environment, "GITEA_PASSWORD": "a-word-nobody-may-read"}
    ask = 'curl -sf -u "seatrial:$GITEA_PASSWORD" "$E2E_GITEA_API_URL/user" | grep -q seatrial@localhost'
    login = {"user": "seatrial", "token": "${{ secrets.GITEA_PASSWORD }}"}
    steps = [
        {"step": "custom_command", "custom_command": ask},
        {"step": "git_repository", "id": "repo", **login},
        {"step": "git_commit", "url": "${{ steps.repo.outputs.clone_url }}", **login, "files": {"a": "b"}},
    ]
    document = project.write("a.json", {"services": ["gitea"], "system": SYSTEM, "workflow": steps})
    done = project.seatrial("run", document, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout
    assert "admin user create" in shown.read_text()
    assert "a-word-nobody-may-read" not in shown.read_text()
    # A killed run: its repository is gone with the service that it was at.
    flow = {"services": ["gitea"], "system": SYSTEM, "workflow": [*steps, {"step": "wait", "for": "10m"}]}
    killed = project.start("run", project.write("b.json", flow), env=environment)
    until(
        lambda: any(e["kind"] == "step_started" and e["data"]["type"] == "wait" for e in project.events()),
        "the wait",
        300,
    )
    killed.kill()
    killed.communicate()
    assert project.seatrial("services", "stop").stdout == "stopped gitea\n"
    cleaned = project.seatrial("clean", env=environment)
    assert (cleaned.returncode, "removed git-repository" in cleaned.stdout) == (0, True), cleaned.stdout
    assert project.seatrial("run", document, env=environment, timeout=300).returncode == 0
    assert project.seatrial("services", "stop").stdout == "stopped gitea\n"
    eventually(lambda: stopped(project), "nothing of it is left")
