"""Keeps a node's processes together and away from the host: namespaces if allowed, tracking elsewhere.

In a confined node the kernel itself ends every child with the node's init, and no process in it, root included, has the
capabilities to reboot, power off or SysRq the host.
"""

import ctypes
import os
import socket
from contextlib import suppress
from pathlib import Path

from seatrial.model.frozen import frozen

NAMESPACES = "namespaces"
PLAIN = "plain"
FORCE = "SEATRIAL_LOCAL_CONFINEMENT"

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID = 0x20000, 0x04000000, 0x08000000, 0x10000000, 0x20000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER = 1, 24, 36
_CAPABILITY_VERSION_3 = 0x20080522

# Capabilities with which root could reach past the node to its host.
HOST_POWERS = {"SYS_MODULE": 16, "SYS_RAWIO": 17, "SYS_BOOT": 22, "SYS_TIME": 25, "MKNOD": 27}
_MOUNTING = {"SYS_ADMIN": 21}

# Doors to the host's own init and to its power: where one exists, the node finds nothing behind it.
HIDDEN = (
    "/run/systemd/private", "/run/dbus/system_bus_socket", "/run/initctl", "/dev/initctl", "/dev/watchdog",
    "/dev/watchdog0", "/sys/power/state", "/sys/power/disk",
)  # fmt: skip
_PROGRAM_FOLDERS = ("/sbin", "/usr/sbin", "/bin", "/usr/bin")

_libc = ctypes.CDLL(None, use_errno=True)


@frozen
class Confinement:
    """The confinement in force, how it was obtained, and why it is not the stronger one."""

    mode: str
    how: str = ""
    why: str = ""
    dropped: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    cgroup: str = ""


def adopt_orphans() -> None:
    """Become the parent of every descendant whose parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent ends."""
    _prctl(_PR_SET_PDEATHSIG, 9)


def enter_namespaces() -> str:
    """Put the children of this process into namespaces of their own; return how that was allowed. Raises OSError."""
    kinds = _NEWNS | _NEWUTS | _NEWIPC | _NEWPID
    if os.geteuid() == 0:
        _check(_libc.unshare(kinds), "unshare")
        return "root"
    user, group = os.geteuid(), os.getegid()
    _check(_libc.unshare(kinds | _NEWUSER), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return "user namespace"


def settle(folder: Path, name: str, how: str) -> Confinement:
    """From the first process of the namespaces: private mounts and /proc, a host name, and no power over the host."""
    _mount("none", "/", flags=_REC | _PRIVATE)
    _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    hidden = _hide(folder)
    socket.sethostname(name)
    dropped = HOST_POWERS | _MOUNTING
    # Without root the powers came from the user namespace alone and nothing in the node needs any of them.
    drop_powers(dropped if how == "root" else None)
    return Confinement(
        mode=NAMESPACES, how=how, dropped=tuple(dropped) if how == "root" else ("all",), hidden=tuple(hidden)
    )


def drop_powers(powers: dict[str, int] | None) -> None:
    """Give up these capabilities, or all of them, for this process and whatever it starts. Raises OSError."""
    numbers = list(powers.values()) if powers is not None else _known_capabilities()
    for number in numbers:
        _prctl(_PR_CAPBSET_DROP, number)
    mask = sum(1 << number for number in numbers)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    _check(_libc.capget(header, data), "capget")
    for word in range(2):
        keep = ~(mask >> (32 * word)) & 0xFFFFFFFF
        for kind in range(3):
            data[word * 3 + kind] &= keep
    _check(_libc.capset(header, data), "capset")


def drop_host_powers() -> tuple[str, ...]:
    """In the fallback, drop every right that can be dropped; the names of those dropped."""
    try:
        drop_powers(HOST_POWERS)
    except OSError:
        return ()  # without privileges there is nothing to give up
    return tuple(HOST_POWERS)


def join_cgroup(name: str, pid: int) -> str:
    """Put a process into a cgroup of its own; the cgroup's folder, or "" where none may be made."""
    for parent in _cgroup_parents():
        folder = parent / name
        try:
            folder.mkdir(exist_ok=True)
            (folder / "cgroup.procs").write_text(str(pid))
        except OSError:
            with suppress(OSError):
                folder.rmdir()
            continue
        return str(folder)
    return ""


def _cgroup_parents() -> list[Path]:
    """This process's own cgroup in each mounted hierarchy for processes, version 2 first."""
    mounts: dict[str, str] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, tail = line.partition(" - ")
        kind, _, options = tail.split(" ", 2)
        if kind == "cgroup2":
            mounts[""] = fields.split()[4]
        elif kind == "cgroup":
            mounts.update(dict.fromkeys(set(options.split(",")) & {"pids", "freezer"}, fields.split()[4]))
    parents: list[tuple[bool, Path]] = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, own = line.split(":", 2)
        known = [name for name in names.split(",") if name in mounts]
        parents += [(name != "", Path(mounts[name]) / own.lstrip("/")) for name in known]
    return [path for _, path in sorted(parents)]


def _hide(folder: Path) -> list[str]:
    """Cover the ways to the host's power, so that inside they lead to the node's own init or nowhere."""
    covers = {path: Path("/dev/null") for path in HIDDEN}
    covers["/proc/sysrq-trigger"] = folder / "run/sysrq"
    real = folder / "run/systemctl"
    for program in _power_programs():
        if program.name == "systemctl":
            real.touch()
            _mount(str(program), str(real), flags=_BIND)
        covers[str(program)] = folder / "sbin" / program.name
    _mount("/proc/sys", "/proc/sys", flags=_BIND)
    _mount("none", "/proc/sys", flags=_BIND | _REMOUNT | _RDONLY | _NOSUID | _NODEV | _NOEXEC)
    covers["/proc/sys/kernel/sysrq"] = Path("/dev/null")
    covered = [path for path in covers if Path(path).exists()]
    for path in covered:
        _mount(str(covers[path]), path, flags=_BIND)
    return [*covered, "/proc/sys (read-only)"]


def _power_programs() -> set[Path]:
    """The host's power programs by their real files; one belonging to another program is left alone."""
    names = ("reboot", "poweroff", "halt", "shutdown", "telinit", "systemctl")
    found = {Path(folder, name).resolve() for folder in _PROGRAM_FOLDERS for name in names}
    return {path for path in found if path.name in names and path.is_file()}


def _known_capabilities() -> list[int]:
    last = Path("/proc/sys/kernel/cap_last_cap")
    return list(range(int(last.read_text()) + 1 if last.exists() else 41))


def _mount(source: str, target: str, kind: str = "", flags: int = 0) -> None:
    kind_bytes = kind.encode() or None
    result = _libc.mount(os.fsencode(source), os.fsencode(target), kind_bytes, ctypes.c_ulong(flags), None)
    _check(result, f"mount {target}")


def _prctl(option: int, value: int) -> None:
    arguments = map(ctypes.c_ulong, (value, 0, 0, 0))
    _check(_libc.prctl(option, *arguments), f"prctl {option}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
