"""Leases of ports, loopback addresses and exclusive environments, valid across runs and projects of one user.

A lease is a file in the user's state folder with its holder. For ports and addresses the file is enough, since kept
nodes outlive the run; an exclusive environment also has a file lock, released by a crash.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from seatrial.errors import LeaseTaken
from seatrial.links.paths import state_folder


class Leases:
    """Takes and releases leases in one folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or state_folder()) / "leases"
        self._held: dict[Path, tuple[int, str]] = {}
        """Environments held by this process: the locked descriptor and the trial."""

    def pick_address(self, chance: random.Random) -> str:
        """Name a free loopback address: 127.64.0.0/10 without the ends of each /24."""
        for _ in range(1000):
            address = f"127.{chance.randrange(64, 128)}.{chance.randrange(256)}.{chance.randrange(2, 254)}"
            if not self._file("address", address).exists():
                return address
        raise LeaseTaken("no free loopback address was found in 1,000 tries; `seatrial clean` releases stale leases")

    def pick_port(self, address: str, chance: random.Random) -> int:
        """Name a free port on an address: neither leased nor listened on."""
        for _ in range(1000):
            port = chance.randrange(20000, 32000)
            if not self._file("port", f"{address}:{port}").exists() and _free(address, port):
                return port
        raise LeaseTaken(f"no free port was found on {address} in 1,000 tries; is the address one of this machine?")

    def take(self, kind: str, name: str, holder: Mapping[str, object]) -> None:
        """Write the lease; LeaseTaken names the holder if somebody else was faster."""
        file = self._file(kind, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise LeaseTaken(f"{kind} {name} is held by {self.holder(kind, name)}") from None
        try:
            os.write(fd, json.dumps(dict(holder)).encode())
        except OSError:
            file.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)

    def lock(self, name: str, holder: Mapping[str, object]) -> None:
        """Take an exclusive environment; LeaseTaken names the holder."""
        file = self._file("exclusive", name)
        file.parent.mkdir(parents=True, exist_ok=True)
        while True:
            fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                raise LeaseTaken(f"the environment {name!r} is held by {self.holder('exclusive', name)}") from None
            # Its last holder may have removed the file between our open and our lock.
            if file.exists() and os.path.samestat(os.fstat(fd), file.stat()):
                break
            os.close(fd)
        os.ftruncate(fd, 0)
        os.write(fd, json.dumps(dict(holder)).encode())
        self._held[file] = (fd, str(holder.get("trial", "")))

    def release(self, kind: str, name: str, trial: str) -> None:
        """Release a lease; an absent one, or one of another trial, is left alone."""
        file = self._file(kind, name)
        if kind == "exclusive":
            self._unlock(file, trial)
        elif _is_of(file, trial):
            file.unlink(missing_ok=True)

    def _unlock(self, file: Path, trial: str) -> None:
        """Release an environment; while another holds its lock, in this process or elsewhere, it is not touched."""
        fd, holder = self._held.get(file, (-1, trial))
        if holder != trial:
            return
        if fd >= 0:
            del self._held[file]
        else:
            try:
                fd = os.open(file, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(fd), file.stat()) and _is_of(file, trial):
                file.unlink(missing_ok=True)
        except (BlockingIOError, FileNotFoundError):
            pass
        finally:
            os.close(fd)

    def holder(self, kind: str, name: str) -> str:
        """The holder of a lease, as text for people."""
        if not (lease := _read(self._file(kind, name))):
            return "a run that is just starting or ending"
        if lease.get("service"):
            return f"the service {lease['service']} (process {lease.get('pid', '?')})"
        return f"run {lease.get('run', '?')} (process {lease.get('pid', '?')}, project {lease.get('project', '?')})" + (
            f": {lease['reason']}" if lease.get("reason") else ""
        )

    def of_run(self, run: str) -> list[tuple[str, str, str]]:
        """Every lease of this run: kind, name, trial."""
        leases = [(file, lease) for file, lease in self._all() if lease.get("run") == run]
        return [(file.parent.name, file.name, str(lease.get("trial", ""))) for file, lease in leases]

    def holders(self) -> dict[str, Mapping[str, object]]:
        """Every run that holds a lease, with the content of one of its leases."""
        return {str(lease["run"]): lease for _, lease in self._all() if "run" in lease}

    def _all(self) -> Iterator[tuple[Path, Mapping[str, object]]]:
        for file in self.folder.glob("*/*"):
            if lease := _read(file):
                yield file, lease

    def _file(self, kind: str, name: str) -> Path:
        return self.folder / kind / name.replace("/", "_")


def _read(file: Path) -> Mapping[str, object] | None:
    """A lease; empty if a crash cut it short, None if it does not exist."""
    try:
        return dict(json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return {}


def _is_of(file: Path, trial: str) -> bool:
    """Whether a lease exists and does not name another trial."""
    lease = _read(file)
    return lease is not None and lease.get("trial", trial) == trial


def _free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
