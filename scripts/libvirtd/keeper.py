"""The process that keeps a private libvirt daemon, in its mount namespace, until its user ends: then it removes all.

Started by `daemon.start`; its standard input is a pipe held open only by the user. It prints one line on its standard
output: `ready`, or the reason of a failure.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from scripts.images.cache import folder_of
from scripts.libvirtd import leftovers

PLACES = {
    "etc": "/etc/libvirt",
    "lib": "/var/lib/libvirt",
    "run": "/run/libvirt",
    "log": "/var/log/libvirt",
    "cache": "/var/cache/libvirt",
}
START = 30.0
"""Seconds until the daemon answers."""
GRACE = 30.0
"""Seconds for the user's command to clean up after its own parent has died."""
BOUND = ("setpriv", "--pdeathsig", "KILL", "--")

LIBVIRTD = """\
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
auth_unix_rw = "none"
log_level = 3
"""
# Without the last lines QEMU fails with cgroups of version 1 or without security modules, and a second machine on a
# shared disk image waits 90 s for a lock.
QEMU = """\
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 1
remember_owner = 0
cgroup_controllers = [ ]
namespaces = [ ]
max_core = 0
stdio_handler = "logd"
"""


def main(folder: Path) -> int:
    """Keep the daemon of this folder."""
    # Ctrl-C and other signals are for the user; this process ends after the user.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    lock = (folder / leftovers.LOCK).open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        why = _start(folder)
        print(why or "ready", flush=True)
        if not why:
            _wait_for_user()
            _ask_politely()
            _known(folder, folder_of().parent / "libvirtd", into=False)
    finally:
        left = leftovers.take_away(folder)
        for one in left:
            print(f"with-libvirtd: left behind: {one}", file=sys.stderr)
    return 1 if left else 0


def _start(folder: Path) -> str:
    """Start both daemons; the error, else an empty text."""
    (folder / "etc/libvirtd.conf").write_text(LIBVIRTD)
    (folder / "etc/qemu.conf").write_text(QEMU)
    (folder / "etc/virtlogd.conf").write_text("log_level = 3\n")
    for name, place in PLACES.items():
        Path(place).mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mount", "--bind", folder / name, place], capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{place} cannot be covered: {done.stderr.strip()}"
    (folder / "log/qemu").mkdir()
    _known(folder, folder_of().parent / "libvirtd", into=True)
    daemons = {
        name: _daemon(folder, name, ["-f", str(folder / f"etc/{name}.conf"), "-p", str(folder / f"{name}.pid")])
        for name in ("virtlogd", "libvirtd")
    }
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        for name, child in daemons.items():
            if child.poll() is not None:
                return f"{name} ended with {child.returncode}: {_tail(folder, name)}"
        asked = _virsh("uri")
        if asked is not None and asked.returncode == 0:
            return ""
        time.sleep(0.05)
    return f"libvirtd does not answer after {START:g} s: {_tail(folder, 'libvirtd')}"


def _known(folder: Path, kept: Path, *, into: bool) -> None:
    """Pass libvirt's knowledge about QEMU from one daemon to the next: probing takes 8 s.

    libvirt itself checks for changes of QEMU, the kernel and libvirt.
    """
    own = folder / "cache/qemu/capabilities"
    source, target = (kept, own) if into else (own, kept)
    with contextlib.suppress(OSError):
        target.mkdir(parents=True, exist_ok=True)
        for file in source.glob("*.xml"):
            fresh = target / f".{file.name}.{os.getpid()}"
            shutil.copy(file, fresh)
            fresh.replace(target / file.name)


def _daemon(folder: Path, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.out").open("wb") as out:
        return subprocess.Popen([*BOUND, name, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out)


def _tail(folder: Path, name: str) -> str:
    return (folder / f"{name}.out").read_text(errors="replace").strip()[-500:] or "it said nothing"


def _wait_for_user() -> None:
    """Return when the pipe is closed, and the command named through it has had its time to end."""
    told = sys.stdin.readlines()
    for line in told:
        with contextlib.suppress(OSError, ValueError):
            command = os.pidfd_open(int(line))
            _ended(command, GRACE)
            os.close(command)


def _ended(pidfd: int, seconds: float) -> None:
    select.select([pidfd], [], [], seconds)


def _ask_politely() -> None:
    """Let the daemon itself end machines and networks: it removes its firewall rules; then kill the rest."""
    domains = _virsh("list", "--name")
    for name in domains.stdout.split() if domains else ():
        _virsh("destroy", name)
    networks = _virsh("net-list", "--name")
    for name in networks.stdout.split() if networks else ():
        _virsh("net-destroy", name)


def _virsh(*words: str) -> subprocess.CompletedProcess[str] | None:
    """None when the daemon does not answer in time."""
    argv = ["virsh", "-q", "-c", "qemu:///system", *words]
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
