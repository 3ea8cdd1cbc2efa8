"""What goes wrong with a Dagger engine is unknown with the reason, never a verdict; many checks or files are not."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from tests.acceptance.dagger_project import HOST, InDagger, archive, needs_engine
from tests.acceptance.harness import Document, Project

FILES = 20_000
MANY = 50


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    return archive(tmp_path_factory.mktemp("image") / "busybox.tar")


@pytest.fixture
def project(tmp_path: Path) -> InDagger:
    return InDagger(tmp_path)


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_without_an_engine_the_reason_comes_at_once_with_all_that_was_tried(
    project: InDagger, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dagger")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    address = f"unix://{project.folder}/none.sock" if kind == "unix" else f"tcp://127.0.0.1:{port}"
    monkeypatch.setattr("tests.acceptance.dagger_project.ENGINE", address)
    told = project.preflight({"check": {"run": "true", "image": "localhost/any"}})
    assert told["checks"]["check"]["status"] == "unknown"
    assert f"nothing answers at {address}" in told["checks"]["check"]["error"]
    assert f"tried DAGGER_SESSION_PORT (not set), {HOST}={address}" in told["checks"]["check"]["error"]


@needs_engine
@pytest.mark.slow
@pytest.mark.xdist_group("dagger")
class TestOnTheEngine:
    def test_versions_that_do_not_fit_are_said_before_the_check(self, project: InDagger, image: str) -> None:
        # Dagger's own switch: its command line says that it is another release.
        checks = {"check": {"run": "true", "image": image}}
        told = project.preflight(checks, _EXPERIMENTAL_DAGGER_VERSION="v0.18.0")["checks"]["check"]
        assert told["status"] == "unknown"
        assert "and its engine do not fit" in told["error"]
        assert "v0.18.0" in told["error"]

    def test_an_image_that_nobody_serves_is_unknown(self, project: InDagger) -> None:
        told = project.preflight({"check": {"run": "true", "image": "localhost:9/none:1"}})["checks"]["check"]
        assert told["status"] == "unknown"
        assert "Dagger cannot get the image localhost:9/none:1" in told["error"]

    def test_fifty_checks_at_a_time_are_each_judged_by_their_own_output(self, project: InDagger, image: str) -> None:
        # A text of its own, which no earlier run of these tests left in the engine's cache.
        (project.folder / "a.txt").write_text(os.urandom(8).hex())
        checks: Document = {
            f"c{at}": {
                "run": f"echo {at}; exit {at % 2}", "image": image, "inputs": ["a.txt"], "outputs": {"n": "stdout"}
            }
            for at in range(MANY)
        }  # fmt: skip
        told = project.preflight(checks, "--parallel", str(MANY))["checks"]
        for at in range(MANY):
            assert told[f"c{at}"]["status"] == ("failed" if at % 2 else "passed")
            assert at % 2 == 0 or told[f"c{at}"]["error"].endswith(f": {at}")
            assert not told[f"c{at}"].get("cached_by"), at  # each ran, however quick

    def test_of_many_files_one_that_changed_is_seen(self, project: InDagger, image: str) -> None:
        for folder in range(FILES // 200):
            inner = project.folder / f"src/{folder}"
            inner.mkdir(parents=True)
            for at in range(200):
                (inner / str(at)).write_text(f"{folder} {at}")
        check = {"run": "grep -r changed src && exit 1; echo none", "image": image, "inputs": ["src/**"]}
        assert project.preflight({"look": check})["checks"]["look"]["status"] == "passed"
        (project.folder / "src/7/77").write_text("changed")
        told = project.preflight({"look": check})["checks"]["look"]
        assert (told["status"], told.get("cached", False)) == ("failed", False)
        assert "src/7/77:changed" in told["error"]

    def test_doctor_names_the_engine_and_the_container_that_ran_in_it(self, project: InDagger) -> None:
        found = json.loads(project.seatrial("doctor", "--format", "json", "--deadline", "120s").stdout)
        (dagger,) = (one for one in found["findings"] if one["name"] == "dagger")
        assert dagger["ready"], dagger["tried"]
        assert f"at {project.environment[HOST]}; a container ran in it" in dagger["tried"]


def test_doctor_without_a_named_engine_starts_none(tmp_path: Path) -> None:
    project = Project(tmp_path)
    environment = {name: value for name, value in project.environment.items() if "DAGGER" not in name}
    found = json.loads(project.seatrial("doctor", "--format", "json", env=environment).stdout)
    (dagger,) = (one for one in found["findings"] if one["name"] == "dagger")
    assert not dagger["ready"]
    assert "no running engine is named" in dagger["tried"] or "cannot be imported" in dagger["tried"]
