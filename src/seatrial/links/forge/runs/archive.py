"""Unpacking somebody else's archive: into one folder, never past its edge, never more than allowed."""

from __future__ import annotations

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from seatrial.errors import CannotTell, StepFailed
from seatrial.links.forge.runs.order import Limits

MEGABYTE = 1024 * 1024
CHUNK = 256 * 1024


def unpack(archive: Path, into: Path, limits: Limits, what: str) -> list[Path]:
    """Unpack the files of a zip archive into a new folder, and list them.

    StepFailed if the archive is empty; CannotTell if it is not a zip archive, is larger than allowed, or has forbidden
    entries: `..`, absolute paths, duplicates, links, devices, encryption. Seatrial then unpacks no file, except from an
    archive larger than its own headers say.
    """
    if not archive.stat().st_size:
        raise StepFailed(f"{what} is empty: it has no bytes")
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = [(one, _place(one, what)) for one in packed.infolist() if not one.is_dir()]
            _hold(entries, limits, what)
            into.mkdir(parents=True)
            room = limits.unpacked_megabytes * MEGABYTE
            for one, place in entries:
                target = into.joinpath(*place.parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                room -= _copied(packed, one, target, room, what)
            return sorted(into.joinpath(*place.parts) for _, place in entries)
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        IndexError,
        zlib.error,
    ) as error:
        raise CannotTell(f"{what} is not a readable zip archive: {error}") from error
    except (OSError, ValueError) as error:
        raise CannotTell(f"{what} cannot be unpacked: {error}") from error


def _hold(entries: list[tuple[zipfile.ZipInfo, PurePosixPath]], limits: Limits, what: str) -> None:
    if not entries:
        raise StepFailed(f"{what} is empty: it has no files")
    if len(entries) > limits.files:
        raise CannotTell(f"{what} has {len(entries)} files; allowed are {limits.files} (`limits: {{files: …}}`)")
    size = sum(one.file_size for one, _ in entries)
    if size > limits.unpacked_megabytes * MEGABYTE:
        raise CannotTell(
            f"{what} holds {size / MEGABYTE:.0f} MB; allowed are {limits.unpacked_megabytes} "
            "(`limits: {unpacked_megabytes: …}`): it was not unpacked"
        )
    places = [str(place).casefold() for _, place in entries]
    if twice := sorted({one for one in places if places.count(one) > 1})[:1]:
        raise CannotTell(f"{what} has {twice[0]!r} twice: it was not unpacked")


def _place(one: zipfile.ZipInfo, what: str) -> PurePosixPath:
    """Where an entry belongs, below the folder."""
    name = one.filename.replace("\\", "/")
    place = PurePosixPath(name)
    bad = place.is_absolute() or ".." in place.parts or not place.parts or ":" in place.parts[0] or "\0" in name
    if bad:
        raise CannotTell(f"{what} has an entry {one.filename[:100]!r} that leads out of it: it was not unpacked")
    kind = stat.S_IFMT(one.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise CannotTell(f"{what} has an entry {one.filename[:100]!r} that is not a regular file: it was not unpacked")
    if one.flag_bits & 0x1:
        raise CannotTell(f"{what} is encrypted: it was not unpacked")
    return place


def _copied(packed: zipfile.ZipFile, one: zipfile.ZipInfo, target: Path, room: int, what: str) -> int:
    """Count the bytes written: an archive's own sizes need not be true."""
    size = 0
    with packed.open(one) as source, target.open("xb") as file:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > room:
                raise CannotTell(
                    f"{what} is larger than its headers say, and larger than allowed: it was not unpacked completely"
                )
            file.write(chunk)
    return size
