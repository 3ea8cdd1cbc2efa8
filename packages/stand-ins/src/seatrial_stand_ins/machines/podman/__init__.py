"""Podman containers as machines: an address, an SSH server, data disks of their true size, and power."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from seatrial.errors import CannotTell, SeatrialError
from seatrial.links.containers import Engine
from seatrial.links.containers.engines import find, reachable
from seatrial_stand_ins.machines import Disk, MachineFailed, Wanted
from seatrial_stand_ins.machines.podman import guest, loops, sweeping

IMAGE = "localhost/seatrial-node"
UP = 60.0
"""Seconds from power-on to an SSH server."""

ORDERLY = "10"
"""Seconds for a graceful power-off."""

RIGHTS = (
    *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--cap-add", "MKNOD", "--cap-add", "SYS_BOOT"),
    *(
        "--security-opt",
        "seccomp=unconfined",
        "--security-opt",
        "apparmor=unconfined",
        "--security-opt",
        "label=disable",
    ),
    *("--device-cgroup-rule", "b 7:* rwm"),
)
"""Additional rights of a machine's container: mount its own disks."""


@dataclass(slots=True, kw_only=True)
class _One:
    """A created machine."""

    name: str
    folder: Path
    address: str = ""
    disks: dict[str, Disk] = field(default_factory=dict)
    watch: asyncio.Task[None] | None = None


class PodmanMachines:
    """Containers as virtual machines; needs Podman as root, and root for data disks.

    `image`: with an SSH server in /usr/sbin/sshd and a shell. `options`: more words for `podman run`, such as
    `--privileged` where containers are to run inside. `folder`: where machines and disks are kept until the end.
    """

    def __init__(self, image: str = IMAGE, *, options: Sequence[str] = (), folder: Path | str = "") -> None:
        self._image, self._options = image, tuple(options)
        self._home = Path(folder or tempfile.gettempdir()).resolve()
        self._id = secrets.token_hex(4)
        self._network = f"{sweeping.PREFIX}{self._id}"
        self._folder = self._home / self._network
        self._lock: IO[str] | None = None
        self._engine: Engine | None = None
        self._subnet = ""
        self._machines: dict[str, _One] = {}
        self._taken: set[str] = set()
        """Addresses in use, also of a machine that is being removed."""
        self._stopped: Callable[[str], None] = lambda id: None

    def told(self, stopped: Callable[[str], None]) -> None:
        """Called when a machine has powered itself off."""
        self._stopped = stopped

    async def open(self) -> None:
        """Remove leftovers of killed servers, and create the network."""
        self._engine = engine = await find("podman", image=self._image)
        if not await reachable(engine):
            raise MachineFailed("podman runs without root here: nobody would reach the machines' addresses")
        await sweeping.sweep(engine, self._home)
        self._folder.mkdir(parents=True, mode=0o700)
        self._lock = (self._folder / sweeping.LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        await self._call("network", "create", *self._labels(), self._network, what="making a network")
        told = json.loads(await self._call("network", "inspect", self._network, what="looking at the network"))
        self._subnet = str(told[0]["subnets"][0]["subnet"]).rpartition(".")[0]

    async def make(self, wanted: Wanted) -> str:
        """Create a container, and wait for its SSH server."""
        told = guest.told_by(wanted.user_data)
        name = f"{self._network}-{wanted.id[:8]}"
        one = self._machines[wanted.id] = _One(name=name, folder=self._folder / wanted.id)
        guest.furnish(one.folder, told, list(wanted.authorized), told.host_key or _host_key())
        for disk in wanted.disks:
            one.disks[disk.id] = disk
        await self._write_disks(one)
        one.address = next(a for n in range(11, 250) if (a := f"{self._subnet}.{n}") not in self._taken)
        self._taken.add(one.address)
        await self._call(
            "run", "--detach", "--pull=never", "--name", name, "--hostname", wanted.name[:63],
            "--network", self._network, "--ip", one.address, "--mac-address", _mac(name), *self._labels(),
            *RIGHTS, "--volume", f"{one.folder}:{guest.INSIDE}", *self._options,
            "--entrypoint", "/bin/sh", self._image, f"{guest.INSIDE}/init", what=f"making {wanted.name}",
        )  # fmt: skip
        await self._up(wanted.id, one)
        return one.address

    async def start(self, id: str) -> None:
        """Start it, and wait for its SSH server."""
        one = self._machines[id]
        await self._begin(id, one)

    async def stop(self, id: str, *, forced: bool) -> None:
        """SIGTERM to its first process, which ends the others; or SIGKILL."""
        one = self._machines[id]
        await _unwatched(one)
        words = ("kill", "--signal", "KILL") if forced else ("stop", "--time", ORDERLY)
        with suppress(MachineFailed):  # it may have gone off at this very moment
            await self._call(*words, one.name, what=f"stopping {one.name}")
        await self._call("wait", one.name, what=f"waiting for the end of {one.name}")

    async def reboot(self, id: str) -> None:
        """Power off gracefully, then on."""
        await self.stop(id, forced=False)
        await self.start(id)

    async def destroy(self, id: str) -> None:
        """Remove the container; release its disks and keep them."""
        one = self._machines.pop(id, None)
        if one is None:
            return
        await _unwatched(one)
        await self._call("rm", "--force", "--time", "0", "--volumes", one.name, what=f"removing {one.name}")
        self._taken.discard(one.address)
        for disk in one.disks.values():
            await loops.released(self._file(disk))
        shutil.rmtree(one.folder, ignore_errors=True)

    async def attach(self, id: str, disk: Disk) -> None:
        """Attach a disk; a running machine has the device at once."""
        one = self._machines[id]
        one.disks[disk.id] = disk
        await self._write_disks(one)
        major, minor = loops.number_of(await loops.device_of(self._file(disk)))
        name, serial = guest.node_of(disk), guest.serial_of(disk)
        made = f"[ -b /dev/{name} ] || mknod /dev/{name} b {major} {minor}; mkdir -p /dev/disk/by-id"
        await self._inside(id, f"{made}; ln -sf ../../{name} /dev/disk/by-id/virtio-{serial}")

    async def detach(self, id: str, disk: Disk) -> None:
        """Detach a disk."""
        one = self._machines[id]
        one.disks.pop(disk.id, None)
        await self._write_disks(one)
        name, serial = guest.node_of(disk), guest.serial_of(disk)
        await self._inside(id, f"rm -f /dev/{name} /dev/disk/by-id/virtio-{serial}")
        await loops.released(self._file(disk))

    async def resize(self, id: str, disk: Disk) -> None:
        """Resize the file; the device follows at once, its file system when the guest grows it."""
        if id:
            self._machines[id].disks[disk.id] = disk
            await loops.attached(self._file(disk), disk.size)
        elif self._file(disk).exists():
            os.truncate(self._file(disk), disk.size)

    async def delete(self, disk: Disk) -> None:
        """Delete the file."""
        await loops.released(self._file(disk)) if self._file(disk).exists() else None
        self._file(disk).unlink(missing_ok=True)

    async def close(self) -> None:
        """Remove everything."""
        for one in self._machines.values():
            await _unwatched(one)
        if self._engine is not None and self._lock is not None:
            await sweeping.remove(self._engine, self._folder)
            self._lock.close()

    # Inside

    async def _begin(self, id: str, one: _One) -> None:
        (one.folder / "said" / "up").unlink(missing_ok=True)
        await self._write_disks(one)
        await self._call("start", one.name, what=f"starting {one.name}")
        await self._up(id, one)

    async def _up(self, id: str, one: _One) -> None:
        """Wait for its SSH server, then watch for its end."""
        clock = asyncio.get_running_loop().time
        until, look_at = clock() + UP, clock() + 0.5
        while not (one.folder / "said" / "up").exists():
            if clock() >= look_at:
                look_at = clock() + 0.5
                form = "{{.State.Status}} with {{.State.ExitCode}}"
                status = await self._call("container", "inspect", "--format", form, one.name, what="looking")
                if not status.startswith("running") or clock() > until:
                    log = await self._call("logs", "--tail", "20", one.name, what="its log")
                    raise MachineFailed(f"{one.name} did not come up: it is {status.strip()}; it said: {log.strip()}")
            await asyncio.sleep(0.02)
        pid = await self._call("container", "inspect", "--format", "{{.State.Pid}}", one.name, what="looking")
        one.watch = asyncio.get_running_loop().create_task(self._watched(id, one, int(pid)))

    async def _watched(self, id: str, one: _One, pid: int) -> None:
        """Wait until the machine powers itself off; after a reboot, start it again."""
        await _ended(pid)
        code = (await self._call("wait", one.name, what=f"the end of {one.name}")).strip()
        if code == str(guest.REBOOT):
            await self._begin(id, one)
        else:
            self._stopped(id)

    async def _write_disks(self, one: _One) -> None:
        lines = []
        for disk in one.disks.values():
            major, minor = loops.number_of(await loops.attached(self._file(disk), disk.size))
            lines.append(f"{guest.node_of(disk)} {major} {minor} {guest.serial_of(disk)}\n")
        (one.folder / "disks").write_text("".join(lines))

    async def _inside(self, id: str, script: str) -> None:
        one = self._machines[id]
        if one.watch is not None and not one.watch.done():
            await self._call("exec", one.name, "sh", "-c", script, what=f"the devices of {one.name}")

    def _file(self, disk: Disk) -> Path:
        return self._folder / f"{disk.id}.disk"

    def _labels(self) -> list[str]:
        return ["--label", f"{sweeping.LABEL}={self._folder}"]

    async def _call(self, *words: str, what: str) -> str:
        assert self._engine is not None, "the machines are not open"
        try:
            return await self._engine.make(*words, what=what)
        except CannotTell as error:
            raise MachineFailed(str(error)) from error
        except SeatrialError as error:
            raise MachineFailed(f"{what}: {error}") from error


async def _unwatched(one: _One) -> None:
    """Stop watching for its end: the server controls its power now."""
    watch, one.watch = one.watch, None
    if watch is not None:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _ended(pid: int) -> None:
    """Return when this process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except (ProcessLookupError, OSError):
        return
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _mac(name: str) -> str:
    digest = hashlib.blake2b(name.encode(), digest_size=5).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest))


def _host_key() -> str:
    import asyncssh

    return asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
