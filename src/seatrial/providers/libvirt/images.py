"""The boot media of machines: files in the settings, inspected by their first bytes, and their copies in the pool."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.libvirt import Hypervisor
from seatrial.providers.libvirt import copies, listing, volumes, xml
from seatrial.providers.libvirt.settings import LibvirtSettings

NAME_ONE = 'in seatrial.toml, [providers.libvirt] image = "…"'

IMPORT = 900.0
"""Seconds for copying a large image into the pool."""

SECTOR = 512
PACKED = {
    b"\x1f\x8b": "gzip -d",
    b"\xfd7zXZ": "xz -d",
    b"(\xb5/\xfd": "zstd -d",
    b"BZh": "bzip2 -d",
    b"PK\x03": "unzip",
}
OTHERS = {b"KDMV": "VMDK", b"vhdxfile": "VHDX", b"QED\0": "QED", b"<<< Oracle": "VDI", b"conectix": "VPC"}


@dataclass(frozen=True, slots=True)
class Image:
    """A disk image on this host."""

    path: Path
    format: str
    """qcow2 or raw."""
    size: int
    """Size of the disk in bytes, as the guest sees it."""


@dataclass(frozen=True, slots=True)
class Media:
    """Copies in the pool, as paths for QEMU. A path follows from its file's own path, size and time."""

    image: str
    kernel: str
    """Empty: the image boots by its own loader."""
    initrd: str
    image_format: str
    image_size: int

    @property
    def name(self) -> str:
        """The file to boot: the kernel, else the image."""
        return "the kernel" if self.kernel else "the image"

    def overlay(self, pool: Any, name: str, size: int = 0) -> xml.Disk:
        """Create a disk over the image, of at least this many bytes. Blocks."""
        image, form = self.image, self.image_format
        text = xml.volume(name, max(size, self.image_size), "qcow2", backing=image, backing_format=form)
        return xml.Disk(path=volumes.create(pool, text), backing=image, backing_format=form)


Named = tuple[Image, Path | None, Path | None]


async def brought(hypervisor: Hypervisor, settings: LibvirtSettings, named: Named) -> tuple[Media, list[str]]:
    """Copies in the pool of image, kernel and initrd, readable by QEMU, and the old copies deleted."""
    image, kernel, initrd = named

    def copied(connection: Any) -> tuple[list[str], list[str]]:
        pool = volumes.pool_of(connection, settings)
        for dead in listing.forgotten_files(pool):
            volumes.delete(pool, dead)
        paths = [copies.cached(connection, pool, path) if path else "" for path in (image.path, kernel, initrd)]
        return paths, copies.prune(connection, pool)

    paths, pruned = await hypervisor.call("copying images into the pool", copied, timeout=IMPORT)
    return Media(paths[0], paths[1], paths[2], image.format, image.size), pruned


def looked_at(settings: LibvirtSettings, project: Path) -> Named:
    """The files named by the settings; CannotTell reports their problems."""
    if not settings.image:
        raise CannotTell(
            f"providers.libvirt has no image: name a disk image (qcow2 or raw): {NAME_ONE}; "
            "`make backends` of the Seatrial sources makes one for tests"
        )
    image = image_at(project / Path(settings.image).expanduser(), boots_itself=not settings.kernel)
    kernel = kernel_at(project / Path(settings.kernel).expanduser(), "kernel") if settings.kernel else None
    initrd = kernel_at(project / Path(settings.initrd).expanduser(), "initrd") if settings.initrd else None
    return image, kernel, initrd


def image_at(path: Path, *, boots_itself: bool) -> Image:
    """Inspect a disk image; CannotTell if it is missing, is not a disk image, or has a missing backing file.

    An image with its own loader must have a boot sector.
    """
    head = _head(path, 4096, "image")
    if head[:4] == b"QFI\xfb":
        return _qcow2(path, head)
    for magic, name in OTHERS.items():
        if head.startswith(magic):
            raise _wrong(path, f"it is a {name} image: qemu-img convert -O qcow2 {path} {path.stem}.qcow2")
    for magic, command in PACKED.items():
        if head.startswith(magic):
            raise _wrong(path, f"it is compressed: {command} {path}")
    size = path.stat().st_size
    partitioned = head[510:512] == b"\x55\xaa"
    filesystem = head[1080:1082] == b"\x53\xef" or head[:4] == b"XFSB" or head[1024:1028] == b"\x10\x20\xf5\xf2"
    if size < 64 * 1024 or size % SECTOR or not (partitioned or (filesystem and not boots_itself)):
        what = "a boot sector" if boots_itself else "a boot sector or a filesystem"
        raise _wrong(path, f"it is neither qcow2 nor a raw disk with {what} ({size} bytes)")
    return Image(path, "raw", size)


def _qcow2(path: Path, head: bytes) -> Image:
    version, backing_at, backing_length, _bits, size = struct.unpack(">IQIIQ", head[4:32])
    if version not in (2, 3) or not size:
        raise _wrong(path, f"its qcow2 header is damaged (version {version}, {size} bytes)")
    if backing_at:
        with path.open("rb") as file:
            file.seek(backing_at)
            name = file.read(min(backing_length, 4096)).decode(errors="replace")
        backing = path.parent / name
        if not backing.exists():
            raise _wrong(path, f"its backing file {backing} is missing")
        raise _wrong(path, f"it has the backing file {backing}; convert it: qemu-img convert -O qcow2 {path} NEW")
    return Image(path, "qcow2", size)


def kernel_at(path: Path, what: str) -> Path:
    """Look at a kernel (an ELF or bzImage) or an initrd; CannotTell when it is missing or is none."""
    head = _head(path, 4096, what)
    if what == "kernel" and head[:4] != b"\x7fELF" and head[0x202:0x206] != b"HdrS":
        raise _wrong(path, "it is not an x86 kernel (neither an ELF file nor a bzImage)", what)
    if what == "initrd" and not (
        head.startswith((b"07070", b"\x1f\x8b", b"\xfd7zXZ", b"(\xb5/\xfd", b"\x02\x21\x4c\x18", b"\x04\x22\x4d\x18"))
    ):
        raise _wrong(path, "it is not an initial RAM disk (a cpio archive, packed or not)", what)
    return path


def _head(path: Path, count: int, what: str) -> bytes:
    where = f"providers.libvirt.{what}"
    try:
        if path.is_dir():
            raise CannotTell(f"{where} is {path}, and this is a folder")
        with path.open("rb") as file:
            return file.read(count)
    except FileNotFoundError:
        raise CannotTell(
            f"{where} is {path}, but the file does not exist: name a disk image (`make backends` builds one for tests)"
        ) from None
    except PermissionError:
        raise CannotTell(f"{where} is {path}, and this user may not read it: chmod a+r it, or name another") from None


def _wrong(path: Path, why: str, what: str = "image") -> CannotTell:
    return CannotTell(f"providers.libvirt.{what} is {path}, and this file cannot be used: {why}")
