"""What Podman 4 and Docker 20 to 28 say, word for word, and what it is to us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from seatrial.errors import CannotTell, LeaseTaken, ToolMissing
from seatrial.links.containers import Engine, NoSuchImage, NoSuchThing, NotRunning, clients_gone, refusal, said_by
from seatrial.spi import Finished

PODMAN = Engine("/usr/bin/podman", "podman")
DOCKER = Engine("/usr/bin/docker", "docker")
DAEMON = "Error response from daemon: "
HELP = "\n\nRun 'docker run --help' for more information\n"

SAID = [
    (PODMAN, "Error: nosuch:1: image not known", NoSuchImage, "nosuch:1"),
    (DOCKER, f"{DAEMON}No such image: nosuch:1", NoSuchImage, "nosuch:1"),
    (DOCKER, f"docker: {DAEMON}No such image: nosuch:1.{HELP}", NoSuchImage, "nosuch:1"),
    (PODMAN, 'Error: no container with name or ID "n11" found: no such container', NoSuchThing, "n11"),
    (PODMAN, "Error: unable to find network with name or ID net: network not found", NoSuchThing, "net"),
    (DOCKER, f"{DAEMON}No such container: n11", NoSuchThing, "n11"),
    (DOCKER, f"{DAEMON}network net not found\nexit status 1", NoSuchThing, "network net not found"),
    (PODMAN, "Error: can only kill running containers. 3ba0 is in state exited: container state improper",
     NotRunning, "exited"),
    (DOCKER, f"{DAEMON}Cannot kill container: n11: Container 223b is not running", NotRunning, "not running"),
    (DOCKER, f"{DAEMON}Container n11 is paused, unpause the container before exec", NotRunning, "paused"),
    (PODMAN, "Error: cannot listen on the TCP port: listen tcp4 127.0.0.1:34567: bind: address already in use",
     LeaseTaken, "127.0.0.1:34567"),
    (DOCKER, f"docker: {DAEMON}driver failed programming external connectivity on endpoint n11 (ac): Error starting "
     f"userland proxy: listen tcp4 127.0.0.1:34568: bind: address already in use.{HELP}", LeaseTaken, "34568"),
    (PODMAN, "Error: subnet 10.222.1.0/24 is already used on the host or by another config", LeaseTaken, "another net"),
    (DOCKER, f"{DAEMON}Pool overlaps with other one on this address space\nexit status 1", LeaseTaken, "another net"),
    (PODMAN, 'Error: creating container storage: mkdir /s/overlay/x: no space left on device', CannotTell,
     "podman system prune"),
    (DOCKER, "permission denied while trying to connect to the Docker daemon socket at unix:///run/docker.sock: "
     "connect: permission denied", CannotTell, "this user has no permission"),
    (PODMAN, 'time="2026-01-01T00:00:00Z" level=error msg="stat /r/storage.conf: permission denied"', CannotTell,
     "this user has no permission"),
    (DOCKER, "Cannot connect to the Docker daemon at unix:///x.sock. Is the docker daemon running?", CannotTell,
     "systemctl start docker"),
    (PODMAN, 'time="2026" level=warning msg="old"\nError: something new', CannotTell,
     "ended with exit code 125: something new"),
    (PODMAN, "", CannotTell, "ended with exit code 125: nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("engine", "said", "kind", "told"), SAID)
def test_what_an_engine_says_is_told_apart(engine, said, kind, told):
    error = refusal(engine, "making n11", Finished(exit_code=125, stdout="", stderr=said))
    assert type(error) is kind
    assert isinstance(error, CannotTell)
    assert str(error).startswith(f"making n11: {engine.name} ")
    assert told in str(error)
    assert "--help" not in str(error)
    assert "exit status" not in str(error)


def test_the_line_that_says_why_is_the_error_and_not_a_warning_or_advice():
    warned = Finished(exit_code=1, stdout="", stderr="WARNING: old\nError: broken\n")
    assert said_by(warned) == "broken"
    advised = Finished(exit_code=125, stdout="", stderr=f"docker: {DAEMON}broken.{HELP}")
    assert said_by(advised) == f"{DAEMON}broken."


def script(folder: Path, name: str, text: str) -> str:
    """A program in the engine's place."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_an_engine_that_does_not_answer_is_named_with_what_it_was_asked_for(tmp_path):
    engine = Engine(script(tmp_path, "podman", "sleep 60"), "podman")
    with pytest.raises(CannotTell, match=r"looking at n11: podman did not answer within 0.2 s"):
        asyncio.run(engine.call("inspect", what="looking at n11", timeout=0.2))


def test_an_engine_that_was_uninstalled_is_a_missing_tool():
    with pytest.raises(ToolMissing, match="/nowhere/podman"):
        asyncio.run(Engine("/nowhere/podman", "podman").call("ps", what="listing"))


def test_variables_of_the_engine_are_over_ours_and_those_of_a_call_over_both(tmp_path, monkeypatch):
    monkeypatch.setenv("ONE", "ours")
    monkeypatch.setenv("TWO", "ours")
    engine = Engine(script(tmp_path, "podman", 'echo "$ONE $TWO $THREE"'), "podman", {"TWO": "its", "THREE": "its"})
    done = asyncio.run(engine.run(env={"THREE": "the call's"}))
    assert done.stdout == "ours its the call's\n"


def test_what_is_being_made_is_waited_for_when_cancelled(tmp_path):
    engine = Engine(script(tmp_path, "podman", f"touch {tmp_path}/begun; sleep 0.5; touch {tmp_path}/made"), "podman")

    async def act():
        making = asyncio.create_task(engine.make("run", what="making n11"))
        async with asyncio.timeout(20):
            while not (tmp_path / "begun").exists():
                await asyncio.sleep(0.01)
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making
        assert (tmp_path / "made").exists()

    asyncio.run(act())


NODE, OTHER = f"t{os.getpid()}-n11", f"t{os.getpid()}-n12"
"""Names that no other process of the tests uses: whose call it is does not matter, only what it makes."""


@contextlib.contextmanager
def client(folder: Path, *argv: str):
    """A call of the engine whose caller is gone."""
    program = script(folder, "podman", "echo begun; read line")
    words = [program, *argv]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        try:
            yield Engine(program, "podman"), process
        finally:
            process.kill()


def test_a_call_that_goes_on_without_its_caller_is_waited_for(tmp_path):
    async def act(engine, process):
        waiting = asyncio.create_task(clients_gone(engine, [NODE], 30))
        await asyncio.wait([waiting], timeout=0.3)
        assert not waiting.done()
        process.stdin.close()
        process.wait(20)
        await waiting

    with client(tmp_path, "run", "--detach", "--name", NODE, "image") as (engine, process):
        asyncio.run(act(engine, process))


def test_a_call_that_never_ends_is_said_and_others_do_not_matter(tmp_path):
    with client(tmp_path, "run", "--detach", "--name", NODE, "image") as (engine, process):
        with pytest.raises(CannotTell, match=rf"process {process.pid}\) for {NODE}"):
            asyncio.run(clients_gone(engine, [NODE], 0.1))
        begun = time.monotonic()
        asyncio.run(clients_gone(engine, [OTHER], 30))
        assert time.monotonic() - begun < 10
    with client(tmp_path, "logs", NODE) as (engine, process):
        asyncio.run(clients_gone(engine, [NODE], 0.1))
        assert process.poll() is None
