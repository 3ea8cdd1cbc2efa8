"""The example with a compose file, run as a user runs it: Docker Compose on Docker, podman-compose on Podman."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from scripts.images.engines import POSTGRES, WEBAPP
from tests.acceptance.containers_project import cache_of_tests, left_in_podman
from tests.acceptance.harness import Project, only
from tests.backends import docker, session

EXAMPLE = Path(__file__).parents[2] / "examples" / "compose"


def run(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch, factory: pytest.TempPathFactory) -> Project:
    """A copy of it, run with one tool on PATH."""
    cache_of_tests(monkeypatch, factory)
    shutil.copytree(EXAMPLE, tmp_path / "compose", ignore=shutil.ignore_patterns(".seatrial"))
    # `docker compose` comes first where it is: this run must be of the one tool.
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    project = Project(tmp_path / "compose")
    text = (project.folder / "trial.yaml").read_text()
    (project.folder / "trial.yaml").write_text(
        text.replace("kind: compose\n", f"kind: compose\n  tool: {program.name}\n")
    )
    done = project.seatrial("run", "trial.yaml", timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(only(project.results()["results"])["workflow_steps"]) == 6
    assert project.left() == []
    return project


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
@pytest.mark.backend("docker")
@pytest.mark.backend("compose")
def test_docker_compose_loses_the_database_and_has_it_back(
    tmp_path: Path,
    tool: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    daemon = session.dockerd()
    monkeypatch.setenv("DOCKER_HOST", daemon.host)
    for image, name, command in (
        (POSTGRES, "postgres.tar", "/usr/local/bin/serve-postgres"),
        (WEBAPP, "webapp.tar", "true"),
    ):
        imported = daemon.run("import", "--change", f'CMD ["{command}"]', str(docker.ROOT / ".images" / name), image)
        assert imported.returncode == 0, imported.stderr
    run(tmp_path, tool("compose"), monkeypatch, tmp_path_factory)
    assert daemon.left() == []
