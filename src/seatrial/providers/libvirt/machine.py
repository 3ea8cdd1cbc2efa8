"""One virtual machine at the daemon: its definition, its power and why that is so, its snapshots.

Every function here blocks and is given a connection.
"""

from __future__ import annotations

import importlib
import json
import time
from typing import Any
from xml.etree import ElementTree

from seatrial.errors import CannotTell, NodeFailed
from seatrial.links.libvirt import library
from seatrial.model.cluster import PowerState
from seatrial.providers.libvirt import volumes, xml

OFF = ("unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from snapshot", "daemon")
RUNNING = ("unknown", "booted", "migrated", "restored", "from snapshot", "unpaused", "migration canceled",
           "save canceled", "wakeup", "crashed", "postcopy", "postcopy failed")  # fmt: skip
PAUSED = ("unknown", "user", "migrating", "saving", "dumping", "I/O error", "watchdog", "from snapshot",
          "shutting down", "snapshot", "crashed", "starting up", "postcopy", "postcopy failed")  # fmt: skip
BROKEN_OFF = ("crashed", "shut off (crashed)", "shut off (failed)")
"""Reasons for being off that nobody ordered: QEMU died, or never started."""

STANDING = ("paused", "suspended", "prelaunch", "inmigrate", "postmigrate", "save-vm", "restore-vm", "finish-migrate")
"""QEMU's own words for a machine that somebody holds and can let go on."""

DRAINED = 0.05
"""Seconds in which a QEMU whose cable is unplugged has read, and thrown away, what was sent to it before."""


class DiskFailed(NodeFailed):
    """QEMU stopped a machine because its disk cannot be written any more on this host."""


def define(connection: Any, text: str) -> None:
    """Define it and switch it on."""
    connection.defineXML(text).create()


def power(connection: Any, name: str) -> tuple[PowerState, str]:
    """Its power, and libvirt's reason; one that does not exist has none. NodeFailed when QEMU stopped it by itself,
    which is not the product's fault."""
    lib = library()
    try:
        domain = connection.lookupByName(name)
        state, reason = domain.state()
    except lib.libvirtError as error:
        if error.get_error_code() != lib.VIR_ERR_NO_DOMAIN:
            raise
        return PowerState.STOPPED, "gone"
    if state in (lib.VIR_DOMAIN_SHUTOFF, lib.VIR_DOMAIN_NOSTATE):
        return PowerState.STOPPED, f"shut off ({_word(OFF, reason)})"
    if state == lib.VIR_DOMAIN_CRASHED:
        return PowerState.STOPPED, "crashed"
    if state in (lib.VIR_DOMAIN_PAUSED, lib.VIR_DOMAIN_PMSUSPENDED):
        if state == lib.VIR_DOMAIN_PAUSED:
            _refuse_stopped_by_qemu(connection, domain, reason)
        return PowerState.PAUSED, f"paused ({_word(PAUSED, reason)})"
    return PowerState.RUNNING, f"running ({_word(RUNNING, reason)})"


def _refuse_stopped_by_qemu(connection: Any, domain: Any, reason: int) -> None:
    lib = library()
    name = domain.name()
    if reason == lib.VIR_DOMAIN_PAUSED_IOERROR:
        broken = ", ".join(f"{disk}: {why}" for disk, why in _disk_errors(domain).items()) or "a disk cannot be used"
        raise DiskFailed(
            f"libvirt reports the machine {name} as paused (I/O error), because its disk cannot be written on this "
            f"host ({broken}): free some disk space, or set providers.libvirt.folder elsewhere"
        )
    if reason not in (lib.VIR_DOMAIN_PAUSED_UNKNOWN, lib.VIR_DOMAIN_PAUSED_CRASHED):
        return
    word = _asked_of_qemu(domain)
    if word not in STANDING:
        said = f"{_word(PAUSED, reason)}{word and f'; QEMU: {word}'}"
        raise NodeFailed(
            f"libvirt reports the machine {name} as paused ({said}), and it cannot go on: {log_of(connection, name)}"
        )


def _asked_of_qemu(domain: Any) -> str:
    """QEMU's own word for the state of a machine, for libvirt's is `unknown` after an internal error; empty: there is
    no monitor to ask."""
    try:
        qemu = importlib.import_module("libvirt_qemu")
        said = qemu.qemuMonitorCommand(domain, '{"execute":"query-status"}', 0)
        return str(json.loads(said)["return"]["status"])
    except (ImportError, library().libvirtError, ValueError, KeyError, TypeError):
        return ""


def log_of(connection: Any, name: str) -> str:
    """Where QEMU's log is."""
    own = "session" in connection.getURI().partition("?")[0]
    folder = "~/.cache/libvirt/qemu/log" if own else "/var/log/libvirt/qemu"
    return f"see QEMU's log {folder}/{name}.log"


def sound(connection: Any, name: str) -> tuple[PowerState, str]:
    """Its power and the reason. NodeFailed when it cannot come up or answer any more: it was stopped by QEMU, or it
    crashed."""
    state, reason = power(connection, name)
    if reason in BROKEN_OFF:
        raise NodeFailed(f"libvirt reports the machine {name} as {reason}: {log_of(connection, name)}")
    return state, reason


def _word(words: tuple[str, ...], number: int) -> str:
    return words[number] if number < len(words) else str(number)


def _disk_errors(domain: Any) -> dict[str, str]:
    words = {0: "none", 1: "unspecified error", 2: "no space left"}
    return {disk: words.get(number, str(number)) for disk, number in domain.diskErrors().items()}


def press_power_button(connection: Any, name: str) -> None:
    """Ask the guest by ACPI to shut down; one that is off already is left alone."""
    _unless_off(connection, name, lambda lib, domain: domain.shutdownFlags(lib.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN))


def cut(connection: Any, name: str) -> None:
    """Take its power away; one that is off already, or gone, is left alone."""
    _unless_off(connection, name, lambda _lib, domain: domain.destroy())


def pause(connection: Any, name: str) -> None:
    """Freeze it; CannotTell when it has no power."""
    lib = library()
    domain = connection.lookupByName(name)
    if domain.state()[0] == lib.VIR_DOMAIN_SHUTOFF:
        raise CannotTell(f"the machine {name} has no power, so it cannot be frozen")
    if domain.state()[0] != lib.VIR_DOMAIN_PAUSED:
        domain.suspend()


def resume(connection: Any, name: str) -> None:
    """Let it go on; one that runs is left alone."""
    domain = connection.lookupByName(name)
    if domain.state()[0] == library().VIR_DOMAIN_PAUSED:
        domain.resume()


def start(connection: Any, name: str) -> None:
    """Switch it on; one that is on is left alone. Memory that was saved is not gone back to."""
    lib = library()
    domain = connection.lookupByName(name)
    try:
        domain.createWithFlags(lib.VIR_DOMAIN_START_FORCE_BOOT)
    except lib.libvirtError as error:
        if not (error.get_error_code() == lib.VIR_ERR_OPERATION_INVALID and domain.isActive()):
            raise


def _unless_off(connection: Any, name: str, act: Any) -> None:
    lib = library()
    try:
        domain = connection.lookupByName(name)
        if domain.isActive():
            act(lib, domain)
    except lib.libvirtError as error:
        if error.get_error_code() not in (lib.VIR_ERR_NO_DOMAIN, lib.VIR_ERR_OPERATION_INVALID):
            raise


def destroy(connection: Any, name: str, files: str, pool_name: str) -> None:
    """Take it away, and every file whose name begins so; gone already is success."""
    lib = library()
    cut(connection, name)
    flags = lib.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | lib.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    flags |= lib.VIR_DOMAIN_UNDEFINE_NVRAM | lib.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    try:
        connection.lookupByName(name).undefineFlags(flags)
    except lib.libvirtError as error:
        if error.get_error_code() != lib.VIR_ERR_NO_DOMAIN:
            raise
    try:
        pool = connection.storagePoolLookupByName(pool_name)
    except lib.libvirtError as error:
        if error.get_error_code() != lib.VIR_ERR_NO_STORAGE_POOL:
            raise
        return
    if not pool.isActive():
        pool.create(0)
    for volume in volumes.look(pool):
        if volume.startswith(files):
            volumes.delete(pool, volume)


def keep(connection: Any, name: str, snapshot: str) -> None:
    """Keep memory and disks of a machine that runs or is frozen, in place of an earlier snapshot of this name."""
    lib = library()
    domain = connection.lookupByName(name)
    try:
        domain.snapshotLookupByName(snapshot).delete()
    except lib.libvirtError as error:
        if error.get_error_code() != lib.VIR_ERR_NO_DOMAIN_SNAPSHOT:
            raise
    domain.snapshotCreateXML(xml.snapshot(snapshot), 0)


def quiet(connection: Any, name: str) -> None:
    """Before nodes are brought back: it sends nothing any more, and nothing waits to be delivered to it.

    What peers sent after the snapshot would be taken for what they are about to send, by the connections of then.
    """
    lib = library()
    domain = connection.lookupByName(name)
    state = domain.state()[0]
    if state == lib.VIR_DOMAIN_RUNNING and "<link state='down'/>" not in domain.XMLDesc(0):
        _set_links(domain, "down")
        time.sleep(DRAINED)
        domain.suspend()
    elif state != lib.VIR_DOMAIN_SHUTOFF:
        domain.destroy()  # what was frozen has not read what was sent to it


def bring_back(connection: Any, name: str, snapshot: str) -> None:
    """Bring a quiet one back to a snapshot, frozen as yet."""
    lib = library()
    domain = connection.lookupByName(name)
    kept = domain.snapshotLookupByName(snapshot)
    if not _reloaded(domain, snapshot):
        domain.revertToSnapshot(kept, lib.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED | lib.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE)


def _reloaded(domain: Any, snapshot: str) -> bool:
    """Have a QEMU that is there load the snapshot itself, in a tenth of the time: libvirt ends it and starts another,
    and a process of that size takes its second and more to go. False: libvirt has to do it."""
    lib = library()
    if domain.state()[0] != lib.VIR_DOMAIN_PAUSED:
        return False
    try:
        qemu = importlib.import_module("libvirt_qemu")
        said = qemu.qemuMonitorCommand(domain, f"loadvm {snapshot}", qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
        if said.strip():
            return False
        _set_links(domain, "up")
    except (ImportError, lib.libvirtError):
        return False
    return True


def _set_links(domain: Any, state: str) -> None:
    """Plug or unplug its cables."""
    for interface in ElementTree.fromstring(domain.XMLDesc(0)).iterfind("./devices/interface"):
        link = interface.find("link")
        if link is None:
            link = ElementTree.SubElement(interface, "link")
        link.set("state", state)
        domain.updateDeviceFlags(ElementTree.tostring(interface, encoding="unicode"), library().VIR_DOMAIN_AFFECT_LIVE)
