"""Real machines for tests: made in a temporary folder, reached over SSH, ended whatever the test did."""

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from seatrial.providers.local import tree
from seatrial.providers.local.confinement import FORCE, NAMESPACES


def eventually(look: Callable[[], Any], what: str, within: float = 40.0) -> Any:
    """The first true answer; fails after `within` seconds."""
    deadline = time.monotonic() + within
    while not (answer := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within} s: {what}")
        time.sleep(0.005)
    return answer


class Machine:
    """One node under test, and the client's side of it."""

    def __init__(self, folder: Path, name: str, services: Mapping[str, Mapping[str, Any]], mode: str | None) -> None:
        self.folder = folder
        self.run_id = f"r{uuid.uuid4().hex[:12]}"
        self.tag = f"{self.run_id}-t/{name}"
        self.address = f"127.{random.randint(2, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"
        self.port = _free_port(self.address)
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.mode = mode
        self.box: subprocess.Popen[bytes] | None = None
        (folder / "services").mkdir(parents=True)
        self.host_key.write_private_key(folder / "host_key")
        self.key.write_public_key(folder / "authorized_keys")
        for service, definition in services.items():
            self.define(service, **definition)
        env = {"E2E_RUN_ID": f"{self.run_id}-t", "SEATRIAL_RUN_ID": self.run_id, "SEATRIAL_NODE": self.tag}
        machine = {"name": name, "address": self.address, "ssh_port": self.port, "env": env}
        files = {"host_key": str(folder / "host_key"), "authorized_keys": str(folder / "authorized_keys")}
        (folder / "machine.json").write_text(json.dumps(machine | files))

    def define(self, service: str, **definition: Any) -> None:
        (self.folder / "services" / f"{service}.json").write_text(json.dumps(definition))

    def power_on(self) -> "Machine":
        env = {name: value for name, value in os.environ.items() if name != FORCE}
        if self.mode is not None:
            env[FORCE] = self.mode
        argv = [sys.executable, "-m", "seatrial.providers.local.machine", str(self.folder)]
        self.box = subprocess.Popen(argv, env=env, start_new_session=True)
        self.wait_ssh()
        if self.mode == NAMESPACES and self.state["confinement"]["mode"] != NAMESPACES:
            pytest.skip(f"namespaces are not allowed here: {self.state['confinement']['why']}")
        return self

    def wait_ssh(self) -> None:
        eventually(self.answers, f"SSH of {self.tag}: {self.console}")

    def answers(self) -> bool:
        try:
            with socket.create_connection((self.address, self.port), timeout=2) as link:
                return link.recv(4) == b"SSH-"
        except OSError:
            return False

    @property
    def console(self) -> str:
        path = self.folder / "console.log"
        return path.read_text() if path.exists() else ""

    @property
    def state(self) -> dict[str, Any]:
        return tree.read_state(self.folder)

    def ended(self, within: float = 40.0) -> int:
        """The box's exit code."""
        assert self.box is not None
        return self.box.wait(within)

    def next_boot(self, old: str) -> str:
        """The boot id after this one, once its SSH answers."""
        state = eventually(
            lambda: s if (s := self.state)["boot_id"] != old and s["reason"] == "running" else None, "a new boot"
        )
        self.wait_ssh()
        return str(state["boot_id"])

    def connect(self, **options: Any) -> Any:
        known = asyncssh.import_known_hosts(
            f"[{self.address}]:{self.port} {self.host_key.export_public_key().decode()}"
        )
        given = {"username": "root", "client_keys": [self.key], "known_hosts": known, "config": None} | options
        return asyncssh.connect(self.address, self.port, **given)

    def ssh(self, command: str, *, timeout: float = 60.0, **options: Any) -> Any:
        """Run one command; asyncssh's completed process (exit_status None when the connection broke)."""

        async def run() -> Any:
            async with asyncio.timeout(timeout), self.connect() as connection:
                return await connection.run(command, **options)

        return asyncio.run(run())

    def ask(self, command: str) -> str:
        """The output of a command that has to succeed."""
        result = self.ssh(command)
        assert result.exit_status == 0, f"{command}: {result.exit_status} {result.stderr}"
        return str(result.stdout).strip()

    def tell(self, command: str) -> None:
        """Run a command that may take the node, and so the connection, with it."""
        with suppress(OSError, asyncssh.Error):
            self.ssh(command)

    def services(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask("seatrial-init status"))["services"]
        return found

    def destroy(self) -> None:
        tree.kill_tree(self.state, self.tag)
        if self.box is not None:
            self.box.wait(60)


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def sleepers(mark: str) -> list[int]:
    """Host process ids of `sleep MARK`."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with suppress(OSError):
                if (path / "cmdline").read_bytes() == f"sleep\0{mark}\0".encode():
                    found.append(int(path.name))
    return found


@pytest.fixture
def mark() -> str:
    """A number of seconds to sleep that no other process on this host sleeps."""
    return f"{random.randint(100_000, 900_000)}.{random.randint(100_000, 999_999)}"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    """Make a machine that is not yet switched on; every one is ended and leaves nothing."""
    made: list[Machine] = []

    def one(name: str = "n11", mode: str | None = None, **services: Mapping[str, Any]) -> Machine:
        made.append(Machine(tmp_path / name, name, services, mode))
        return made[-1]

    yield one
    for machine in made:
        machine.destroy()
    for machine in made:
        assert tree.find_tagged(machine.run_id) == []


@pytest.fixture(params=["namespaces", "plain"])
def mode(request: pytest.FixtureRequest) -> str:
    """Both confinements."""
    return str(request.param)


ESCAPE = (
    "import os, sys\n"
    "if os.fork(): os._exit(0)\n"
    "os.setsid()\n"
    "if os.fork(): os._exit(0)\n"
    "os.execve('/bin/sleep', ['sleep', sys.argv[1]], {})\n"
)
"""A Python program that leaves its parent, session and environment behind and then sleeps."""


@pytest.fixture
def escape() -> str:
    return ESCAPE


@pytest.fixture
def asleep() -> Callable[[str], list[int]]:
    return sleepers


@pytest.fixture
def until() -> Callable[..., Any]:
    return eventually


def assure_host_is_safe(machine: Machine) -> None:
    """Before any power command: the node can do nothing to the host, as the node itself sees it. Fails otherwise."""
    status = machine.ask("cat /proc/self/status")
    effective = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff"))
    assert not effective >> 22 & 1, "CAP_SYS_BOOT is in force in the node"
    if machine.mode == "plain":
        return  # there only the shims and the SSH server's rerouting are tried, never a system call
    assert machine.ask("readlink /proc/self/ns/pid") != str(Path("/proc/self/ns/pid").readlink()), (
        "the host's processes"
    )


@pytest.fixture
def safe() -> Callable[[Machine], None]:
    return assure_host_is_safe
