"""Whether machines run under KVM here, tried by booting their real kernel or image up to user space as a test guest.

A running boot sector is not enough: on some hosts it runs, and Linux is stopped in its first instructions by an
internal error of KVM, or hangs without a word.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, ExtraMissing, NodeFailed, SeatrialError, ToolMissing
from seatrial.links.libvirt import Forbidden, Hypervisor, library
from seatrial.links.output import end
from seatrial.links.paths import cache_folder, project_folder, write_whole
from seatrial.model.cluster import PowerState
from seatrial.providers.libvirt import console, copies, listing, machine, names, network, volumes, xml
from seatrial.providers.libvirt.images import Media, brought, looked_at
from seatrial.providers.libvirt.settings import LibvirtSettings
from seatrial.spi import Readiness

AGAIN = 0.2
"""Seconds between two looks for the answer of another process with the same probe."""


SECTOR_BY_KVM = 6.0
"""Seconds for the boot sector to power its guest off if it runs at all: it takes half a second."""

SECTOR_BY_EMULATION = 90.0
"""The same by emulation, on a busy machine: the firmware alone takes seconds of processor time."""

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


@dataclass(frozen=True, slots=True)
class Acceleration:
    """How guests run here, and the evidence."""

    kvm: bool
    why: str


async def acceleration(hypervisor: Hypervisor, settings: LibvirtSettings, media: Media) -> Acceleration:
    """KVM if the kernel reaches user space under it, else emulation; CannotTell if the settings insist on KVM.

    The answer is remembered until this host reboots, or QEMU, libvirt, the files or the boot settings change.
    """
    if settings.accelerate == "tcg":
        return Acceleration(False, "emulation, as the settings say")
    known = await _remembered(hypervisor, settings, media)
    answer = await _probed(hypervisor, settings, media, known)
    if settings.accelerate == "kvm" and not answer.kvm:
        raise CannotTell(
            f"providers.libvirt.accelerate is 'kvm', and no guest boots under KVM here: {answer.why}; "
            f"repair KVM (`virt-host-validate qemu` shows what is missing), or set accelerate to 'auto' or 'tcg'. "
            f"This answer is kept in {known}: delete the file to probe again"
        )
    return answer


async def _probed(hypervisor: Hypervisor, settings: LibvirtSettings, media: Media, known: Path) -> Acceleration:
    """The remembered answer, else a new one; of several processes one probes."""
    while True:
        with copies.locked(known.stem, wait=False) as ours:
            if known.is_file():
                return Acceleration(**json.loads(known.read_text()))
            if ours:
                why = await why_no_user_space(hypervisor, settings, media)
                answer = Acceleration(not why, why or f"{media.name} booted to user space under KVM")
                write_whole(known, json.dumps(asdict(answer)))
                return answer
        await asyncio.sleep(AGAIN)


async def give_up_kvm(hypervisor: Hypervisor, settings: LibvirtSettings, media: Media, why: str) -> Acceleration:
    """Remember a failure of KVM after a successful probe."""
    answer = Acceleration(False, f"a machine broke down under KVM: {why}")
    write_whole(await _remembered(hypervisor, settings, media), json.dumps(asdict(answer)))
    return answer


async def _remembered(hypervisor: Hypervisor, settings: LibvirtSettings, media: Media) -> Path:
    """The file of the answer, named after all deciding facts."""
    versions = await hypervisor.call("asking for QEMU's version", lambda c: (c.getVersion(), c.getLibVersion()))
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    decides = [boot, versions, hypervisor.uri, asdict(media), settings.machine, settings.cpu, settings.cmdline]
    key = hashlib.blake2b(json.dumps(decides).encode(), digest_size=8).hexdigest()
    return cache_folder("libvirt") / f"kvm-{key}.json"


async def readiness(settings: LibvirtSettings, uri: str) -> Readiness:
    """Whether a guest on a network of its own boots here, and how machines will run; removes everything it created."""
    hypervisor = Hypervisor(uri)
    name = names.new_probe()
    try:
        try:
            how = await _how(hypervisor, settings)
            await hypervisor.call("making a network", lambda connection: _lay(connection, name))
            if failed := await run_boot_sector(hypervisor, settings, kvm=how.kvm, net=name):
                return Readiness(False, f"at {uri}: {failed}", "see /var/log/libvirt/qemu for QEMU's log")
            by = "KVM" if how.kvm else "emulation"
            return Readiness(True, f"booted a boot sector on a network of its own at {uri}, by {by} ({how.why})")
        finally:
            with contextlib.suppress(SeatrialError):  # the important error has been reported, or is being raised
                await hypervisor.call("taking the network away", lambda connection: network.destroy(connection, name))
            await hypervisor.close()
    except (ExtraMissing, ToolMissing, Forbidden) as error:  # these end with the command to run
        said, _, remedy = str(error).rpartition(": ")
        return Readiness(False, said, remedy)
    except CannotTell as error:
        return Readiness(False, str(error), "virt-host-validate qemu")


async def _how(hypervisor: Hypervisor, settings: LibvirtSettings) -> Acceleration:
    """As machines of this project will run. Without an image there is no kernel to boot: then a boot sector is tried;
    it decides nothing and is not remembered."""
    try:
        named = looked_at(settings, project_folder())
    except CannotTell:
        if settings.accelerate == "tcg":
            return Acceleration(False, "as the settings say")
        why = await run_boot_sector(hypervisor, settings, kvm=True)
        return Acceleration(not why, why or "a boot sector only: no kernel was tried, because there is no image")
    media, _ = await brought(hypervisor, settings, named)
    return await acceleration(hypervisor, settings, media)


def _lay(connection: Any, name: str) -> None:
    for dead in listing.forgotten_probes(connection):
        network.destroy(connection, dead)
    subnet = next(names.subnets(name, network.taken(connection)))
    network.create(connection, name, f"sea{secrets.token_hex(5)}", subnet, names.probe_labels(), nat=False)


async def why_no_user_space(hypervisor: Hypervisor, settings: LibvirtSettings, media: Media) -> str:
    """Boot the kernel under KVM, on a throwaway disk over the image. Empty: user space began; else why it did not.

    User space begins when the kernel hands over to its first program or an init writes on the console (see
    `console.in_user_space`), or when the guest writes to its disk as only a running system does.
    """
    name = names.new_probe()
    files = names.probe_files(name)
    watch = Watch(name, f"{files}console", settings)
    cmdline = f"{settings.cmdline} {LOUD}" if media.kernel else ""

    def make(connection: Any) -> tuple[xml.Disk, str]:
        pool = volumes.pool_of(connection, settings)
        return media.overlay(pool, f"{files}root"), volumes.create(pool, xml.volume(watch.console, 0, "raw"))

    def start(connection: Any) -> None:
        guest = xml.Machine(
            name=name, kvm=True, memory_mib=max(settings.memory, MEMORY), vcpus=settings.vcpus, disks=[root],
            console=serial, kernel=media.kernel, initrd=media.initrd, cmdline=cmdline,
        )  # fmt: skip
        connection.createXML(xml.domain(guest, settings), library().VIR_DOMAIN_START_AUTODESTROY)

    def away(connection: Any) -> None:
        machine.cut(connection, name)
        volumes.delete_all(volumes.pool_of(connection, settings), files)

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
            lines = text.strip().splitlines()
            last = f"its last line: {end(lines[-1], 200)}" if lines else "it wrote nothing on its serial console"
            return f"it stood still for {STALL:g} s; {last}"
        return None


async def run_boot_sector(hypervisor: Hypervisor, settings: LibvirtSettings, *, kvm: bool, net: str = "") -> str:
    """Boot a guest of a few bytes that powers itself off. Empty: it did; else why not."""
    name = net or names.new_probe()
    by = "KVM" if kvm else "emulation"

    def start(connection: Any) -> None:
        guest = xml.Machine(
            name=name, kvm=kvm, memory_mib=32,
            disks=[xml.Disk(path=_sector(connection, settings), format="raw", read_only=True)], network=net,
            mac=names.mac_of(name, "probe"),
        )  # fmt: skip
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
    hypervisor: Hypervisor, name: str, what: str, start: Callable[[Any], None], look: Callable[[Any], str | None],
    away: Callable[[Any], None], deadline: float,
) -> str:  # fmt: skip
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
        if volume is None:
            return volumes.write(connection, pool, name, SECTOR, mode="0644")
        if volumes.read(connection, volume, len(SECTOR)) != SECTOR:  # whoever made it was killed before it wrote it
            volumes.upload(connection, volume, SECTOR)
        return str(volume.path())
