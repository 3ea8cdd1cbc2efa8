"""The example with a compose file, run as a user runs it: Docker Compose on Docker, podman-compose on Podman."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from scripts.images.engines import POSTGRES, WEBAPP
from tests.acceptance.containers_project import cache_of_tests, left_in_podman
from tests.acceptance.harness import Project, assert_clean_leaves_nothing, only, until
from tests.backends import docker, session

EXAMPLE = Path(__file__).parents[2] / "examples" / "compose"


def run(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch, factory: pytest.TempPathFactory) -> Project:
    """A copy of it, run with one tool on PATH."""
    project = copied(tmp_path, program, monkeypatch, factory)
    with_tool(project.folder / "trial.yaml", program)
    done = project.seatrial("run", "trial.yaml", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(only(project.results()["results"])["workflow_steps"]) == 6
    assert project.left() == []
    return project


def copied(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch, factory: pytest.TempPathFactory) -> Project:
    cache_of_tests(monkeypatch, factory)
    shutil.copytree(EXAMPLE, tmp_path / "compose", ignore=shutil.ignore_patterns(".seatrial"))
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return Project(tmp_path / "compose")


def with_tool(document: Path, program: Path) -> None:
    """`docker compose` comes first where it is: this run must be of the one tool."""
    document.write_text(document.read_text().replace("kind: compose\n", f"kind: compose\n  tool: {program.name}\n"))


def begun(project: Project, program: Path, left: Callable[[], list[str]]) -> None:
    """Without its scenario: `init` and `run` alone are green with a node lost and back; and killed in the deployment,
    `clean` leaves nothing."""
    (project.folder / "trial.yaml").unlink()
    started = project.seatrial("init")
    assert started.returncode == 0, started.stderr
    assert "the system is `compose`" in started.stdout
    with_tool(project.folder / "scenarios" / "compose.yaml", program)
    assert project.seatrial("check").returncode == 0
    done = project.seatrial("run", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    kinds = [step["step_type"] for step in only(project.results()["results"])["workflow_steps"]]
    assert kinds == ["deploy", "validate", "stop_node", "validate", "start_node", "destroy"]
    assert project.left() == left() == []

    running = project.start("run", "--format", "none")
    until(left, "the first thing of the deployment", 240)
    running.kill()
    running.communicate()
    assert_clean_leaves_nothing(project, [Project.left, lambda _: left()], "killed in the deployment")


@pytest.mark.slow
@pytest.mark.backend("postgresql in podman")
@pytest.mark.backend("podman-compose")
def test_podman_compose_loses_the_database_and_has_it_back(
    tmp_path: Path,
    tool: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    assert left_in_podman(run(tmp_path, tool("podman-compose"), monkeypatch, tmp_path_factory)) == []


@pytest.mark.slow
@pytest.mark.backend("postgresql in podman")
@pytest.mark.backend("podman-compose")
def test_init_and_run_alone_lose_a_service_and_have_it_back_on_podman(
    tmp_path: Path,
    tool: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    project = copied(tmp_path, tool("podman-compose"), monkeypatch, tmp_path_factory)
    begun(project, tool("podman-compose"), lambda: left_in_podman(project))


@pytest.mark.slow
@pytest.mark.backend("docker")
@pytest.mark.backend("compose")
def test_docker_compose_loses_the_database_and_has_it_back(
    tmp_path: Path,
    tool: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    daemon = docker_with_images(monkeypatch)
    run(tmp_path, tool("compose"), monkeypatch, tmp_path_factory)
    assert daemon.left() == []


@pytest.mark.slow
@pytest.mark.backend("docker")
@pytest.mark.backend("compose")
def test_init_and_run_alone_lose_a_service_and_have_it_back_on_docker(
    tmp_path: Path,
    tool: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    daemon = docker_with_images(monkeypatch)
    begun(copied(tmp_path, tool("compose"), monkeypatch, tmp_path_factory), tool("compose"), daemon.left)


def docker_with_images(monkeypatch: pytest.MonkeyPatch) -> docker.Dockerd:
    daemon = session.dockerd()
    monkeypatch.setenv("DOCKER_HOST", daemon.host)
    for image, name, command in (
        (POSTGRES, "postgres.tar", "/usr/local/bin/serve-postgres"),
        (WEBAPP, "webapp.tar", "true"),
    ):
        if daemon.run("image", "inspect", image).returncode:
            archive = str(docker.ROOT / ".images" / name)
            imported = daemon.run("import", "--change", f'CMD ["{command}"]', archive, image)
            assert imported.returncode == 0, imported.stderr
    return daemon
