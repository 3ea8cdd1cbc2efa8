"""Disk images from folders, without mounting anything."""

from __future__ import annotations

from pathlib import Path

from scripts.images.programs import run


def ext4_image(root: Path, target: Path, gigabytes: int, log: Path) -> None:
    """A qcow2 file that is one ext4 filesystem with what is in a folder, all of it initialised beforehand."""
    raw = target.with_suffix(".raw")
    with raw.open("wb") as file:
        file.truncate(gigabytes * 1024**3)
    lazy = "lazy_itable_init=0,lazy_journal_init=0"
    run(["mkfs.ext4", "-q", "-F", "-L", "root", "-m", "0", "-E", lazy, "-d", root, raw], log)
    run(["qemu-img", "convert", "-O", "qcow2", raw, target], log)
    raw.unlink()
