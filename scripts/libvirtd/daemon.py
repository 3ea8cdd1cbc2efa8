"""A private libvirt daemon: its files in one folder, its machines on this host's network, removed with its user."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.libvirtd import leftovers

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "libvirtd": "libvirt-daemon-system",
    "virtlogd": "libvirt-daemon-system",
    "virsh": "libvirt-clients",
    "qemu-system-x86_64": "qemu-system-x86",
    "dnsmasq": "dnsmasq-base",
    "ip": "iproute2",
}
SBIN = ":/usr/local/sbin:/usr/sbin:/sbin"


class NoDaemon(Exception):
    """It cannot be started; the text has the reason and the next step."""


class Daemon:
    """A running daemon; `stop` ends it, and so does the end of this process, for whatever reason."""

    def __init__(self, folder: Path, keeper: subprocess.Popen[str]) -> None:
        self.folder = folder
        self._keeper = keeper

    @property
    def uri(self) -> str:
        """For LIBVIRT_DEFAULT_URI."""
        return f"qemu+unix:///system?socket={self.folder}/run/libvirt-sock"

    @property
    def keeper(self) -> int:
        """The process id of the keeper; it removes everything."""
        return self._keeper.pid

    def serves(self, pid: int) -> None:
        """Name the process to wait for if this one dies first."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(f"{pid}\n")
        self._keeper.stdin.flush()

    def stop(self) -> str:
        """End it and everything it made; the leftovers, else an empty text."""
        with contextlib.suppress(BrokenPipeError):
            _, said = self._keeper.communicate()
            return said.strip()
        return f"the keeper {self._keeper.pid} died; what it left is taken away by the next start"


def missing() -> str:
    """The reason if no daemon can start here, as far as known without a try; else an empty text."""
    if os.geteuid() != 0:
        return "a libvirt daemon of one's own needs root: sudo scripts/with-libvirtd …"
    path = os.environ.get("PATH", "") + SBIN
    absent = [name for name in PACKAGES if not shutil.which(name, path=path)]
    if absent:
        packages = " ".join(dict.fromkeys(PACKAGES[name] for name in absent))
        return f"{', '.join(absent)} not found: apt-get install {packages} (or `make backends`, which does)"
    return ""


def start() -> Daemon:
    """Start one, and remove leftovers of a killed one from this machine; NoDaemon with the reason."""
    if why := missing():
        raise NoDaemon(why)
    for old in leftovers.stale():
        for left in leftovers.take_away(old):
            print(f"with-libvirtd: an earlier one left behind: {left}", file=sys.stderr)
    folder = Path(tempfile.mkdtemp(prefix=leftovers.PREFIX, dir=leftovers.parent()))
    # QEMU may run as another user, and reaches its files through this folder.
    folder.chmod(0o711)
    for name in ("etc", "lib", "run", "log", "cache"):
        (folder / name).mkdir()
    argv = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "scripts.libvirtd.keeper"]
    keeper = subprocess.Popen(
        [*argv, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PATH": os.environ.get("PATH", "") + SBIN, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert keeper.stdout is not None
    said = keeper.stdout.readline().strip()
    if said != "ready":
        _, more = keeper.communicate()
        shutil.rmtree(folder, ignore_errors=True)
        raise NoDaemon(f"libvirtd could not be started: {said or more.strip()[-500:] or 'its keeper said nothing'}")
    return Daemon(folder, keeper)
