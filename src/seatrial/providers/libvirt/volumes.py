"""Volumes in a storage pool, all through libvirt: whoever may use the daemon needs no right to its folders.

Every function here blocks and is given a connection: it runs in a thread (see `links.libvirt`).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

from seatrial.errors import CannotTell
from seatrial.links.libvirt import library
from seatrial.providers.libvirt import xml
from seatrial.providers.libvirt.names import PREFIX
from seatrial.providers.libvirt.settings import MIB, Settings, cache_folder

T = TypeVar("T")

FOLDER = "/var/lib/libvirt/images/seatrial"
BUSY = 20.0
"""Seconds that a pool which is being read by others is waited for."""


def pool_name(settings: Settings) -> str:
    """The user's pool, else our own: one per folder."""
    if settings.pool:
        return settings.pool
    if not settings.folder or settings.folder == FOLDER:
        return PREFIX
    return f"{PREFIX}-{hashlib.blake2b(_folder(settings).encode(), digest_size=4).hexdigest()}"


def _folder(settings: Settings) -> str:
    return str(Path(settings.folder or FOLDER).expanduser().resolve())


def pool_of(connection: Any, settings: Settings) -> Any:
    """The pool that nodes' disks are put into; our own is made when it is missing. CannotTell when the user's is."""
    lib = library()
    name = pool_name(settings)
    try:
        pool = connection.storagePoolLookupByName(name)
    except lib.libvirtError as error:
        if error.get_error_code() != lib.VIR_ERR_NO_STORAGE_POOL:
            raise
        if settings.pool:
            known = ", ".join(sorted(one.name() for one in connection.listAllStoragePools())) or "none"
            raise CannotTell(
                f"providers.libvirt.pool is {name!r}, and libvirt has no such pool; it has: {known}"
            ) from None
        pool = _made(connection, name, _folder(settings))
    if not pool.isActive():
        if not settings.pool:
            pool.build(0)
        with contextlib.suppress(lib.libvirtError):  # another run was faster
            pool.create(0)
        if not pool.isActive():
            pool.create(0)
    return pool


def _made(connection: Any, name: str, folder: str) -> Any:
    lib = library()
    try:
        pool = connection.storagePoolDefineXML(xml.pool(name, folder), 0)
    except lib.libvirtError:  # another run was faster
        return connection.storagePoolLookupByName(name)
    pool.setAutostart(1)
    return pool


def pools(connection: Any, settings: Settings) -> Iterator[Any]:
    """The running pools that may hold something of ours."""
    own = pool_name(settings)
    for pool in connection.listAllStoragePools():
        name = pool.name()
        if (name in (own, PREFIX) or name.startswith(f"{PREFIX}-")) and pool.isActive():
            yield pool


def patiently(work: Callable[[], T]) -> T:
    """Do it when nobody else has a job going on in the pool: libvirt refuses then, and has no way to wait."""
    lib = library()
    end = time.monotonic() + BUSY
    while True:
        try:
            return work()
        except lib.libvirtError as error:
            if "asynchronous jobs running" not in str(error) or time.monotonic() > end:
                raise
        time.sleep(0.02)


def look(pool: Any) -> list[str]:
    """The names of all volumes that the folder holds now, also of files that libvirt did not make."""
    patiently(lambda: pool.refresh(0))
    return list(pool.listVolumes())


def room(pool: Any, needed: int, what: str) -> None:
    """CannotTell when so many bytes are not free now: libvirt itself answers as of its last look."""
    patiently(lambda: pool.refresh(0))
    _state, _capacity, _used, free = pool.info()
    if free < needed:
        raise CannotTell(
            f"no disk space for {what}: the pool {pool.name()} ({path_of(pool)}) has {free // MIB} MiB free, and "
            f"{needed // MIB} MiB are needed; free some, or set providers.libvirt.folder elsewhere"
        )


def path_of(pool: Any) -> str:
    """The folder of a pool."""
    return ElementTree.fromstring(pool.XMLDesc(0)).findtext("target/path") or "?"


def create(pool: Any, text: str) -> str:
    """Make a volume and return its path."""
    return str(patiently(lambda: pool.createXML(text, 0)).path())


def write(connection: Any, pool: Any, name: str, data: bytes, *, mode: str = "") -> str:
    """Make a volume with this content and return its path."""
    lib = library()
    volume = patiently(lambda: pool.createXML(xml.volume(name, len(data), "raw", mode=mode), 0))
    stream = connection.newStream(0)
    volume.upload(stream, 0, len(data), 0)
    sent = 0
    while sent < len(data):
        count = stream.send(data[sent : sent + 256 * 1024])
        if count < 0:
            stream.abort()
            raise lib.libvirtError("the upload stopped")
        sent += count
    stream.finish()
    return str(volume.path())


def read(connection: Any, volume: Any, last: int) -> bytes:
    """The last bytes of a volume."""
    size = volume.info()[1]
    stream = connection.newStream(0)
    volume.download(stream, max(0, size - last), 0, 0)
    parts: list[bytes] = []
    stream.recvAll(lambda _stream, data, _opaque: parts.append(data), None)
    stream.finish()
    return b"".join(parts)[-last:]


def found(pool: Any, name: str) -> Any:
    """The volume of this name, or None."""
    lib = library()
    try:
        return pool.storageVolLookupByName(name)
    except lib.libvirtError as error:
        if error.get_error_code() != lib.VIR_ERR_NO_STORAGE_VOL:
            raise
        return None


def delete(pool: Any, name: str) -> None:
    """Delete a volume; one that is gone already is success, also when only its file is gone."""
    lib = library()
    volume = found(pool, name)
    if volume is None:
        return
    try:
        patiently(lambda: volume.delete(0))
    except lib.libvirtError as error:
        if error.get_error_code() == lib.VIR_ERR_NO_STORAGE_VOL or "No such file" in str(error):
            return
        raise


def cached(connection: Any, pool: Any, source: Path) -> str:
    """The path of this file's copy in the pool, made when it is not there; QEMU cannot read a user's own folders.

    A copy is known by its source's path, size and time; it counts only when a second, empty volume says it is whole.
    """
    stat = source.stat()
    identity = f"{source.resolve()}/{stat.st_size}/{stat.st_mtime_ns}/{stat.st_ino}"
    key = hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()
    name = f"{PREFIX}-cache-{key}-{source.name}"
    with locked(f"{pool_name_of(pool)}-{key}"):
        if {name, f"{name}.whole"} <= set(look(pool)):  # as it is now: somebody may have emptied the folder
            return str(pool.storageVolLookupByName(name).path())
        room(pool, _taken(source), f"a copy of {source}")
        delete(pool, f"{name}.whole")
        delete(pool, name)
        volume = patiently(lambda: pool.createXML(xml.volume(name, stat.st_size, "raw", mode="0644"), 0))
        _upload(connection, volume, source, stat.st_size)
        create(pool, xml.volume(f"{name}.whole", 0, "raw"))
        return str(volume.path())


def pool_name_of(pool: Any) -> str:
    """Its name, fit for a file's."""
    return str(pool.name()).replace("/", "_")


def _taken(source: Path) -> int:
    return source.stat().st_blocks * 512


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    with (cache_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
            if data == here:
                end = _seek(fd, here, os.SEEK_HOLE, size)
                os.lseek(fd, here, os.SEEK_SET)
                return True, end - here
            os.lseek(fd, here, os.SEEK_SET)
            return False, data - here

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
