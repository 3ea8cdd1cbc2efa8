"""Boots a guest as a test: a boot sector that powers itself off, or the real kernel or image."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable
from typing import Any

from seatrial.errors import CannotTell, NodeFailed, ToolMissing
from seatrial.links.libvirt import Forbidden, Hypervisor, library
from seatrial.model.cluster import PowerState
from seatrial.providers.libvirt import console, copies, machine, names, probes, volumes, xml
from seatrial.providers.libvirt.media import Media
from seatrial.providers.libvirt.settings import LibvirtSettings

SECTOR_BY_KVM = 6.0
"""Seconds for the boot sector to power its guest off if it runs at all: it takes half a second."""

SECTOR_BY_EMULATION = 30.0
"""The same on a busy machine."""

USER_SPACE = 60.0
"""Seconds for a kernel to reach user space under KVM: directly it takes 1 to 3, by an image's loader 10."""

STALL = 12.0
"""Seconds without console output and disk access after which a guest counts as stuck."""

WRITTEN = 256 * 1024
"""Bytes written to its disk that prove user space: a loader and a mount write some thousand."""

MEMORY = 1024
"""The guest's minimum memory in MiB: a suite may give its nodes more than the settings do."""

LOUD = "console=ttyS0 earlyprintk=ttyS0 ignore_loglevel"
"""For a directly booted kernel: it reports each step on the console, including the start of user space."""

CODE = bytes.fromhex("fa ba0406 b80020 ef f4 ebfd")
"""cli; mov dx, 0x604; mov ax, 0x2000; out dx, ax (ACPI: off); hlt; and again."""

SECTOR = CODE.ljust(510, b"\0") + b"\x55\xaa" + bytes(1024 * 1024 - 512)
"""A boot sector; the firmware ignores disks smaller than a cylinder."""


async def why_no_user_space(hypervisor: Hypervisor, settings: LibvirtSettings, media: Media) -> str:
    """Boot the kernel under KVM, on a throwaway disk over the image. Empty: user space began; else why it did not.

    User space begins when the kernel hands over to its first program or an init writes on the console (see
    `console.in_user_space`), or when the guest writes to its disk as only a running system does.
    """
    name = probes.name()
    files = probes.files(name)
    watch = Watch(name, f"{files}console", settings)
    cmdline = f"{settings.cmdline} {LOUD}" if media.kernel else ""
    image, form = media.image, media.image_format

    def make(connection: Any) -> tuple[str, str]:
        pool = volumes.pool_of(connection, settings)
        root = xml.volume(f"{files}root", media.image_size, "qcow2", backing=image, backing_format=form)
        return volumes.create(pool, root), volumes.create(pool, xml.volume(watch.console, 0, "raw"))

    def start(connection: Any) -> None:
        guest = xml.Machine(
            name=name,
            kvm=True,
            memory_mib=max(settings.memory, MEMORY),
            vcpus=settings.vcpus,
            disks=[xml.Disk(path=root, backing=image, backing_format=form)],
            console=serial,
            kernel=media.kernel,
            initrd=media.initrd,
            cmdline=cmdline,
        )
        connection.createXML(xml.domain(guest, settings), library().VIR_DOMAIN_START_AUTODESTROY)

    def away(connection: Any) -> None:
        machine.cut(connection, name)
        pool = volumes.pool_of(connection, settings)
        for file in volumes.look(pool):
            if file.startswith(files):
                volumes.delete(pool, file)

    root, serial = await hypervisor.call("making a disk for a probe", make)
    said = await _boot(hypervisor, name, f"booting {media.name} under KVM", start, watch.look, away, USER_SPACE)
    return f"{media.name} did not reach user space under KVM: {said}" if said else ""


class Watch:
    """Observations of a booting guest, from look to look."""

    def __init__(self, name: str, console_file: str, settings: LibvirtSettings) -> None:
        self.name = name
        self.console = console_file
        self._settings = settings
        self._seen: object = None
        self._since = time.monotonic()

    def look(self, connection: Any) -> str | None:
        """Empty: user space began. None: not yet. Else why it never will. Blocks."""
        text = console.read(connection, volumes.pool_of(connection, self._settings), self.console)
        begun = console.in_user_space(text)
        try:
            state, reason = machine.sound(connection, self.name)  # after the console: it may have died on its last line
        except NodeFailed as error:
            return str(error)
        if state is PowerState.STOPPED:
            return "" if begun else f"it went off ({reason}): {machine.log_of(connection, self.name)}"
        try:
            accesses = tuple(connection.lookupByName(self.name).blockStats("vda"))
        except library().libvirtError:  # it went off just now
            return None
        if begun or accesses[3] >= WRITTEN:
            return ""
        if why := console.broken(text, direct=bool(self._settings.kernel)):
            return why
        now = time.monotonic()
        if self._seen != (seen := (text, accesses)):
            self._seen, self._since = seen, now
        elif now - self._since > STALL:
            return f"it stood still for {STALL:g} s; {_last(text)}"
        return None


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return f"its last line: {lines[-1][-200:]}" if lines else "it wrote nothing on its serial console"


async def run_boot_sector(hypervisor: Hypervisor, settings: LibvirtSettings, *, kvm: bool, net: str = "") -> str:
    """Boot a guest of a few bytes that powers itself off. Empty: it did; else why not."""
    name = net or probes.name()
    by = "KVM" if kvm else "emulation"

    def start(connection: Any) -> None:
        guest = xml.Machine(
            name=name,
            kvm=kvm,
            memory_mib=32,
            disks=[xml.Disk(path=_sector(connection, settings), format="raw", read_only=True)],
            network=net,
            mac=names.mac_of(name, "probe"),
        )
        connection.createXML(xml.domain(guest, settings), library().VIR_DOMAIN_START_AUTODESTROY)

    def off(connection: Any) -> str | None:
        try:
            return "" if machine.sound(connection, name)[0] is PowerState.STOPPED else None
        except NodeFailed as error:
            return str(error)

    deadline = SECTOR_BY_KVM if kvm else SECTOR_BY_EMULATION
    said = await _boot(
        hypervisor, name, f"running a boot sector by {by}", start, off, lambda c: machine.cut(c, name), deadline
    )
    return f"a boot sector did not run by {by}: {said}" if said else ""


async def _boot(
    hypervisor: Hypervisor,
    name: str,
    what: str,
    start: Callable[[Any], None],
    look: Callable[[Any], str | None],
    away: Callable[[Any], None],
    deadline: float,
) -> str:
    """Start a guest, look until there is an answer, end the guest. It goes with our connection, too."""
    try:
        try:
            await hypervisor.call(what, start)
        except (Forbidden, ToolMissing):
            raise
        except CannotTell as error:
            return " ".join(str(error).split())
        return await hypervisor.until(name, look, what, deadline)
    except TimeoutError:
        return f"it did not come so far within {deadline:g} s"
    finally:
        with contextlib.suppress(CannotTell):
            await hypervisor.call("ending the probe's guest", away)


def _sector(connection: Any, settings: LibvirtSettings) -> str:
    pool = volumes.pool_of(connection, settings)
    name = f"{names.PREFIX}-cache-guest-{hashlib.blake2b(SECTOR, digest_size=4).hexdigest()}"
    with copies.locked(name):
        volume = volumes.found(pool, name)
        return str(volume.path()) if volume is not None else volumes.write(connection, pool, name, SECTOR, mode="0644")
