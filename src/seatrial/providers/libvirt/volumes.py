"""Volumes in a storage pool, all through libvirt: a user of the daemon needs no right to its folders.

Every function here blocks and gets a connection: it runs in a thread (see `links.libvirt`).
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

from seatrial.errors import CannotTell
from seatrial.links.libvirt import Ignoring, library
from seatrial.providers.libvirt import xml
from seatrial.providers.libvirt.names import PREFIX
from seatrial.providers.libvirt.settings import MIB, LibvirtSettings

T = TypeVar("T")

FOLDER = "/var/lib/libvirt/images/seatrial"
BUSY = 20.0
"""Seconds to wait for a pool busy with other readers."""


def pool_name(settings: LibvirtSettings) -> str:
    """The user's pool, else our own: one per folder."""
    if settings.pool:
        return settings.pool
    if not settings.folder or settings.folder == FOLDER:
        return PREFIX
    return f"{PREFIX}-{hashlib.blake2b(_folder(settings).encode(), digest_size=4).hexdigest()}"


def _folder(settings: LibvirtSettings) -> str:
    return str(Path(settings.folder or FOLDER).expanduser().resolve())


def pool_of(connection: Any, settings: LibvirtSettings) -> Any:
    """The pool for nodes' disks; our own is created if missing. CannotTell if the user's is missing."""
    name = pool_name(settings)
    pool = pool_named(connection, name)
    if pool is None:
        if settings.pool:
            known = ", ".join(sorted(pool.name() for pool in connection.listAllStoragePools())) or "none"
            raise CannotTell(f"providers.libvirt.pool is {name!r}, and libvirt has no such pool; it has: {known}")
        pool = _made(connection, name, _folder(settings))
    if not pool.isActive():
        if not settings.pool:
            pool.build(0)
        with contextlib.suppress(library().libvirtError):  # another run was faster
            pool.create(0)
        if not pool.isActive():
            pool.create(0)
    return pool


def pool_named(connection: Any, name: str) -> Any:
    """The pool of this name, or None."""
    with Ignoring("NO_STORAGE_POOL"):
        return connection.storagePoolLookupByName(name)
    return None


def _made(connection: Any, name: str, folder: str) -> Any:
    try:
        pool = connection.storagePoolDefineXML(xml.pool(name, folder), 0)
    except library().libvirtError:  # another run was faster
        return connection.storagePoolLookupByName(name)
    pool.setAutostart(1)
    return pool


def pools(connection: Any, settings: LibvirtSettings) -> Iterator[Any]:
    """The running pools that may contain our volumes."""
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
    """The names of all volumes in the folder now, including files not created by libvirt."""
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
    return ElementTree.fromstring(pool.XMLDesc(0)).findtext("target/path") or "?"


def create(pool: Any, text: str) -> str:
    """Make a volume and return its path."""
    return str(patiently(lambda: pool.createXML(text, 0)).path())


def write(connection: Any, pool: Any, name: str, data: bytes, *, mode: str = "") -> str:
    """Make a volume with this content and return its path."""
    volume = patiently(lambda: pool.createXML(xml.volume(name, len(data), "raw", mode=mode), 0))
    upload(connection, volume, data)
    return str(volume.path())


def upload(connection: Any, volume: Any, data: bytes) -> None:
    """Write the beginning of a volume."""
    stream = connection.newStream(0)
    volume.upload(stream, 0, len(data), 0)
    sent = 0
    while sent < len(data):
        count = stream.send(data[sent : sent + 256 * 1024])
        if count < 0:
            stream.abort()
            raise library().libvirtError("the upload stopped")
        sent += count
    stream.finish()


def read(connection: Any, volume: Any, last: int) -> bytes:
    """The last bytes of a volume; none while libvirt is still allocating it."""
    size = volume.info()[1]
    stream = connection.newStream(0)
    parts: list[bytes] = []
    begun = False
    with Ignoring("OPERATION_INVALID"):
        volume.download(stream, max(0, size - last), 0, 0)
        begun = True
    if begun:
        stream.recvAll(lambda _stream, data, _opaque: parts.append(data), None)
        stream.finish()
    return b"".join(parts)[-last:]


def found(pool: Any, name: str) -> Any:
    """The volume of this name, or None."""
    with Ignoring("NO_STORAGE_VOL"):
        return pool.storageVolLookupByName(name)
    return None


def delete(pool: Any, name: str) -> None:
    """Delete a volume; already gone is success, also if only its file is gone."""
    volume = found(pool, name)
    try:
        with Ignoring("NO_STORAGE_VOL"):
            if volume is not None:
                patiently(lambda: volume.delete(0))
    except library().libvirtError as error:
        if "No such file" not in str(error):
            raise


def delete_all(pool: Any, prefix: str) -> None:
    for name in look(pool):
        if name.startswith(prefix):
            delete(pool, name)
