"""The ledger: the crash-safe list of all resources of a run, written before they are created.

One file of JSON lines per run in `.seatrial/ledger/`. An active run holds a lock on it, so other processes can tell
active runs from dead ones. When no resource is left, the file moves into the run's own folder.

The first record has the version. Every record has a seal, so a ledger from elsewhere, for example from a checkout, is
refused. A ledger with an unreadable line stays where it is: a person must look.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from seatrial.engine.seals import Seal
from seatrial.errors import LeftBehind
from seatrial.model.frozen import frozen
from seatrial.model.resource import Resource

VERSION = 1
"""The version of the records. A later version is left to a later Seatrial."""

Key = tuple[str, str, str, str]
"""Owner, kind, name, trial: two trials of a run may wait for the same environment."""


class LaterVersion(LeftBehind):
    """A ledger that only a later Seatrial can read."""


@frozen
class Entry:
    """A resource and its status: intended, made or kept."""

    resource: Resource
    op: str
    plugin: str = ""
    """The plugin file of its owner."""
    until: float = 0.0
    """Kept resources only: removed after this time, in seconds since 1970."""


class Ledger:
    """Appends records and knows the remaining resources."""

    def __init__(self, file: Path, run: str) -> None:
        self.file = file
        self.run = run
        self._entries: dict[Key, Entry] = {}
        self._fd = -1
        self._seal = Seal(run)
        self._records = 0
        self.secrets: tuple[str, ...] = ()
        """Names of the variables with secrets of the run."""

    @classmethod
    def open(cls, folder: Path, run: str, secrets: Iterable[str] = ()) -> Ledger:
        """Begin or reopen a run's ledger and hold it. `secrets`: names of variables with secrets of the run.

        BlockingIOError when an active run holds it; LeftBehind when it cannot be read or was not written by this user.
        """
        folder.mkdir(parents=True, exist_ok=True)
        ledger = cls(folder / f"{run}.jsonl", run)
        first = {"op": "begun", "version": VERSION, "run": run, "secrets": sorted(secrets)}
        ledger._fd = _held(ledger.file, ledger._line(first))
        try:
            ledger._replay()
        except BaseException:
            os.close(ledger._fd)
            raise
        return ledger

    def intend(self, resource: Resource, plugin: str = "") -> None:
        """Record a resource before its creation; synced to disk if it can outlive the host."""
        self._record({"op": "intended", "plugin": plugin, **asdict(resource)}, sync=resource.outlives_host)

    def made(self, resource: Resource) -> None:
        """Record its creation; its detail may have grown."""
        self._record({"op": "made", **asdict(resource)}, sync=resource.outlives_host)

    def kept(self, resource: Resource, until: float) -> None:
        """Record that it is kept until then."""
        self._record({"op": "kept", "until": until, **asdict(resource)}, sync=True)

    def given_back(self, resource: Resource) -> None:
        """Record its removal."""
        identity = dict(zip(("owner", "kind", "name", "trial"), key_of(resource), strict=True))
        self._record({"op": "given_back", **identity}, sync=resource.outlives_host)

    def _record(self, record: dict[str, object], *, sync: bool) -> None:
        """Apply a record as after a crash, and write it."""
        _apply(self._entries, dict(record))
        self._append(record, sync=sync)

    def out(self, trial: str | None = None) -> list[Entry]:
        """The remaining resources, in order of their intents."""
        return [entry for entry in self._entries.values() if trial is None or entry.resource.trial == trial]

    def holds(self, owner: str, kind: str, name: str, trial: str) -> bool:
        """Whether this resource remains."""
        return (owner, kind, name, trial) in self._entries

    @property
    def removed(self) -> bool:
        """Whether somebody removed its file: after a crash, a cleanup would find nothing."""
        return self._fd >= 0 and os.fstat(self._fd).st_nlink == 0

    def close(self, archive: Path | None = None) -> None:
        """Release the ledger; if no resource remains it moves to the archive (or is removed)."""
        if self._fd < 0:
            return
        if not self._entries:
            if self.removed:
                pass  # with the folder of the project's state
            elif archive is not None and archive.parent.is_dir() and self._records:
                shutil.move(self.file, archive)  # a report folder may be on another file system
            else:
                self.file.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1

    def _line(self, record: dict[str, object]) -> bytes:
        return self._seal.sealed(json.dumps(record, separators=(",", ":"))).encode() + b"\n"

    def _append(self, record: dict[str, object], *, sync: bool) -> None:
        rest = self._line(record)
        end = os.fstat(self._fd).st_size
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            os.ftruncate(self._fd, end)  # an incomplete line would spoil the next one
            raise
        self._records += 1
        if sync:
            os.fsync(self._fd)

    def _replay(self) -> None:
        """Read the records. A crash can cut the last line: it does not count, and its action had not begun."""
        data = self.file.read_bytes()
        *lines, cut = data.split(b"\n")
        if cut:
            if b"\0" in cut:
                raise self._unreadable(len(lines) + 1, "the line is damaged")
            os.ftruncate(self._fd, len(data) - len(cut))
        if not lines:
            raise self._unreadable(1, "the file is empty")
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                if number == 1 and record["version"] > VERSION:
                    later = f"version {record['version']}, but this Seatrial reads version {VERSION}: use a later one"
                    raise LaterVersion(str(self._unreadable(1, later)))
                if not self._seal.holds(line.decode()):
                    raise self._unreadable(number, "it was not written by you on this machine, or was changed")
                del record["seal"]
                if number == 1:
                    self.secrets = tuple(map(str, record["secrets"]))
                else:
                    _apply(self._entries, record)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise self._unreadable(number, "the line is damaged") from None
        self._records = len(lines) - 1

    def _unreadable(self, line: int, why: str) -> LeftBehind:
        return LeftBehind(
            f"{self.file}:{line}: the ledger of run {self.run} cannot be used: {why}. Nothing that it names was "
            f"removed. Look for resources of the run, then use `seatrial clean --forget {self.run}`"
        )


def key_of(resource: Resource) -> Key:
    """The key of a resource."""
    return resource.owner, resource.kind, resource.name, resource.trial


def _held(file: Path, first: bytes) -> int:
    """Open and lock a ledger; a new one begins with this line. BlockingIOError when an active run holds it."""
    while True:
        try:
            return _created(file, first)
        except FileExistsError:
            pass
        try:
            fd = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A cleanup may have removed the file between our open and our lock: nobody would find ours then.
            if os.path.samestat(os.fstat(fd), file.stat()):
                return fd
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _created(file: Path, first: bytes) -> int:
    """Create a ledger, locked and with its first line before anybody sees it; FileExistsError if there is one."""
    folder = os.open(file.parent, os.O_DIRECTORY | os.O_CLOEXEC)
    fd = -1
    try:
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        try:
            fd = os.open(file.parent, os.O_TMPFILE | flags, 0o600)
            nameless = True
        except OSError:  # the file system has no nameless files
            fd = os.open(file, os.O_CREAT | os.O_EXCL | flags, 0o600)
            nameless = False
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, first)
        if nameless:
            os.link(f"/proc/self/fd/{fd}", file.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
    except BaseException:
        if fd >= 0:
            os.close(fd)
        raise
    finally:
        os.close(folder)
    return fd


def _apply(entries: dict[Key, Entry], record: dict[str, object]) -> None:
    """Read one line; an invalid one raises before anything changes."""
    op = str(record.pop("op"))
    key = (str(record["owner"]), str(record["kind"]), str(record["name"]), str(record.get("trial", "")))
    if op == "given_back":
        entries.pop(key, None)
        return
    plugin = str(record.pop("plugin", "")) or (entries[key].plugin if key in entries else "")
    until = float(str(record.pop("until", 0.0)))
    entries[key] = Entry(resource=Resource(**record), op=op, plugin=plugin, until=until)  # type: ignore[arg-type]


def living(file: Path) -> bool:
    """Whether an active run holds this ledger; false if it does not exist any more."""
    try:
        with file.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False
