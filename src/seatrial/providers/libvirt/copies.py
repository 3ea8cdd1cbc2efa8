"""Copies of images in the pool, made once and used by many trials: QEMU cannot read a user's own folders.

Every function here blocks and is given a connection.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from seatrial.errors import CannotTell
from seatrial.links.libvirt import Ignoring, library
from seatrial.links.paths import cache_folder
from seatrial.providers.libvirt import volumes, xml
from seatrial.providers.libvirt.names import PREFIX

DAY = 86400.0
UNUSED = 14 * DAY
"""Seconds without use after which a copy is deleted."""

IDLE = 3600.0
"""The same if there is no room for another one."""

COPY = re.compile(rf"{PREFIX}-cache-([0-9a-f]{{16}})-.*(?<!\.whole)")
MARK = b"whole\n"


def cached(connection: Any, pool: Any, source: Path) -> str:
    """The path of this file's copy in the pool, created if missing; CannotTell if there is no room for it.

    A copy is identified by its source's path, size and time; it counts only if a second volume marks it as complete.
    The mark is written again whenever the copy is used.
    """
    stat = source.stat()
    identity = f"{source.resolve()}/{stat.st_size}/{stat.st_mtime_ns}/{stat.st_ino}"
    key = hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()
    name = f"{PREFIX}-cache-{key}-{source.name}"
    with locked(_lock(pool, key)):
        if {name, f"{name}.whole"} <= set(volumes.look(pool)):  # as it is now: somebody may have emptied the folder
            volumes.upload(connection, volumes.found(pool, f"{name}.whole"), MARK)
            return str(pool.storageVolLookupByName(name).path())
        _make_room(connection, pool, source)
        volumes.delete(pool, f"{name}.whole")
        volumes.delete(pool, name)
        path = volumes.create(pool, xml.volume(name, stat.st_size, "raw", mode="0644"))
        _upload(connection, volumes.found(pool, name), source, stat.st_size)
        volumes.write(connection, pool, f"{name}.whole", MARK)
        return path


def _make_room(connection: Any, pool: Any, source: Path) -> None:
    needed, what = source.stat().st_blocks * 512, f"a copy of {source}"
    try:
        volumes.room(pool, needed, what)
    except CannotTell:
        if not prune(connection, pool, IDLE):
            raise
        volumes.room(pool, needed, what)


def prune(connection: Any, pool: Any, unused: float = UNUSED) -> list[str]:
    """Delete the copies unused for this many seconds and not under any machine, running or not; their names."""
    used: list[str] = []
    gone = []
    for name in volumes.look(pool):
        copy = COPY.fullmatch(name)
        if copy is None or _age(pool, name) < unused:
            continue
        used = used or ["", *_stood_on(connection, pool)]
        with locked(_lock(pool, copy[1]), wait=False) as ours:
            volumes.look(pool)  # libvirt reports times as of its last look, and somebody may have used it since
            volume = volumes.found(pool, name)
            idle = ours and volume is not None and _age(pool, name) > unused
            if idle and not any(str(volume.path()) in text for text in used):
                # The mark goes first: a half-deleted copy must not count as complete.
                volumes.delete(pool, f"{name}.whole")
                volumes.delete(pool, name)
                gone.append(name)
    return gone


def _age(pool: Any, name: str) -> float:
    """Seconds since its last use; 0 if it is gone. Libvirt reads every file when it looks, so only writes show use."""
    volume = volumes.found(pool, f"{name}.whole") or volumes.found(pool, name)
    written = volume and ElementTree.fromstring(volume.XMLDesc(0)).findtext("target/timestamps/mtime")
    return time.time() - float(written) if written else 0.0


def _stood_on(connection: Any, pool: Any) -> list[str]:
    """Every text that may name a copy in use: of all machines, and of all disks with a backing file."""
    texts = []
    for thing in (*connection.listAllDomains(), *pool.listAllVolumes()):
        with Ignoring("NO_DOMAIN", "NO_STORAGE_VOL"):
            text = thing.XMLDesc(0)
            backing = ElementTree.fromstring(text).findtext("backingStore/path")
            texts.append(text if text.startswith("<domain") else backing or "")
    return texts


def _lock(pool: Any, key: str) -> str:
    return f"{str(pool.name()).replace('/', '_')}-{key}"


@contextlib.contextmanager
def locked(name: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock of this user's. False: another holds it, and we did not wait."""
    with (cache_folder("libvirt") / f"{name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _upload(connection: Any, volume: Any, source: Path, size: int) -> None:
    """Holes stay holes."""
    lib = library()
    stream = connection.newStream(0)
    volume.upload(stream, 0, size, lib.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
    with source.open("rb", buffering=0) as file:
        fd = file.fileno()

        def more(_stream: Any, count: int, _opaque: Any) -> bytes:
            return os.read(fd, count)

        def hole(_stream: Any, _opaque: Any) -> tuple[bool, int]:
            here = os.lseek(fd, 0, os.SEEK_CUR)
            data = _seek(fd, here, os.SEEK_DATA, size)
            end = _seek(fd, here, os.SEEK_HOLE, size) if data == here else data
            os.lseek(fd, here, os.SEEK_SET)
            return data == here, end - here

        def skip(_stream: Any, length: int, _opaque: Any) -> int:
            os.lseek(fd, length, os.SEEK_CUR)
            return 0

        stream.sparseSendAll(more, hole, skip, None)
        stream.finish()


def _seek(fd: int, start: int, whence: int, size: int) -> int:
    try:
        return os.lseek(fd, start, whence)
    except OSError:  # nothing but a hole up to the end
        return size
