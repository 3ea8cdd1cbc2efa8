"""The host key of a machine that the trial itself makes is accepted once; nobody else's is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncssh
import pytest
from tests.acceptance.harness import Document, Project, suite, until, validate
from tests.links.ssh_server import Server, serving

LOOK = validate("ssh_connectivity")


def asks(word: str) -> str:
    """A command that asks for something and waits until it is done."""
    return f"touch {word}; while test -e {word}; do sleep 0.05; done"


CHANGE: Document = {"step": "custom_command", "custom_command": asks("change")}


def system(machine: Server) -> Document:
    record = f"n11 ansible_host=127.0.0.1 ansible_port={machine.port} ansible_ssh_private_key_file={machine.folder}/key"
    (machine.folder / "hosts.ini").write_text(f"{record} ansible_user=root\n")
    return {
        "kind": "command", "deploy": asks("up"), "destroy": asks("down"), "creates_machines": True,
        "inventory": {"file": "hosts.ini"}, "poll": 0.1,
    }  # fmt: skip


@contextlib.asynccontextmanager
async def obeying(machine: Server) -> AsyncIterator[None]:
    """The machine is made and unmade as the deployer asks; each new one has a host key of its own."""

    async def watch() -> None:
        up = True
        while True:
            for word in ("up", "down", "change"):
                file = machine.folder / word
                if not file.exists():
                    continue
                if up and word != "up":
                    await machine.crash()
                if (up, word) in ((False, "up"), (True, "change")):
                    machine.host_key = asyncssh.generate_private_key("ssh-ed25519")
                    await machine.start()
                up = word != "down"
                file.unlink()
            await asyncio.sleep(0.02)

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()


def ran(folder: Path, *steps: Document | str, there: bool = False, code: int) -> str:
    """What a run says whose machine is made by `deploy`, or `there` before it."""
    project = Project(folder)

    async def scenario() -> str:
        async with serving(folder) as machine, obeying(machine):
            document = project.write(
                "trial.json", suite(*steps, system=system(machine), deadlines={"deploy": 15 if there else 120})
            )
            if not there:
                await asyncio.to_thread(project_asks, folder, "down")
            done = await asyncio.to_thread(project.seatrial, "run", document)
            assert done.returncode == code, done.stdout + done.stderr
            assert project.left() == []
            return done.stdout + done.stderr

    return asyncio.run(scenario())


def project_asks(folder: Path, word: str) -> None:
    (folder / word).touch()
    until(lambda: not (folder / word).exists(), word)


def test_the_first_key_of_a_machine_that_deploy_makes_is_accepted_also_the_second_time(tmp_path: Path) -> None:
    ran(tmp_path, "deploy", LOOK, "destroy", "deploy", LOOK, code=0)


def test_a_key_that_changes_later_is_refused(tmp_path: Path) -> None:
    assert "host key" in ran(tmp_path, "deploy", LOOK, CHANGE, LOOK, code=3).lower()


def test_the_key_of_a_machine_that_was_there_before_is_not_accepted(tmp_path: Path) -> None:
    said = ran(tmp_path, {"step": "deploy", "allow_failure": True}, LOOK, there=True, code=3)
    assert "n11 answers at 127.0.0.1:" in said
    assert "Seatrial accepts no unknown host key of it" in said


@pytest.mark.backend("ansible")
def test_a_machine_that_was_there_before_is_not_given_to_playbooks_that_create_machines(
    tmp_path: Path, tool: Callable[[str], Path]
) -> None:
    project = Project(tmp_path)
    play = "- hosts: localhost\n  gather_facts: false\n  tasks: [{ansible.builtin.shell: touch ran}]\n"
    (tmp_path / "play.yml").write_text(play)

    async def scenario() -> None:
        async with serving(tmp_path) as machine:
            system(machine)
            own = {"kind": "ansible", "deploy": "play.yml", "destroy": "play.yml", "inventory": "hosts.ini"}
            document = project.write("trial.json", suite("deploy", system={**own, "creates_machines": True}))
            env = {**project.environment, "PATH": f"{tool('ansible').parent}:{project.environment['PATH']}"}
            done = await asyncio.to_thread(project.seatrial, "run", document, env=env)
            assert done.returncode == 3, done.stdout + done.stderr
            assert "before `deploy`, so `deploy` does not create it: remove the machine" in done.stdout

    asyncio.run(scenario())
    assert not (tmp_path / "ran").exists()
