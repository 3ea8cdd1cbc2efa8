"""Real containers through the real command: the classic workflows, what is planted, and what is broken."""

from __future__ import annotations

import json
import os
import signal
import socket
import tarfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripts.images.engines import IMAGE
from tests.acceptance.containers_project import (
    cache_of_tests,
    engine,
    left_in_podman,
    on_containers,
    one_container,
    stand_in,
)
from tests.acceptance.harness import (
    Project,
    assert_clean_leaves_nothing,
    killed_at_record,
    only,
    processes_of,
    until,
    validate,
)
from tests.backends import tables

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman")]

CLASSIC = Path(__file__).resolve().parents[2] / "examples" / "etcd" / "classic.yaml"
NODE_IS_MADE = 8
"""The record of the ledger that says so, in a run of one container."""


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    cache_of_tests(monkeypatch, tmp_path_factory)


@tables.ON_ENGINES
def test_the_classic_workflows_of_a_real_etcd_are_green(project: Project) -> None:
    on_containers(project)
    done = project.seatrial("run", CLASSIC, "--on", "containers", "--parallel", "2", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = project.results()["results"]
    assert [row["verdict"] for row in rows] == ["passed"] * 4
    assert left_in_podman(project) == []
    assert project.left() == []


def test_a_registry_that_never_answers_says_nothing_about_the_product(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        registry = f"127.0.0.1:{silent.getsockname()[1]}"
        on_containers(project, image=f"{registry}/x:1")
        document = project.write("trial.json", one_container(deadlines={"deploy": 6}))
        project.seatrial("run", document, "--format", "none", timeout=120)
    row = only(project.results()["results"])
    assert row["verdict"] == "unknown", row["error"]
    assert (
        f"[providers.containers] image (seatrial.toml:3): the image {registry}/x:1 is not in podman's" in row["error"]
    )
    assert left_in_podman(project) == []


# Planted leaks


@pytest.fixture
def stranger() -> Iterator[str]:
    """A container of the user's own."""
    name = f"user-{uuid.uuid4().hex[:12]}"
    engine("run", "--detach", "--name", name, "--network", "none", IMAGE, "sleep", "1000")
    yield name
    engine("rm", "--force", "--time", "0", name)


@tables.ON_ENGINES
def test_what_a_dead_run_made_and_never_recorded_is_found_and_given_back(project: Project, stranger: str) -> None:
    on_containers(project)
    living = project.start("run", project.write("living.json", one_container({"step": "wait", "for": "600s"})))
    try:
        until(lambda: _waits(project), "the living run's wait")
        standing = left_in_podman(project)
        assert len(standing) == 2  # its container and its network
        trial = _leak(project)
        assert len(left_in_podman(project)) == 8
        said = project.seatrial("clean")
        assert said.returncode == 0, said.stdout
        for leak in (f"node {trial}-leak", f"network {trial}-leak", f"volume {trial}-loose"):
            assert f"found {leak}" in said.stdout
            assert f"removed {leak}" in said.stdout
        assert "still active" in said.stdout
        assert left_in_podman(project) == standing
        assert engine("container", "inspect", "--format", "{{.State.Status}}", stranger) == "running"
    finally:
        os.killpg(living.pid, signal.SIGINT)
        living.communicate(timeout=300)
    assert left_in_podman(project) == []
    assert_clean_leaves_nothing(project, [left_in_podman, Project.left], "after the living run")


def _leak(project: Project) -> str:
    """A run that is killed when it has a container, and things with its labels that are in no ledger; its trial."""
    before = _networks(project)
    document = project.write("trial.json", one_container())
    assert killed_at_record(project, document, NODE_IS_MADE, when="after")
    ((trial, labels),) = ((name, told) for name, told in _networks(project).items() if name not in before)
    carried = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
    for name in ("leak", "loose"):
        engine("volume", "create", *carried, f"{trial}-{name}")
    engine("network", "create", *carried, f"{trial}-leak")
    # On the trial's own network, which therefore cannot go before it.
    mounted = ("--volume", f"{trial}-leak:/data")
    engine("run", "--detach", "--name", f"{trial}-leak", "--network", trial, *mounted, *carried, IMAGE, "sleep", "1000")
    return trial


def _networks(project: Project) -> dict[str, dict[str, str]]:
    """The labels of this project's networks, by name."""
    listed = json.loads(engine("network", "ls", "--filter", "label=seatrial.project", "--format", "json"))
    return {one["name"]: one["labels"] for one in listed if one["labels"]["seatrial.project"] == str(project.folder)}


def _waits(project: Project) -> bool:
    return any(one["kind"] == "step_started" and one["data"].get("type") == "wait" for one in project.events())


@tables.ON_ENGINES
def test_killed_while_the_engine_makes_a_container_nothing_comes_after_clean(project: Project) -> None:
    begun = project.folder / "begun"
    slow = f'case "$*" in "run --detach"*) touch {begun}; sleep 8 ;; esac'
    on_containers(project, engine=stand_in(project.folder, slow))
    running = project.start("run", project.write("trial.json", one_container()), "--format", "none")
    until(begun.exists, "the engine's call")
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert processes_of(project.folder), "the engine's call ended with its caller: nothing is tried here"
    said = assert_clean_leaves_nothing(project, [left_in_podman, Project.left], "killed in the engine's call")
    assert "removed node" in said
    until(lambda: not processes_of(project.folder), "the end of the engine's call")
    assert left_in_podman(project) == []


# What is broken

SAYS = "case \"$*\" in *'{when}'*) echo 'Error: {said}' >&2; exit 125 ;; esac"

FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "an image that is not there": ({"image": "localhost/none:1"}, "", "is not in podman's store"),
    "a registry that cannot be reached": ({"image": "127.0.0.1:9/none:1"}, "", "can this machine reach the registry"),
    "a wrong image name": ({"image": "No Such/Image!"}, "", "No Such/Image!"),
    "an engine that always fails": ({}, SAYS.format(when="", said="broken on purpose"), "broken on purpose"),
    "no permission": ({}, SAYS.format(when="network create", said="permission denied"), "run it as root"),
    "a full disk": ({}, SAYS.format(when="run --detach", said="no space left on device"), "the disk is full"),
    "every subnet in use": (
        {}, SAYS.format(when="network create", said="subnet 10.0.0.0/8 is already used on the host"), "has that subnet",
    ),
    "a container that dies at once": (
        {"command": "image", "options": ["--entrypoint", '["/bin/sh", "-c", "echo mayday; exit 7"]']},
        "", "ended with exit code 7; it said: mayday",
    ),
    "a user who is not in the image": ({"user": "nobody-knows"}, "", "the image has no user nobody-knows"),
    "a limit of memory that is too small": ({"options": ["--memory", "1"]}, "", "making the container n11"),
}  # fmt: skip


@pytest.mark.table(one_in=4)
@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_said_clearly_is_unknown_and_nothing_is_left(project: Project, fault: str) -> None:
    settings, script, told = FAULTS[fault]
    on_containers(project, **settings, **({"engine": stand_in(project.folder, script)} if script else {}))
    _broken(project, told)


def test_a_port_that_is_in_use_is_said_and_nothing_is_left(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        on_containers(project, options=["--publish", f"127.0.0.1:{port}:80"])
        _broken(project, "another program holds the port")


def test_no_engine_on_the_path_is_said_with_what_brings_one(project: Project) -> None:
    on_containers(project, engine="")
    error = _broken(project, "podman is not installed; docker is not installed", PATH=str(project.folder / "empty"))
    assert "apt-get install podman" in error


def test_an_image_without_a_shell_is_said_with_the_setting_that_helps(project: Project) -> None:
    (project.folder / "file").write_text("nothing to run\n")
    with tarfile.open(project.folder / "empty.tar", "w") as tar:
        tar.add(project.folder / "file", "file")
    name = f"localhost/seatrial-test-{uuid.uuid4().hex[:12]}"
    engine("import", str(project.folder / "empty.tar"), name)
    try:
        on_containers(project, image=name)
        assert 'set `command = "image"`' in _broken(project, "has no /bin/sh")
    finally:
        engine("rmi", name)


def _broken(project: Project, told: str, **more: str) -> str:
    """Run one node; it has to end as unknown with this in its error, and nothing is left. The error."""
    project.write("trial.json", one_container())
    done = project.seatrial("run", "trial.json", "--format", "none", env={**project.environment, **more})
    row = only(project.results()["results"])
    assert told in row["error"], row
    assert (done.returncode, row["verdict"]) == (3, "unknown"), done.stderr
    assert left_in_podman(project) == []
    assert project.left() == []
    return str(row["error"])


# Power


@tables.ON_ENGINES
def test_a_container_whose_init_ignores_being_told_fails_its_restart(project: Project) -> None:
    deaf = '["/bin/sh", "-c", "trap true TERM INT; while :; do sleep 1; done"]'
    on_containers(project, command="image", options=["--entrypoint", deaf])
    restart = {"step": "restart_node", "target_node": "n11"}
    _fails(project, restart, "waiting for the restart of n11")


@tables.ON_ENGINES
def test_a_container_that_was_not_killed_fails_its_crash(project: Project) -> None:
    on_containers(project, engine=stand_in(project.folder, 'test "$1" != kill || exit 0'))
    _fails(project, {"step": "crash_node", "target_node": "n11"}, "waiting for the crash of n11")


def _fails(project: Project, step: dict[str, str], told: str) -> None:
    project.write("trial.json", one_container(step, deadlines={"restart": 3, "stop": 3}))
    done = project.seatrial("run", "trial.json", "--format", "none")
    row = only(project.results()["results"])
    assert told in row["error"], row
    assert (done.returncode, row["verdict"]) == (1, "failed")
    assert left_in_podman(project) == []
    assert project.left() == []


@pytest.mark.parametrize("ssh", ["yes", "no"])
def test_a_command_ends_as_a_lost_link_when_its_container_is_killed_from_outside(project: Project, ssh: str) -> None:
    on_containers(project, ssh=ssh)
    look = validate({"check": "command", "command": ["sleep", "100"], "on": "n11", "timeout": "100s"})
    running = project.start("run", project.write("trial.json", one_container(look)), "--format", "none")
    container: list[str] = []

    def sleeps() -> bool:
        container[:] = engine("ps", "--quiet", "--filter", f"label=seatrial.project={project.folder}").split()
        return bool(container) and "sleep 100\n" in f"{engine('top', container[0], 'args')}\n"

    until(sleeps, "the command on the node")
    killed = time.time()
    engine("kill", container[0])
    running.communicate(timeout=300)
    row = only(project.results()["results"])
    assert ("was interrupted" if ssh == "yes" else "the result is unknown") in row["error"], row
    ended = max(one["at"] for one in project.events() if one["kind"] == "step_finished")
    assert ended - killed < 50  # the machine may be busy; what is not noticed takes 100
    assert left_in_podman(project) == []


@pytest.mark.parametrize("ssh", ["yes", "no"])
def test_every_process_of_a_node_has_the_runs_name_and_its_console_is_kept(project: Project, ssh: str) -> None:
    on_containers(project, ssh=ssh, command=["sh", "-c", "echo the console says $E2E_RUN_ID"])
    named = {"check": "command", "command": 'test "$SEATRIAL_RUN_ID" = "${{ run.id }}"', "on": "n11"}
    project.write("trial.json", one_container(validate(named)))
    done = project.seatrial("run", "trial.json", "--format", "none")
    assert done.returncode == 0, project.results()["results"]
    (log,) = project.runs()[-1].glob("*/artifacts/nodes/n11/console.log")
    trial = only(project.results()["results"])["deployment_id"].rpartition("-")[2]
    assert f"the console says {trial}" in log.read_text()
