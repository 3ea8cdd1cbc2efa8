"""What works here, found out by booting: a guest of a few bytes that switches itself off."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, ExtraMissing, SeatrialError, ToolMissing
from seatrial.links.libvirt import Forbidden, Hypervisor, library
from seatrial.providers.libvirt import copies, names, network, probes, volumes, xml
from seatrial.providers.libvirt.settings import Settings, cache_folder
from seatrial.spi import Readiness

BOOT = 6.0
"""Seconds in which the guest has switched itself off when it runs at all: it takes half of one."""

SLOW = 30.0
"""The same by emulation, on a busy machine."""

CODE = bytes.fromhex("fa ba0406 b80020 ef f4 ebfd")
"""cli; mov dx, 0x604; mov ax, 0x2000; out dx, ax (ACPI: off); hlt; and again."""

GUEST = CODE.ljust(510, b"\0") + b"\x55\xaa" + bytes(1024 * 1024 - 512)
"""A boot sector; the firmware looks past disks that are smaller than a cylinder."""


@dataclass(frozen=True, slots=True)
class Acceleration:
    """How guests run here, and how that is known."""

    kvm: bool
    why: str


async def acceleration(hypervisor: Hypervisor, settings: Settings) -> Acceleration:
    """By KVM where a guest really boots under it, else by emulation; CannotTell when KVM was asked for and is not had.

    The answer is remembered until this machine boots anew or QEMU changes.
    """
    if settings.accelerate == "tcg":
        return Acceleration(False, "emulation, as the settings say")
    known = await _remembered(hypervisor)
    if known.is_file():
        answer = Acceleration(**json.loads(known.read_text()))
    else:
        why = await _boots(hypervisor, settings, kvm=True, deadline=BOOT)
        answer = Acceleration(not why, why or "a guest booted under KVM")
        fresh = known.with_suffix(f".{secrets.token_hex(4)}")
        fresh.write_text(json.dumps({"kvm": answer.kvm, "why": answer.why}))
        fresh.replace(known)
    if settings.accelerate == "kvm" and not answer.kvm:
        raise CannotTell(
            f"providers.libvirt.accelerate is 'kvm', and no guest boots under KVM here: {answer.why}; "
            f"bring KVM (`virt-host-validate qemu` says what is missing), or set accelerate to 'auto' or 'tcg'. "
            f"This answer is kept in {known}"
        )
    return answer


async def _remembered(hypervisor: Hypervisor) -> Path:
    versions = await hypervisor.call("asking for QEMU's version", lambda c: (c.getVersion(), c.getLibVersion()))
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    key = hashlib.blake2b(f"{boot}/{versions}/{hypervisor.uri}".encode(), digest_size=8).hexdigest()
    return cache_folder() / f"kvm-{key}.json"


async def _boots(hypervisor: Hypervisor, settings: Settings, *, kvm: bool, deadline: float, net: str = "") -> str:
    """Boot the guest that switches itself off; empty: it did, else why not. It goes with our connection."""
    lib = library()
    name = net or probes.name()
    mode = "KVM" if kvm else "emulation"

    def start(connection: Any) -> None:
        pool = volumes.pool_of(connection, settings)
        path = _guest(connection, pool)
        machine = xml.Machine(
            name=name,
            kvm=kvm,
            memory_mib=32,
            disks=[xml.Disk(path=path, format="raw", read_only=True)],
            network=net,
            mac=names.mac_of(name, "probe"),
        )
        connection.createXML(xml.domain(machine, settings), lib.VIR_DOMAIN_START_AUTODESTROY)

    def off(connection: Any) -> bool | None:
        try:
            state = connection.lookupByName(name).state()[0]
        except lib.libvirtError as error:
            if error.get_error_code() == lib.VIR_ERR_NO_DOMAIN:
                return True
            raise
        return True if state == lib.VIR_DOMAIN_SHUTOFF else None

    try:
        await hypervisor.call(f"booting a guest of a few bytes by {mode}", start)
    except Forbidden:
        raise
    except CannotTell as error:
        if not kvm:
            raise
        return " ".join(str(error).split())
    try:
        await hypervisor.until(name, off, f"the end of a guest of a few bytes, by {mode}", deadline)
    except TimeoutError:
        return f"a guest of a few bytes did not come to its end within {deadline:g} s by {mode}"
    finally:
        await hypervisor.call("ending that guest", lambda connection: _end(connection, name))
    return ""


def _guest(connection: Any, pool: Any) -> str:
    name = f"{names.PREFIX}-cache-guest-{hashlib.blake2b(GUEST, digest_size=4).hexdigest()}"
    with copies.locked(name):
        volume = volumes.found(pool, name)
        return str(volume.path()) if volume is not None else volumes.write(connection, pool, name, GUEST, mode="0644")


def _end(connection: Any, name: str) -> None:
    lib = library()
    try:
        connection.lookupByName(name).destroy()
    except lib.libvirtError as error:
        if error.get_error_code() not in (lib.VIR_ERR_NO_DOMAIN, lib.VIR_ERR_OPERATION_INVALID):
            raise


async def readiness(settings: Settings, uri: str) -> Readiness:
    """Whether a guest on a network of its own boots here: one does, and both are given back."""
    hypervisor = Hypervisor(uri)
    name = probes.name()
    bridge = f"sea{secrets.token_hex(5)}"

    def lay(connection: Any) -> None:
        for dead in probes.forgotten(connection):
            network.destroy(connection, dead)
        subnet = next(names.subnets(name, network.taken(connection)))
        network.create(connection, name, bridge, subnet, probes.labels(), nat=False)

    try:
        try:
            how = await acceleration(hypervisor, settings)
            await hypervisor.call("making a network", lay)
            failed = await _boots(hypervisor, settings, kvm=how.kvm, deadline=SLOW, net=name)
            if failed:
                return Readiness(False, f"at {uri}: {failed}", "see /var/log/libvirt/qemu for what QEMU said")
            by = "KVM" if how.kvm else f"emulation ({how.why})"
            return Readiness(True, f"booted a guest of a few bytes on a network of its own at {uri}, by {by}")
        finally:
            with contextlib.suppress(SeatrialError):  # what matters has been said, or is being raised
                await hypervisor.call("taking the network away", lambda connection: network.destroy(connection, name))
            await hypervisor.close()
    except (ExtraMissing, ToolMissing, Forbidden) as error:  # these end with the command that helps
        said, _, remedy = str(error).rpartition(": ")
        return Readiness(False, said, remedy)
    except CannotTell as error:
        return Readiness(False, str(error), "virt-host-validate qemu")
