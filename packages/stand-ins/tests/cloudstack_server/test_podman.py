"""Machines of the CloudStack server that are containers: reached by SSH, with true disks, and gone at its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloudstack_server.calls import catalog, client, disk_offering
from seatrial_stand_ins.cloudstack import CloudStackServer, PodmanMachines

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman")]

GROWN = "umount /data && e2fsck -fyp /dev/vdb >/dev/null; resize2fs -p /dev/vdb >/dev/null 2>&1 && mount /data"


class Door:
    """Our key, and commands over OpenSSH."""

    def __init__(self, folder: Path) -> None:
        self.key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)
        self.public = self.key.with_suffix(".pub").read_text()

    def run(self, address: str, command: str) -> str | None:
        """What it printed; None when nobody answered."""
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=2"]
        argv = ["ssh", "-F", "none", "-i", str(self.key), *(word for one in options for word in ("-o", one))]
        done = subprocess.run(
            [*argv, f"root@{address}", command], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode in (0, 255), done.stderr
        return done.stdout if done.returncode == 0 else None

    def until(self, address: str, command: str) -> str:
        """The same, when it answers."""
        end = time.monotonic() + 60
        while (said := self.run(address, command)) is None:
            assert time.monotonic() < end, f"{address} does not answer"
        return said


def left(podman, folder: Path) -> list[str]:
    """Containers, networks, loop devices and folders of servers that had this folder."""
    found = [str(one) for one in folder.glob("seatrial-machines-*")]
    for words in (["ps", "--all"], ["network", "ls"]):
        argv = ["podman", *words, "--filter", "label=seatrial.machines", "--format", "json"]
        listed = subprocess.run(argv, env={**os.environ, **podman}, capture_output=True, text=True, check=True).stdout
        found += [str(one) for one in json.loads(listed or "[]") or [] if str(folder) in json.dumps(one)]
    loops = subprocess.run(["losetup", "--list", "--noheadings"], capture_output=True, text=True, check=True).stdout
    return found + [line for line in loops.splitlines() if str(folder) in line]


def test_a_machine_is_reached_by_ssh_has_its_disk_grows_it_and_keeps_it_over_its_power(tmp_path, podman):
    door = Door(tmp_path)
    with CloudStackServer(PodmanMachines(folder=tmp_path)) as server:
        cloud = client(server)
        cloud.registerSSHKeyPair(name="us", publickey=door.public)
        deployed = cloud.deployVirtualMachine(
            **catalog(cloud), name="web1", keypair="us", diskofferingid=disk_offering(cloud), size=1
        )["virtualmachine"]
        id, address = deployed["id"], deployed["nic"][0]["ipaddress"]
        made = "mkfs.ext4 -q /dev/vdb && mkdir /data && echo '/dev/vdb /data ext4 nofail' >/etc/fstab && mount /data"
        assert door.run(address, f"hostname; {made} && echo kept >/data/note; blockdev --getsize64 /dev/vdb") == (
            f"web1\n{1024**3}\n"
        )
        volume = cloud.listVolumes(virtualmachineid=id, type="DATADISK")["volume"][0]
        cloud.resizeVolume(id=volume["id"], size=2)
        grown = door.run(address, f"blockdev --getsize64 /dev/vdb; {GROWN}; stat -f -c '%b %S' /data")
        assert grown is not None
        disk, blocks, size = map(int, grown.split())
        assert disk == 2 * 1024**3
        assert 0.9 * disk < blocks * size < disk
        assert cloud.stopVirtualMachine(id=id)["virtualmachine"]["state"] == "Stopped"
        assert door.run(address, "true") is None
        cloud.startVirtualMachine(id=id)
        assert door.run(address, "cat /data/note") == "kept\n"
        began = "cut -d' ' -f22 /proc/1/stat"  # when its first process was started
        boot = door.run(address, began)
        assert boot is not None
        door.run(address, "reboot")
        end = time.monotonic() + 60
        while door.run(address, began) in (None, boot):  # it answers until it goes down
            assert time.monotonic() < end, "it was not started again"
        assert door.until(address, "cat /data/note") == "kept\n"
        door.run(address, "poweroff -f")
        end = time.monotonic() + 60
        while cloud.listVirtualMachines(id=id)["virtualmachine"][0]["state"] != "Stopped":
            assert time.monotonic() < end, "a machine that powered itself off still runs"
            time.sleep(0.05)
    assert left(podman, tmp_path) == []


def test_what_a_killed_server_left_goes_with_the_next_one(tmp_path, podman):
    door, file = Door(tmp_path), tmp_path / "variables"
    argv = [
        sys.executable,
        "-m",
        "seatrial_stand_ins.cloudstack",
        "--folder",
        str(tmp_path),
        "--environment",
        str(file),
    ]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        assert file.stat().st_mode & 0o077 == 0
        told = dict(line.split("=", 1) for line in file.read_text().splitlines())
        server = CloudStackServer(key=told["CLOUDSTACK_KEY"], secret=told["CLOUDSTACK_SECRET"])
        server.root = told["CLOUDSTACK_ENDPOINT"].removesuffix("/client/api")
        cloud = client(server)
        cloud.registerSSHKeyPair(name="us", publickey=door.public)
        offering = disk_offering(cloud, "one")
        cloud.deployVirtualMachine(**catalog(cloud), name="web1", keypair="us", diskofferingid=offering)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()
    assert len(left(podman, tmp_path)) == 4  # folder, container, network, disk
    with CloudStackServer(PodmanMachines(folder=tmp_path)):
        pass
    assert left(podman, tmp_path) == []
