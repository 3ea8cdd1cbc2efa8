"""The records of one node: a table in memory, backed by an append-only log and synced before it counts.

One log line is `<crc32 in hex> <JSON array of key, counter, node, value>`. A write becomes visible only once its line
is on disk, so everything this node reports to its peers survives a SIGKILL. Writes arriving together share one sync.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

Version = tuple[int, str]
NO_VERSION: Version = (0, "")


class Record(NamedTuple):
    """One write of one key; of two writes the one with the greater (counter, node) wins."""

    key: str
    counter: int
    node: str
    value: str

    @property
    def version(self) -> Version:
        """The order of two writes of the same key."""
        return (self.counter, self.node)


class LogDamaged(Exception):
    """The log is damaged in a place no crash explains, or another process holds it."""


def encode(record: Record) -> bytes:
    """The log line of a record, with its line end."""
    body = json.dumps(record, separators=(",", ":")).encode("ascii")
    return b"%08x %b\n" % (crc32(body), body)


def decode(line: bytes) -> Record | None:
    """The record in a log line without its line end, or None if the line is incomplete."""
    checksum, _, body = line.partition(b" ")
    if checksum != b"%08x" % crc32(body):
        return None
    key, counter, node, value = json.loads(body)
    return Record(key, counter, node, value)


class Store:
    """The newest record of every key, and `order`: the keys in the order this process applied them."""

    def __init__(self, directory: Path) -> None:
        """Open or make `records.log` in the directory; raises LogDamaged, or OSError when it cannot be opened."""
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / "records.log"
        self.records: dict[str, Record] = {}
        self.order: list[str] = []
        self.highest = 0
        self.cut = 0
        self._waiting: list[tuple[list[Record], asyncio.Future[None]]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LogDamaged(f"{self.path} is in use by another process; stop it first") from None
        self._size = self._replay()
        folder = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(folder)  # a new file is only safe once its folder entry is
        finally:
            os.close(folder)

    def version(self, key: str) -> Version:
        """The local version of a key; if there is none, NO_VERSION, lower than any."""
        record = self.records.get(key)
        return record.version if record else NO_VERSION

    async def append(self, records: list[Record]) -> None:
        """Return once every record, or a newer one of its key, is synced; OSError if the log cannot be written."""
        wanted = [record for record in records if record.version > self.version(record.key)]
        if not wanted:
            return
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, done))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush())
        await done

    async def close(self) -> None:
        """Wait for the sync under way, then release the log."""
        if self._flusher is not None:
            await self._flusher
        os.close(self._descriptor)

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            lines = b"".join(encode(record) for records, _ in batch for record in records)
            try:
                # A thread, because a slow disk must not keep this node from answering its peers' pings.
                await loop.run_in_executor(None, self._write, lines)
            except OSError as error:
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
                continue
            for records, done in batch:
                for record in records:
                    self._apply(record)
                if not done.done():
                    done.set_result(None)

    def _write(self, lines: bytes) -> None:
        try:
            if os.fstat(self._descriptor).st_size != self._size:
                os.ftruncate(self._descriptor, self._size)  # left by an earlier failed truncation
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._size)  # half a line here would damage the log for a replay
            raise
        self._size += len(lines)

    def _apply(self, record: Record) -> None:
        self.highest = max(self.highest, record.counter)
        if record.version > self.version(record.key):
            self.records[record.key] = record
            self.order.append(record.key)

    def _replay(self) -> int:
        lines = self.path.read_bytes().split(b"\n")
        rest = lines.pop()
        good = 0
        for number, line in enumerate(lines, start=1):
            record = decode(line)
            if record is not None:
                self._apply(record)
                good += len(line) + 1
            elif number == len(lines) and not rest:
                rest = line + b"\n"
            else:
                raise LogDamaged(
                    f"{self.path}:{number}: damaged, and not at the end, so no crash did it; "
                    f"while all other nodes are up, move the file away and start again: they will fill a new one"
                )
        if rest:
            self.cut = len(rest)
            os.ftruncate(self._descriptor, good)
            os.fsync(self._descriptor)
        return good
