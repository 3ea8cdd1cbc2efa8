"""What boots a virtual machine without a boot loader: an unpacked kernel, and an initial RAM disk of one program."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path
from typing import BinaryIO

from scripts.images.cache import Failed
from scripts.images.programs import run
from scripts.images.system import GUEST

LZ4_LEGACY = b"\x02\x21\x4c\x18"
# Drivers of the first disk; all others are loaded from it. ext4 is part of the kernel.
DRIVERS = ("virtio_pci", "virtio_blk")


def elf_kernel(bzimage: Path, vmlinux: Path, log: Path) -> None:
    """Unpack a kernel: an emulated machine would take seconds to do so itself."""
    packed = vmlinux.with_suffix(".lz4")
    payload = _payload(bzimage.read_bytes())
    if not payload.startswith(LZ4_LEGACY):
        raise Failed(f"{bzimage.name} is not packed with lz4: it cannot be unpacked for direct boot")
    # The last four bytes are the unpacked length, which is no part of the archive.
    packed.write_bytes(payload[:-4])
    run(["lz4", "-d", "-q", "-f", packed, vmlinux], log)
    packed.unlink()
    with vmlinux.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            raise Failed(f"what came out of {bzimage.name} is no ELF file")


def _payload(content: bytes) -> bytes:
    """The packed kernel in a bzImage (Documentation/arch/x86/boot.rst: payload_offset, payload_length)."""
    begin = ((content[0x1F1] or 4) + 1) * 512 + int.from_bytes(content[0x248:0x24C], "little")
    return content[begin : begin + int.from_bytes(content[0x24C:0x250], "little")]


def initial_disk(modules: Path, busybox: Path, target: Path) -> None:
    """Write an initial RAM disk (cpio, not packed) with busybox, the drivers of the first disk, and our `init`."""
    files = ordered(modules, DRIVERS)
    with target.open("wb") as out:
        archive = Archive(out)
        for folder in ("bin", "dev", "proc", "root", "modules"):
            archive.folder(folder)
        archive.file("bin/busybox", busybox.read_bytes(), 0o755)
        archive.file("init", (GUEST / "initrd-init").read_bytes(), 0o755)
        for file in files:
            archive.file(f"modules/{file.name}", file.read_bytes(), 0o644)
        archive.file("modules/order", "".join(f"{file.name}\n" for file in files).encode(), 0o644)
        archive.device("dev/console", 5, 1)
        archive.end()


def ordered(modules: Path, names: tuple[str, ...]) -> list[Path]:
    """The files of these modules and of what they need, in the order of loading, after `modules.dep`."""
    needs: dict[str, list[str]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        file, _, rest = line.partition(":")
        needs[file] = rest.split()
    by_name = {Path(file).name.removesuffix(".ko").replace("-", "_"): file for file in needs}
    order: list[str] = []
    for name in names:
        if name not in by_name:
            raise Failed(f"the kernel in {modules} has no module {name}")
        # modules.dep lists what is needed with the nearest first: it is loaded from the end.
        order += [one for one in (*reversed(needs[by_name[name]]), by_name[name]) if one not in order]
    return [modules / one for one in order]


class Archive:
    """A cpio archive in the one format that the kernel reads (newc)."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._number = 0

    def folder(self, name: str) -> None:
        """Add a folder."""
        self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name: str, content: bytes, mode: int) -> None:
        """Add a file."""
        self._entry(name, stat.S_IFREG | mode, content)

    def device(self, name: str, major: int, minor: int) -> None:
        """Add a character device."""
        self._entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def end(self) -> None:
        """Write the mark of the end."""
        self._entry("TRAILER!!!", 0)

    def _entry(self, name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        self._number += 1
        coded = name.encode() + b"\0"
        fields = (self._number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(coded), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + coded
        self._write(head)
        self._write(content)

    def _write(self, data: bytes) -> None:
        self._out.write(data + b"\0" * (-len(data) % 4))


def take_kernel(root: Path, work: Path, log: Path) -> tuple[str, Path]:
    """Move the kernel's modules from where the hook put them into the system; its version and its bzImage."""
    unpacked = root / "seatrial-kernel"
    (source,) = (unpacked / "lib/modules").iterdir()
    version = source.name
    (root / "usr/lib/modules").mkdir(exist_ok=True)
    shutil.move(source, root / "usr/lib/modules" / version)
    bzimage = work / "vmlinuz"
    shutil.move(unpacked / "boot" / f"vmlinuz-{version}", bzimage)
    shutil.rmtree(unpacked)
    run(["chroot", root, "depmod", version], log, confined=True)
    return version, bzimage
