"""Disk files as block devices of this host: loop devices; they need root."""

from __future__ import annotations

import os
from pathlib import Path

from seatrial.links import process
from seatrial_stand_ins.machines import MachineFailed

CALL = 30.0


async def attached(file: Path, size: int) -> str:
    """The loop device of a file of this size; the file is created or grown, and is sparse."""
    with file.open("ab") as opened:
        opened.truncate(size)
    known = await device_of(file)
    if known:
        await _losetup("--set-capacity", known)
        return known
    return (await _losetup("--find", "--show", str(file))).strip()


async def device_of(file: Path) -> str:
    """The loop device of a file; empty if it has none."""
    listed = await _losetup("--list", "--noheadings", "--output", "NAME", "--associated", str(file))
    return listed.split()[0] if listed.split() else ""


async def released(file: Path) -> None:
    """Release a file's loop device; a mounted one is released at its unmount."""
    device = await device_of(file)
    if device:
        await _losetup("--detach", device)


async def below(folder: Path) -> list[str]:
    """The loop devices of present or deleted files in a folder."""
    listed = await _losetup("--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE")
    found = []
    for line in listed.splitlines():
        name, _, file = line.partition(" ")
        if file.startswith(f"{folder}/"):
            found.append(name)
    return found


async def detach(device: str) -> None:
    """Release a loop device."""
    await _losetup("--detach", device)


def number_of(device: str) -> tuple[int, int]:
    """Its major and minor number."""
    number = Path(device).stat().st_rdev
    return os.major(number), os.minor(number)


async def _losetup(*words: str) -> str:
    if os.geteuid():
        raise MachineFailed("data disks need loop devices, and loop devices need root")
    try:
        done = await process.run(["losetup", *words], env=dict(os.environ), timeout=CALL)
    except (FileNotFoundError, TimeoutError) as error:
        raise MachineFailed(f"losetup {' '.join(words)}: {error}") from error
    if not done.ok:
        raise MachineFailed(f"losetup {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
