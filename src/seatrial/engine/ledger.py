"""The ledger: the crash-safe list of all resources of a run, written before they are created.

One file of JSON lines per run in `.seatrial/ledger/`. An active run holds a lock on it, so other processes can tell
active runs from dead ones. When no resource is left, the file moves into the run's own folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

from seatrial.model.frozen import frozen
from seatrial.model.resource import Resource

Key = tuple[str, str, str, str]
"""Owner, kind, name, trial: two trials of a run may wait for the same environment."""


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
        self._torn = False
        """Whether the file ends in an incomplete line, cut by a crash or a full disk."""
        self.unreadable = 0
        """Complete but invalid lines: only the providers may know their resources."""

    @classmethod
    def open(cls, folder: Path, run: str) -> Ledger:
        """Begin or reopen a run's ledger and hold it; BlockingIOError when an active run holds it."""
        folder.mkdir(parents=True, exist_ok=True)
        ledger = cls(folder / f"{run}.jsonl", run)
        ledger._fd = _held(ledger.file)
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

    def close(self, archive: Path | None = None) -> None:
        """Release the ledger; if no resource remains it moves to the archive (or is removed)."""
        if self._fd < 0:
            return
        if not self._entries:
            if archive is not None and archive.parent.is_dir() and os.fstat(self._fd).st_size:
                shutil.move(self.file, archive)  # a report folder may be on another file system
            else:
                self.file.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1

    def _append(self, record: dict[str, object], *, sync: bool) -> None:
        rest = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        if self._torn:
            # The line before is incomplete: end it here, so it cannot swallow this one.
            rest = b"\n" + rest
        while rest:
            rest = rest[os.write(self._fd, rest) :]
            self._torn = bool(rest)
        if sync:
            os.fsync(self._fd)

    def _replay(self) -> None:
        """Read the records. A crash can cut the last line: it is ended before the next write."""
        data = self.file.read_bytes()
        for line in data.split(b"\n"):
            try:
                _apply(self._entries, json.loads(line) if line else {})
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                # An incomplete last line is not a record, and its action had not begun: an intent is complete before
                # anything is created.
                self.unreadable += not data.endswith(line)
        self._torn = bool(data) and not data.endswith(b"\n")


def key_of(resource: Resource) -> Key:
    """The key of a resource."""
    return resource.owner, resource.kind, resource.name, resource.trial


def _held(file: Path) -> int:
    """Open and lock a ledger, creating it if necessary; BlockingIOError when an active run holds it."""
    while True:
        try:
            fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            how = fcntl.LOCK_EX  # at most a cleanup is looking for its owner: this takes no time
        except FileExistsError:
            try:
                fd = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            how = fcntl.LOCK_EX | fcntl.LOCK_NB
        try:
            fcntl.flock(fd, how)
            # A cleanup may have removed the empty file between our open and our lock: nobody would find ours then.
            if os.path.samestat(os.fstat(fd), file.stat()):
                return fd
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _apply(entries: dict[Key, Entry], record: dict[str, object]) -> None:
    """Read one line; an invalid one raises before anything changes."""
    if not record:
        return
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
