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
    ContractFixture,
    assert_clean_leaves_nothing,
    killed_at_record,
    only,
    processes_of,
    until,
    validate,
)

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman")]

CLASSIC = Path(__file__).resolve().parents[2] / "examples" / "etcd" / "classic.yaml"
NODE_IS_MADE = 7
"""The record of the ledger that says so, in a run of one container."""


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    cache_of_tests(monkeypatch, tmp_path_factory)


def test_the_classic_workflows_of_a_real_etcd_are_green(harbour: ContractFixture) -> None:
    on_containers(harbour)
    done = harbour.seatrial("run", CLASSIC, "--on", "containers", "--parallel", "2", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = harbour.results()["results"]
    assert [row["verdict"] for row in rows] == ["passed"] * 4
    assert left_in_podman(harbour) == []
    assert harbour.left() == []


# Planted leaks


@pytest.fixture
def stranger() -> Iterator[str]:
    """A container of the user's own."""
    name = f"user-{uuid.uuid4().hex[:12]}"
    engine("run", "--detach", "--name", name, "--network", "none", IMAGE, "sleep", "1000")
    yield name
    engine("rm", "--force", "--time", "0", name)


def test_what_a_dead_run_made_and_never_recorded_is_found_and_given_back(
    harbour: ContractFixture, stranger: str
) -> None:
    on_containers(harbour)
    living = harbour.start("run", harbour.write("living.json", one_container({"step": "wait", "for": "100s"})))
    try:
        until(lambda: _waits(harbour), "the living run's wait")
        standing = left_in_podman(harbour)
        assert len(standing) == 2  # its container and its network
        trial = _leak(harbour)
        assert len(left_in_podman(harbour)) == 8
        said = harbour.seatrial("clean")
        assert said.returncode == 0, said.stdout
        for leak in (f"node {trial}-leak", f"network {trial}-leak", f"volume {trial}-loose"):
            assert f"found {leak}" in said.stdout
            assert f"removed {leak}" in said.stdout
        assert "still active" in said.stdout
        assert left_in_podman(harbour) == standing
        assert engine("container", "inspect", "--format", "{{.State.Status}}", stranger) == "running"
    finally:
        os.killpg(living.pid, signal.SIGINT)
        living.communicate(timeout=60)
    assert left_in_podman(harbour) == []
    assert_clean_leaves_nothing(harbour, [left_in_podman, ContractFixture.left], "after the living run")


def _leak(harbour: ContractFixture) -> str:
    """A run that is killed when it has a container, and things with its labels that are in no ledger; its trial."""
    before = _networks(harbour)
    document = harbour.write("trial.json", one_container())
    assert killed_at_record(harbour, document, NODE_IS_MADE, when="after")
    ((trial, labels),) = ((name, told) for name, told in _networks(harbour).items() if name not in before)
    carried = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
    for name in ("leak", "loose"):
        engine("volume", "create", *carried, f"{trial}-{name}")
    engine("network", "create", *carried, f"{trial}-leak")
    # On the trial's own network, which therefore cannot go before it.
    mounted = ("--volume", f"{trial}-leak:/data")
    engine("run", "--detach", "--name", f"{trial}-leak", "--network", trial, *mounted, *carried, IMAGE, "sleep", "1000")
    return trial


def _networks(harbour: ContractFixture) -> dict[str, dict[str, str]]:
    """The labels of this project's networks, by name."""
    listed = json.loads(engine("network", "ls", "--filter", "label=seatrial.project", "--format", "json"))
    return {one["name"]: one["labels"] for one in listed if one["labels"]["seatrial.project"] == str(harbour.folder)}


def _waits(harbour: ContractFixture) -> bool:
    return any(one["kind"] == "step_started" and one["data"].get("type") == "wait" for one in harbour.events())


def test_killed_while_the_engine_makes_a_container_nothing_comes_after_clean(harbour: ContractFixture) -> None:
    begun = harbour.folder / "begun"
    slow = f'case "$*" in "run --detach"*) touch {begun}; sleep 2 ;; esac'
    on_containers(harbour, engine=stand_in(harbour.folder, slow))
    running = harbour.start("run", harbour.write("trial.json", one_container()), "--format", "none")
    until(begun.exists, "the engine's call")
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert processes_of(harbour.folder), "the engine's call ended with its caller: nothing is tried here"
    said = assert_clean_leaves_nothing(harbour, [left_in_podman, ContractFixture.left], "killed in the engine's call")
    assert "removed node" in said
    until(lambda: not processes_of(harbour.folder), "the end of the engine's call")
    assert left_in_podman(harbour) == []


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
        "", "exited with 7; it said: mayday",
    ),
    "a user who is not in the image": ({"user": "nobody-knows"}, "", "the image has no user nobody-knows"),
    "a limit of memory that is too small": ({"options": ["--memory", "1"]}, "", "making the container n11"),
}  # fmt: skip


@pytest.mark.table(one_in=4)
@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_said_clearly_is_unknown_and_nothing_is_left(harbour: ContractFixture, fault: str) -> None:
    settings, script, told = FAULTS[fault]
    on_containers(harbour, **settings, **({"engine": stand_in(harbour.folder, script)} if script else {}))
    _broken(harbour, told)


def test_a_port_that_is_in_use_is_said_and_nothing_is_left(harbour: ContractFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        on_containers(harbour, options=["--publish", f"127.0.0.1:{port}:80"])
        _broken(harbour, "another program holds the port")


def test_no_engine_on_the_path_is_said_with_what_brings_one(harbour: ContractFixture) -> None:
    on_containers(harbour, engine="")
    error = _broken(harbour, "podman is not installed; docker is not installed", PATH=str(harbour.folder / "empty"))
    assert "apt-get install podman" in error


def test_an_image_without_a_shell_is_said_with_the_setting_that_helps(harbour: ContractFixture) -> None:
    (harbour.folder / "file").write_text("nothing to run\n")
    with tarfile.open(harbour.folder / "empty.tar", "w") as tar:
        tar.add(harbour.folder / "file", "file")
    name = f"localhost/seatrial-test-{uuid.uuid4().hex[:12]}"
    engine("import", str(harbour.folder / "empty.tar"), name)
    try:
        on_containers(harbour, image=name)
        assert 'set `command = "image"`' in _broken(harbour, "has no /bin/sh")
    finally:
        engine("rmi", name)


def _broken(harbour: ContractFixture, told: str, **more: str) -> str:
    """Run one node; it has to end as unknown with this in its error, and nothing is left. The error."""
    harbour.write("trial.json", one_container())
    done = harbour.seatrial("run", "trial.json", "--format", "none", env={**harbour.environment, **more})
    row = only(harbour.results()["results"])
    assert told in row["error"], row
    assert (done.returncode, row["verdict"]) == (3, "unknown"), done.stderr
    assert left_in_podman(harbour) == []
    assert harbour.left() == []
    return str(row["error"])


# Power


def test_a_container_whose_init_ignores_being_told_fails_its_restart(harbour: ContractFixture) -> None:
    deaf = '["/bin/sh", "-c", "trap true TERM INT; while :; do sleep 1; done"]'
    on_containers(harbour, command="image", options=["--entrypoint", deaf])
    restart = {"step": "restart_node", "target_node": "n11"}
    _fails(harbour, restart, "waiting for the restart of n11")


def test_a_container_that_was_not_killed_fails_its_crash(harbour: ContractFixture) -> None:
    on_containers(harbour, engine=stand_in(harbour.folder, 'test "$1" != kill || exit 0'))
    _fails(harbour, {"step": "crash_node", "target_node": "n11"}, "waiting for the crash of n11")


def _fails(harbour: ContractFixture, step: dict[str, str], told: str) -> None:
    harbour.write("trial.json", one_container(step, deadlines={"restart": 3, "stop": 3}))
    done = harbour.seatrial("run", "trial.json", "--format", "none")
    row = only(harbour.results()["results"])
    assert told in row["error"], row
    assert (done.returncode, row["verdict"]) == (1, "failed")
    assert left_in_podman(harbour) == []
    assert harbour.left() == []


@pytest.mark.parametrize("ssh", ["yes", "no"])
def test_a_command_ends_as_a_lost_link_when_its_container_is_killed_from_outside(
    harbour: ContractFixture, ssh: str
) -> None:
    on_containers(harbour, ssh=ssh)
    look = validate({"check": "command", "command": ["sleep", "100"], "on": "n11", "timeout": "100s"})
    running = harbour.start("run", harbour.write("trial.json", one_container(look)), "--format", "none")
    container: list[str] = []

    def sleeps() -> bool:
        container[:] = engine("ps", "--quiet", "--filter", f"label=seatrial.project={harbour.folder}").split()
        return bool(container) and "sleep 100\n" in f"{engine('top', container[0], 'args')}\n"

    until(sleeps, "the command on the node")
    killed = time.time()
    engine("kill", container[0])
    running.communicate(timeout=60)
    row = only(harbour.results()["results"])
    assert ("was interrupted" if ssh == "yes" else "the result is unknown") in row["error"], row
    ended = max(one["at"] for one in harbour.events() if one["kind"] == "step_finished")
    assert ended - killed < 5  # the machine may be busy; what is not noticed takes 100
    assert left_in_podman(harbour) == []


@pytest.mark.parametrize("ssh", ["yes", "no"])
def test_every_process_of_a_node_has_the_runs_name_and_its_console_is_kept(harbour: ContractFixture, ssh: str) -> None:
    on_containers(harbour, ssh=ssh, command=["sh", "-c", "echo the console says $E2E_RUN_ID"])
    named = {"check": "command", "command": 'test "$SEATRIAL_RUN_ID" = "${{ run.id }}"', "on": "n11"}
    harbour.write("trial.json", one_container(validate(named)))
    done = harbour.seatrial("run", "trial.json", "--format", "none")
    assert done.returncode == 0, harbour.results()["results"]
    (log,) = harbour.runs()[-1].glob("*/artifacts/nodes/n11/console.log")
    trial = only(harbour.results()["results"])["deployment_id"].rpartition("-")[2]
    assert f"the console says {trial}" in log.read_text()
