"""The ssh provider keeps the contract on a real OpenSSH of Debian: machines that exist are containers of Podman.

Their first process is a script that powers off and reboots as a machine does: `poweroff` ends it with 0, `reboot` with
1, and Podman starts a container that ended with 1 again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import uuid
from pathlib import Path

import pytest
from scripts.images.engines import IMAGE
from tests.backends import podman, tables
from tests.providers.ssh.local_machines import Attended, registry

from seatrial.errors import LinkDown
from seatrial.links.tcp import reach
from seatrial.testing import ProviderContract

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman")]

INIT = """
trap 'exit 0' USR1; trap 'exit 1' USR2
printf '#!/bin/sh\\nkill -s USR1 1\\n' >/usr/local/sbin/poweroff
printf '#!/bin/sh\\nkill -s USR2 1\\n' >/usr/local/sbin/reboot
chmod 755 /usr/local/sbin/poweroff /usr/local/sbin/reboot
mkdir -p /run/sshd /root/.ssh; echo "$PUBLIC" >/root/.ssh/authorized_keys; chmod -R go= /root/.ssh
[ -e /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
cp /etc/ssh/ssh_host_ed25519_key.pub /shared/"$NAME".pub
/usr/sbin/sshd -D -e & while :; do wait; done
"""


def engine(*argv: str) -> str:
    environment = {**os.environ, **podman.environment()}
    done = subprocess.run(["podman", *argv], env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Standing:
    """Two containers, the network they are on, and the person who starts them again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = "seatrial-test-" + uuid.uuid4().hex[:8]
        self.names = {name: f"{self.network}-{name}" for name in ("n11", "n12")}

    async def power_on(self) -> None:
        """Start what is off; one that is going off just now says that it runs until it does not."""
        async with asyncio.timeout(60):
            for name, container in self.names.items():
                while not await answers(self.addresses[name]):
                    await asyncio.to_thread(engine, "start", container)

    def up(self) -> None:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / "key")], check=True)
        engine("network", "create", self.network)
        listed = json.loads(engine("network", "inspect", self.network))
        subnet = listed[0]["subnets"][0]["subnet"].rpartition(".")[0]
        self.addresses = {name: f"{subnet}.{name[1:]}" for name in self.names}
        public = (self.folder / "key.pub").read_text().strip()
        for name, container in self.names.items():
            engine(
                "run", "--detach", "--name", container, "--network", self.network, "--ip", self.addresses[name],
                "--restart", "on-failure", "--volume", f"{self.folder}:/shared", "--env", f"PUBLIC={public}",
                "--env", f"NAME={name}", IMAGE, "sh", "-c", INIT,
            )  # fmt: skip

    async def write(self) -> None:
        """Write the inventory, as an OpenSSH configuration, once the machines have their host keys and answer."""
        lines, known = [], []
        for name, address in self.addresses.items():
            key = self.folder / f"{name}.pub"
            async with asyncio.timeout(60):
                while not key.is_file() or not key.read_text().endswith("\n") or not await answers(address):
                    await asyncio.sleep(0.05)
            known.append(f"{address} {key.read_text()}")
            lines.append(f"Host {name}\n  HostName {address}\n")
        lines.append(
            f"Host *\n  User root\n  IdentityFile {self.folder}/key\n  UserKnownHostsFile {self.folder}/known\n"
        )
        (self.folder / "known").write_text("".join(known))
        (self.folder / "config").write_text("".join(lines))

    def down(self) -> None:
        environment = {**os.environ, **podman.environment()}
        for argv in (
            ["rm", "--force", "--time", "0", *self.names.values()],
            ["network", "rm", "--force", self.network],
        ):
            subprocess.run(["podman", *argv], env=environment, capture_output=True, timeout=120, check=False)


async def answers(address: str) -> bool:
    try:
        await reach(address, 22, timeout=1.0)
    except LinkDown:
        return False
    return True


@contextlib.asynccontextmanager
async def containers(folder: Path):
    standing = Standing(folder)
    try:
        standing.up()
        await standing.write()
        Attended.people.append(standing.power_on)
        yield
    finally:
        if standing.power_on in Attended.people:
            Attended.people.remove(standing.power_on)
        standing.down()


@tables.ON_ENGINES
@pytest.mark.parametrize("promise", ProviderContract.promises())
def test_the_ssh_provider_keeps_on_openssh(promise, tmp_path):
    async def on_containers(work):
        async with containers(tmp_path):
            await work

    contract = ProviderContract("attended", {"inventory": str(tmp_path / "config")}, registry=registry(), deadline=60)
    contract.keep(promise, tmp_path / "run", lambda work: asyncio.run(on_containers(work)))
