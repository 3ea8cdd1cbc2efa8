"""Which engine is taken, with scripts in the engines' places that behave like real ones on such machines."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from seatrial.errors import ToolMissing
from seatrial.links.containers import engines
from seatrial.links.containers.engines import again, configured, detail_of, find, mark_used, used

WORKS = "exit 0"
NEEDS_OURS = """case "$*" in
  *run*) [ -n "$CONTAINERS_CONF" ] || { echo "Error: crun: setrlimit: Operation not permitted" >&2; exit 126; } ;;
esac"""
NEVER = 'echo "Error: no way" >&2; exit 125'


class Machine:
    """A PATH with some engines on it, and a cache."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin, self.cache, self.calls = folder / "bin", folder / "cache", folder / "calls"
        self.bin.mkdir()
        for tool in ("sh", "sleep"):
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.setenv("SEATRIAL_CACHE_DIR", str(self.cache))
        for names in engines.VARIABLES.values():
            for name in names:
                monkeypatch.delenv(name, raising=False)

    def install(self, name: str, does: str) -> Path:
        """A program of this name that writes down how it was called, and then does this."""
        path = self.bin / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.calls}\n{does}\n')
        path.chmod(0o755)
        return path

    def started(self) -> int:
        """How often a container was started to see whether that works."""
        return self.calls.read_text().count(" run ") if self.calls.exists() else 0


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return Machine(tmp_path, monkeypatch)


def found(named="", image=""):
    return asyncio.run(find(named, image=image))


def test_podman_is_taken_before_docker_and_docker_where_podman_is_not(machine):
    machine.install("docker", "echo 28.2.2")
    assert found().name == "docker"
    machine.install("podman", WORKS)
    assert found().name == "podman"
    assert found("docker").name == "docker"


def test_where_plain_podman_starts_containers_it_is_used_as_it_is(machine):
    machine.install("podman", WORKS)
    engine = found()
    assert not engine.extra
    assert not configured(engine)


def test_where_it_does_not_it_gets_a_configuration_of_our_own_and_the_answer_is_remembered(machine):
    machine.install("podman", NEEDS_OURS)
    engine = found()
    assert configured(engine)
    own = Path(engine.extra["CONTAINERS_CONF"])
    assert own.is_relative_to(machine.cache)
    assert "runc" in own.read_text()
    started = machine.started()
    assert found() == engine
    assert machine.started() == started


def test_a_new_version_of_podman_is_tried_anew(machine):
    machine.install("podman", NEEDS_OURS)
    assert configured(found())
    os.utime(machine.install("podman", WORKS), (1, 1))
    assert not configured(found())


def test_a_configuration_that_the_user_has_set_is_respected_and_nothing_is_tried(machine, monkeypatch):
    monkeypatch.setenv("CONTAINERS_CONF", "/of/the/user")
    machine.install("podman", NEVER)
    engine = found()
    assert engine.extra == {"CONTAINERS_CONF": "/of/the/user"}
    assert not configured(engine)
    assert machine.started() == 0


def test_a_podman_that_starts_nothing_is_passed_over_for_docker(machine):
    machine.install("podman", NEVER)
    machine.install("docker", "echo 28.2.2")
    assert found().name == "docker"


def test_no_engine_that_works_says_of_each_what_was_tried_and_the_command_that_brings_one(machine):
    with pytest.raises(ToolMissing, match=r"podman is not installed; docker is not installed.*apt-get install podman"):
        found()
    machine.install("podman", NEVER)
    machine.install(
        "docker", 'echo "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?" >&2; exit 1'
    )
    with pytest.raises(ToolMissing, match=r"podman .* starts no container: no way.*docker .*systemctl start docker"):
        found()
    machine.install("docker", 'echo "permission denied while trying to connect to the daemon socket" >&2; exit 1')
    with pytest.raises(ToolMissing, match="the group `docker`") as caught:
        found("docker")
    assert "systemctl" not in str(caught.value)
    with pytest.raises(ToolMissing, match="/opt/none/podman is not installed"):
        found("/opt/none/podman")


def test_the_stores_that_a_user_chose_are_in_the_record_and_reached_again_without_them(machine, monkeypatch):
    machine.install("docker", "echo 28.2.2")
    monkeypatch.setenv("DOCKER_HOST", "unix:///somewhere/else.sock")
    record = json.loads(json.dumps(detail_of(found("docker"))))
    monkeypatch.delenv("DOCKER_HOST")
    assert again(record).extra == {"DOCKER_HOST": "unix:///somewhere/else.sock"}


def test_a_configuration_of_ours_that_was_deleted_is_written_again(machine):
    machine.install("podman", NEEDS_OURS)
    engine = found()
    Path(engine.extra["CONTAINERS_CONF"]).unlink()
    assert again(detail_of(engine)) == engine
    assert Path(engine.extra["CONTAINERS_CONF"]).is_file()


def test_an_engine_that_does_not_answer_a_try_is_passed_over(machine, monkeypatch):
    machine.install("podman", "sleep 60")
    monkeypatch.setattr(engines, "TRY", 0.2)
    with pytest.raises(ToolMissing, match=r"podman .*did not start within 0.2 s"):
        found("podman")
    calls = machine.calls.read_text().splitlines()
    tried = {call.split()[4] for call in calls if " run " in call}
    assert len(tried) == 2
    assert tried == {call.split()[-1] for call in calls if call.startswith("podman rm --force ")}


def test_engines_in_which_something_was_made_are_remembered_until_they_are_uninstalled(machine, monkeypatch):
    podman, docker = machine.install("podman", WORKS), machine.install("docker", "echo 28.2.2")
    assert used() == []
    mark_used(found("podman"))
    for host in ("unix:///one.sock", "unix:///two.sock", "unix:///one.sock"):
        monkeypatch.setenv("DOCKER_HOST", host)
        mark_used(found("docker"))
    known = [engine for engine, _ in used()]
    assert sorted(engine.extra.get("DOCKER_HOST", "") for engine in known) == [
        "",
        "unix:///one.sock",
        "unix:///two.sock",
    ]
    docker.unlink()
    assert [Path(engine.program).name for engine, _ in used()] == [podman.name]
