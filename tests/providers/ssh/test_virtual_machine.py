"""The powers of the ssh provider on a machine with a kernel of its own: QEMU, with the image of `make backends`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from tests.backends import tables
from tests.providers.ssh.local_machines import registry

from seatrial.errors import LinkDown, LinkLost
from seatrial.model.cluster import PowerState
from seatrial.model.resource import NodeSpec
from seatrial.providers.libvirt import seed
from seatrial.testing import context, flow

pytestmark = [pytest.mark.slow, pytest.mark.backend("libvirt")]

IMAGES = Path(__file__).resolve().parents[3] / ".images"
NETWORK = "10.0.2"
"""QEMU's own network, which leads to this host and nowhere else."""


class Machine:
    """One machine, reached through a port of loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("user", "host"):
            key = asyncssh.generate_private_key("ssh-ed25519")
            key.write_private_key(str(folder / name))
            key.write_public_key(str(folder / f"{name}.pub"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        mac = "52:54:00:12:34:56"
        identity = seed.Identity(
            instance="n11", hostname="n11", user="root", authorized=(folder / "user.pub").read_text().strip(),
            host_key=(folder / "host").read_text(), host_public=(folder / "host.pub").read_text().strip(),
            address=f"{NETWORK}.15", gateway=f"{NETWORK}.2", mac=mac,
        )  # fmt: skip
        (folder / "seed.iso").write_bytes(seed.iso(seed.files(identity)))
        overlay = [
            "qemu-img",
            "create",
            "-q",
            "-f",
            "qcow2",
            "-F",
            "qcow2",
            "-b",
            str((IMAGES / "node.qcow2").resolve()),
        ]
        subprocess.run([*overlay, str(folder / "disk.qcow2")], check=True)
        known = f"[127.0.0.1]:{self.port} {(folder / 'host.pub').read_text()}"
        (folder / "known").write_text(known)
        self.process: subprocess.Popen[bytes] | None = None

    def power_on(self) -> None:
        argv = [
            "qemu-system-x86_64", "-accel", "tcg,tb-size=64", "-m", "192", "-nographic", "-nic",
            f"user,restrict=on,model=virtio-net-pci,mac=52:54:00:12:34:56,hostfwd=tcp:127.0.0.1:{self.port}-{NETWORK}.15:22",
            "-kernel", str(IMAGES / "vmlinux"), "-initrd", str(IMAGES / "initrd.img"),
            "-append", "console=ttyS0 root=/dev/vda rw quiet panic=1",
            "-drive", f"file={self.folder}/disk.qcow2,format=qcow2,if=virtio",
            "-drive", f"file={self.folder}/seed.iso,format=raw,if=virtio,readonly=on",
        ]  # fmt: skip
        with (self.folder / "console").open("ab") as console:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=console, stderr=console)

    def off(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def cut(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


async def until(look, seconds: float, what: str) -> None:
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(LinkDown, LinkLost, TimeoutError):
                if await look():
                    return
            await asyncio.sleep(0.1)


@tables.ON_MACHINES
def test_a_real_kernel_crashes_by_sysrq_reboots_and_powers_off(tmp_path):
    async def act(machine):
        host = {"name": "n11", "host": "127.0.0.1", "port": machine.port, "key": str(tmp_path / "user")}
        settings = {"hosts": [host], "known_hosts": str(tmp_path / "known")}
        suite = flow(provider="ssh")
        async with context(tmp_path / "t", suite, providers={"ssh": settings}, registry=registry()) as ctx:
            provider: Any = ctx.provider

            async def up():
                return (await provider.readiness(ctx.suite.provider_settings)).ready

            await until(up, 120, "boot")
            node = await ctx.create_node(NodeSpec(name="n11", ports={"client": 0}))
            link, first = ctx.link(node), await provider.boot_id(node)
            assert "/" not in first
            # What was synced survives the crash, what was not need not: that is what makes it one.
            await link.run(f"echo kept >{node.folder}/kept && sync")
            running = asyncio.create_task(link.run(f"touch {node.folder}/begun; sleep 300", timeout=400))

            async def begun_there():
                return (await link.run(["test", "-e", f"{node.folder}/begun"])).ok

            await until(begun_there, 60, "the command")
            begun = time.monotonic()
            assert await provider.guest_crash(node) == "rebooting"
            with pytest.raises(LinkLost):
                await running
            assert time.monotonic() - begun < 60

            async def rebooted():
                return await provider.boot_id(node) != first

            await until(rebooted, 120, "a new boot")
            assert (await link.run(["cat", f"{node.folder}/kept"])).stdout == "kept\n"
            assert await provider.state(node) is PowerState.RUNNING
            assert [one.name for one in await provider.find(ctx.run_id)] == [f"{ctx.trial_id}-n11"]
            await provider.guest_stop(node)
            assert await provider.state(node) is PowerState.STOPPED
            async with asyncio.timeout(30):
                while not machine.off():
                    await asyncio.sleep(0.1)
            machine.power_on()

            async def on():
                return await provider.state(node) is PowerState.RUNNING

            await until(on, 120, "a person's power-on")
            await ctx.destroy_node(node)
            with pytest.raises(FileNotFoundError):
                await link.get(f"{node.folder}/kept", tmp_path / "gone")
            await link.close()

    machine = Machine(tmp_path)
    machine.power_on()
    try:
        asyncio.run(asyncio.wait_for(act(machine), 500))
    finally:
        machine.cut()
