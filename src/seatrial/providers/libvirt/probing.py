"""Whether machines run under KVM here, tried by booting their real kernel or image up to user space.

A running boot sector is not enough: on some hosts it runs, and Linux is stopped in its first instructions by an
internal error of KVM, or hangs without a word.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from seatrial.errors import CannotTell, ExtraMissing, SeatrialError, ToolMissing
from seatrial.links.libvirt import Forbidden, Hypervisor
from seatrial.links.paths import cache_folder, project_folder, write_whole
from seatrial.providers.libvirt import copies, names, network, probes
from seatrial.providers.libvirt.boots import run_boot_sector, why_no_user_space
from seatrial.providers.libvirt.media import Media, brought, looked_at
from seatrial.providers.libvirt.settings import LibvirtSettings
from seatrial.spi import Readiness

AGAIN = 0.2
"""Seconds between two looks for the answer of another process with the same probe."""


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
                _remember(known, answer)
                return answer
        await asyncio.sleep(AGAIN)


async def give_up_kvm(hypervisor: Hypervisor, settings: LibvirtSettings, media: Media, why: str) -> Acceleration:
    """Remember a failure of KVM after a successful probe."""
    answer = Acceleration(False, f"a machine broke down under KVM: {why}")
    _remember(await _remembered(hypervisor, settings, media), answer)
    return answer


def _remember(known: Path, answer: Acceleration) -> None:
    write_whole(known, json.dumps(asdict(answer)))


async def _remembered(hypervisor: Hypervisor, settings: LibvirtSettings, media: Media) -> Path:
    """The file of the answer, named after all deciding facts."""
    versions = await hypervisor.call("asking for QEMU's version", lambda c: (c.getVersion(), c.getLibVersion()))
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    decides = [boot, versions, hypervisor.uri, asdict(media), settings.machine, settings.cpu, settings.cmdline]
    key = hashlib.blake2b(json.dumps(decides).encode(), digest_size=8).hexdigest()
    return cache_folder("libvirt") / f"kvm-{key}.json"


async def readiness(settings: LibvirtSettings, uri: str) -> Readiness:
    """Whether a guest on a network of its own boots here, and how machines will run; all is given back."""
    hypervisor = Hypervisor(uri)
    name = probes.name()

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


def _lay(connection: object, name: str) -> None:
    for dead in probes.forgotten(connection):
        network.destroy(connection, dead)
    subnet = next(names.subnets(name, network.taken(connection)))
    bridge = f"sea{secrets.token_hex(5)}"
    network.create(connection, name, bridge, subnet, probes.labels(), nat=False)
