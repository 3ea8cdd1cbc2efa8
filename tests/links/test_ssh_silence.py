"""A peer that says nothing any more: a network namespace whose answers its kernel drops, so that no packet tells."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest

from seatrial.errors import LinkDown, LinkLost
from seatrial.links.ssh import SSHLink
from seatrial.model.resource import Node

PORT = 2222
SILENCE = 3.0
SERVER = """
import asyncio, sys
from pathlib import Path
import asyncssh
from seatrial.links.ssh.wire import unwrapped
async def handle(process):
    order = unwrapped(process.command)
    process.stdout.write(f"<{order.token} 1>")
    await process.stdin.read()
    if order.command == "hang":
        Path(sys.argv[5]).touch()
        await process.channel.wait_closed()
    process.exit(0)
async def main():
    await asyncssh.listen(sys.argv[1], int(sys.argv[2]), server_host_keys=[sys.argv[3]],
        authorized_client_keys=sys.argv[4], process_factory=handle)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@dataclass
class Machine:
    """A namespace with a server in it."""

    folder: Path
    name: str = field(default_factory=lambda: "st" + uuid.uuid4().hex[:8])
    server: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        # One of 16,384 pairs of the block for benchmarks, so that two runs of the tests do not meet.
        number = int(self.name[2:], 16) % 16384
        self.ours, self.address = (
            f"198.{18 + number // 8192}.{number // 64 % 128}.{number % 64 * 4 + last}" for last in (1, 2)
        )

    def node(self) -> Node:
        """Its record."""
        known = (self.folder / "host.pub").read_text()
        ssh = {
            "host": self.address,
            "port": PORT,
            "user": "root",
            "key": str(self.folder / "user"),
            "known_host": known,
            "silence": SILENCE,
        }
        return Node(name="n11", ssh=ssh)

    def power_on(self) -> None:
        """Make it and start its server."""
        _ip("netns", "add", self.name)
        _ip("link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("addr", "add", f"{self.ours}/30", "dev", self.name)
        _ip("link", "set", self.name, "up")
        _ip("-n", self.name, "addr", "add", f"{self.address}/30", "dev", "eth0")
        _ip("-n", self.name, "link", "set", "eth0", "up")
        argv = [self.address, str(PORT), str(self.folder / "host"), str(self.folder / "user.pub")]
        argv.append(str(self.folder / "hangs"))
        self.server = subprocess.Popen(["ip", "netns", "exec", self.name, sys.executable, "-c", SERVER, *argv])

    def power_off(self) -> None:
        """As a machine that loses its power: nothing is said to anybody."""
        self.silence()
        if self.server is not None:
            self.server.kill()
            self.server.wait()
        for argv in (["link", "del", self.name], ["netns", "del", self.name]):
            subprocess.run(["ip", *argv], check=False, capture_output=True)

    def silence(self, *only: str) -> None:
        """Drop all that it would say (to these ports alone), acknowledgements too."""
        chosen = ["ipproto", "tcp", "dport", *only] if only else []
        subprocess.run(["ip", "-n", self.name, "rule", "add", "pref", "5", *chosen, "blackhole"], check=False)

    def speak(self) -> None:
        """Be heard again."""
        _ip("-n", self.name, "rule", "del", "pref", "5")


def _ip(*argv: str) -> None:
    subprocess.run(["ip", *argv], check=True, capture_output=True, timeout=20)


@contextlib.asynccontextmanager
async def standing(folder: Path) -> AsyncIterator[tuple[Machine, SSHLink]]:
    """A machine that answers, and the link to it."""
    for name in ("host", "user"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(str(folder / name))
        key.write_public_key(str(folder / f"{name}.pub"))
    machine = Machine(folder)
    try:
        machine.power_on()
    except (OSError, subprocess.SubprocessError) as error:
        machine.power_off()
        pytest.skip(f"no network namespace can be made here: {getattr(error, 'stderr', error)!r}")
    link = SSHLink(machine.node())
    try:
        await answering(link)
        yield machine, link
    finally:
        await link.close()
        machine.power_off()


async def answering(link: SSHLink) -> None:
    """Wait until a command runs."""
    async with asyncio.timeout(30):
        while True:
            try:
                await link.run("true")
                return
            except (LinkDown, LinkLost):
                await asyncio.sleep(0.02)


def on(folder: Path, act: Callable[[Machine, SSHLink], Awaitable[None]]) -> None:
    async def main() -> None:
        async with standing(folder) as (machine, link):
            await act(machine, link)

    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.slow
def test_a_peer_that_falls_silent_in_the_middle_of_a_command_is_a_lost_link_within_seconds(tmp_path: Path) -> None:
    async def act(machine: Machine, link: SSHLink) -> None:
        running = asyncio.create_task(link.run("hang", timeout=40))
        async with asyncio.timeout(20):
            while not (tmp_path / "hangs").exists():
                await asyncio.sleep(0.01)
        machine.silence()
        begun = time.monotonic()
        with pytest.raises(LinkLost, match="after 3 s of silence while `hang` ran"):
            await running
        assert 1.0 < time.monotonic() - begun < 20  # the command itself has 40 s

    on(tmp_path, act)


@pytest.mark.slow
def test_a_command_does_not_wait_for_a_connection_that_is_dead_while_the_machine_is_up_again(tmp_path: Path) -> None:
    async def act(machine: Machine, link: SSHLink) -> None:
        assert link._connection.current is not None
        machine.silence(str(link._connection.current.get_extra_info("sockname")[1]))
        begun = time.monotonic()
        await link.run("true")
        assert time.monotonic() - begun < SILENCE

    on(tmp_path, act)


@pytest.mark.slow
def test_a_machine_that_was_switched_off_and_on_is_found_as_soon_as_it_is_up(tmp_path: Path) -> None:
    async def act(machine: Machine, link: SSHLink) -> None:
        machine.power_off()
        off = asyncio.create_task(answering(link))
        await asyncio.wait([off], timeout=0.5)
        assert not off.done()
        machine.power_on()
        fresh = SSHLink(machine.node())
        await answering(fresh)  # how long it takes to boot is no matter here
        up = time.monotonic()
        await off
        found = time.monotonic() - up
        await fresh.close()
        begun = time.monotonic()
        await answering(fresh)
        await fresh.close()
        assert found < 0.5 + 3 * (time.monotonic() - begun)  # a login takes the longer the busier this machine is

    on(tmp_path, act)


@pytest.mark.slow
def test_a_silent_machine_is_down_after_the_connect_timeout(tmp_path: Path) -> None:
    async def act(machine: Machine, link: SSHLink) -> None:
        machine.silence()
        quiet = SSHLink(machine.node(), connect_timeout=1.0)
        begun = time.monotonic()
        with pytest.raises(LinkDown, match="did not answer within 1 s"):
            await quiet.run("true")
        assert time.monotonic() - begun < 10

    on(tmp_path, act)


@pytest.mark.slow
def test_a_machine_that_was_silent_is_found_before_the_kernel_alone_would_have_tried_again(tmp_path: Path) -> None:
    async def act(machine: Machine, link: SSHLink) -> None:
        await link.close()
        machine.silence()
        looking = asyncio.create_task(link.run("true"))
        await asyncio.wait([looking], timeout=0.25)
        assert not looking.done()
        machine.speak()
        begun = time.monotonic()
        await looking
        found = time.monotonic() - begun
        await link.close()
        begun = time.monotonic()
        await link.run("true")
        # A connection attempt of the kernel is repeated after a second; on a busy machine any login takes longer.
        assert found < 0.5 + 3 * (time.monotonic() - begun)

    on(tmp_path, act)
