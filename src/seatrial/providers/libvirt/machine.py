"""One virtual machine at the daemon: its definition, its power and the reason, its snapshots.

Every function here blocks and gets a connection.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from seatrial.errors import CannotTell, NodeFailed
from seatrial.links.libvirt import Ignoring, library
from seatrial.model.cluster import PowerState
from seatrial.providers.libvirt import volumes, xml

OFF = ("unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from snapshot", "daemon")
RUNNING = ("unknown", "booted", "migrated", "restored", "from snapshot", "unpaused", "migration canceled",
           "save canceled", "wakeup", "crashed", "postcopy", "postcopy failed")  # fmt: skip
PAUSED = ("unknown", "user", "migrating", "saving", "dumping", "I/O error", "watchdog", "from snapshot",
          "shutting down", "snapshot", "crashed", "starting up", "postcopy", "postcopy failed")  # fmt: skip
BROKEN_OFF = ("crashed", "shut off (crashed)", "shut off (failed)")
"""Reasons for being off without an order: QEMU died, or never started."""

STANDING = ("paused", "suspended", "prelaunch", "inmigrate", "postmigrate", "save-vm", "restore-vm", "finish-migrate")
"""QEMU's own words for a paused machine that can be resumed."""

DRAINED = 0.05
"""Seconds for a QEMU with an unplugged cable to read and discard the data sent to it before."""


class DiskFailed(NodeFailed):
    """QEMU stopped a machine because its disk cannot be written any more on this host."""


def power(connection: Any, name: str) -> tuple[PowerState, str]:
    """Its power and libvirt's reason, or `gone`. NodeFailed if QEMU stopped it: the product is not at fault."""
    lib, known = library(), None
    with Ignoring("NO_DOMAIN"):
        domain = connection.lookupByName(name)
        known = domain.state()
    if known is None:
        return PowerState.STOPPED, "gone"
    state, reason = known
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
    """QEMU's own word for the state, as libvirt's is `unknown` after an internal error; empty: there is no monitor."""
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
    """Its power and the reason. NodeFailed when it cannot come up or answer any more: QEMU stopped, or it crashed."""
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
    """Ask the guest by ACPI to shut down; one already off is left alone."""
    button = library().VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN
    _unless_off(connection, name, lambda domain: domain.shutdownFlags(button))


def cut(connection: Any, name: str) -> None:
    """Cut its power; one already off, or gone, is left alone."""
    _unless_off(connection, name, lambda domain: domain.destroy())


def pause(connection: Any, name: str) -> None:
    """Freeze it; CannotTell when it has no power."""
    lib = library()
    domain = connection.lookupByName(name)
    if domain.state()[0] == lib.VIR_DOMAIN_SHUTOFF:
        raise CannotTell(f"the machine {name} has no power, so it cannot be frozen")
    if domain.state()[0] != lib.VIR_DOMAIN_PAUSED:
        domain.suspend()


def resume(connection: Any, name: str) -> None:
    """Resume it; a running one is left alone."""
    domain = connection.lookupByName(name)
    if domain.state()[0] == library().VIR_DOMAIN_PAUSED:
        domain.resume()


def start(connection: Any, name: str) -> None:
    """Power it on; a running one is left alone. Saved memory is not restored."""
    lib = library()
    domain = connection.lookupByName(name)
    try:
        domain.createWithFlags(lib.VIR_DOMAIN_START_FORCE_BOOT)
    except lib.libvirtError as error:
        if not (error.get_error_code() == lib.VIR_ERR_OPERATION_INVALID and domain.isActive()):
            raise


def _unless_off(connection: Any, name: str, act: Callable[[Any], object]) -> None:
    with Ignoring("NO_DOMAIN", "OPERATION_INVALID"):
        domain = connection.lookupByName(name)
        if domain.isActive():
            act(domain)


def destroy(connection: Any, name: str, files: str, pool_name: str) -> None:
    """Remove it, and every file with its prefix; already gone is success."""
    lib = library()
    cut(connection, name)
    flags = lib.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | lib.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    flags |= lib.VIR_DOMAIN_UNDEFINE_NVRAM | lib.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    with Ignoring("NO_DOMAIN"):
        connection.lookupByName(name).undefineFlags(flags)
    pool = volumes.pool_named(connection, pool_name)
    if pool is not None:
        if not pool.isActive():
            pool.create(0)
        volumes.delete_all(pool, files)


def keep(connection: Any, name: str, snapshot: str) -> None:
    """Keep memory and disks of a running or frozen machine, replacing an earlier snapshot of this name."""
    domain = connection.lookupByName(name)
    with Ignoring("NO_DOMAIN_SNAPSHOT"):
        domain.snapshotLookupByName(snapshot).delete()
    domain.snapshotCreateXML(xml.snapshot(snapshot), 0)


def quiet(connection: Any, name: str) -> None:
    """Before a revert: it sends nothing more, and no data waits to be delivered to it.

    Otherwise the reverted connections would take data sent after the snapshot for data to come.
    """
    lib = library()
    domain = connection.lookupByName(name)
    state = domain.state()[0]
    if state == lib.VIR_DOMAIN_RUNNING and "<link state='down'/>" not in domain.XMLDesc(0):
        _set_links(domain, "down")
        time.sleep(DRAINED)
        domain.suspend()
    elif state != lib.VIR_DOMAIN_SHUTOFF:
        domain.destroy()  # a frozen machine has not read the data sent to it


def bring_back(connection: Any, name: str, snapshot: str) -> None:
    """Bring a quiet one back to a snapshot, frozen as yet."""
    lib = library()
    domain = connection.lookupByName(name)
    kept = domain.snapshotLookupByName(snapshot)
    if not _reloaded(domain, snapshot):
        domain.revertToSnapshot(kept, lib.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED | lib.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE)


def _reloaded(domain: Any, snapshot: str) -> bool:
    """Have a running QEMU load the snapshot itself, in a tenth of the time: libvirt would end it and start another, and
    a process of this size takes more than a second to end. False: libvirt must do it."""
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
