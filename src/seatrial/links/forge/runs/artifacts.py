"""The artifacts of a run: fetched, unpacked into one clean folder and never past its edge, and the JSON in them as
outputs."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from seatrial.errors import CannotTell, StepFailed
from seatrial.links.forge.protocol import Forge, RunArtifact, WorkflowRun
from seatrial.links.forge.runs.order import Limits, Order, looks

MEGABYTE = 1024 * 1024
CHUNK = 256 * 1024

SHARE = 0.9
"""The share of the remaining time a download may take, so that it can still report why it failed."""

JSON_LIMIT = 16 * MEGABYTE
MASKED_LIMIT = 16 * MEGABYTE
"""Largest file, in bytes, to search for secrets."""


async def fetch(
    forge: Forge, run: WorkflowRun, order: Order, folder: Path, masked: Callable[[str], str]
) -> dict[str, Any]:
    """Fetch every artifact named by the order: the JSON in them as outputs, and `artifacts`, name to folder. StepFailed
    if one is empty, duplicated, or has invalid JSON; CannotTell if it is not listed or cannot be fetched in time, is
    larger than allowed, or may not be unpacked."""
    outputs: dict[str, Any] = {}
    folders: dict[str, str] = {}
    limit = asyncio.timeout(order.deadlines.download)
    try:
        async with limit:
            for name in order.artifacts:
                artifact = await _listed(forge, run, name, _left(limit) * SHARE)
                place = folder / _folder_name(name)
                left = _left(limit)
                files = await _unpacked(forge, run, artifact, order, place, left * SHARE)
                _add(outputs, _outputs(files, place, name), f"the artifacts of {run}")
                await asyncio.to_thread(_hide, files, masked)
                folders[name] = str(place)
    except TimeoutError:
        if not limit.expired():
            raise
        error = CannotTell(f"the artifacts of {run} were not fetched within {order.deadlines.download:g} s")
        error.category = "timeout"
        raise error from None
    return {"artifacts": folders, **outputs}


def _add(outputs: dict[str, Any], more: dict[str, Any], where: str) -> None:
    for key, value in more.items():
        if outputs.setdefault(key, value) != value:
            raise StepFailed(f"{where} say two things of {key!r}")


def _left(limit: asyncio.Timeout) -> float:
    """Seconds until it passes."""
    return (limit.when() or 0.0) - asyncio.get_running_loop().time()


async def _listed(forge: Forge, run: WorkflowRun, name: str, seconds: float) -> RunArtifact:
    """Artifacts may be listed long after the end of their run: a missing one proves nothing."""
    there: Sequence[RunArtifact] = ()
    named: list[RunArtifact] = []
    async for _ in looks(forge, seconds):
        there = await forge.artifacts(run.id)
        if named := [artifact for artifact in there if artifact.name == name]:
            break
    if len(named) > 1:
        raise StepFailed(f"{run} left {len(named)} artifacts named {name!r}; Seatrial cannot choose one")
    if not named:
        names = ", ".join(sorted(artifact.name for artifact in there)) or "none"
        error = CannotTell(
            f"{run} succeeded, and no artifact {name!r} was listed within {seconds:.0f} s; there are: {names}"
        )
        error.category = "timeout"
        raise error
    if named[0].expired:
        raise CannotTell(f"the artifact {name!r} of {run} has expired: it cannot be fetched any more")
    return named[0]


async def _unpacked(
    forge: Forge, run: WorkflowRun, artifact: RunArtifact, order: Order, place: Path, seconds: float
) -> list[Path]:
    what = f"the artifact {artifact.name!r} of {run}"
    most = order.limits.megabytes * MEGABYTE
    if artifact.size > most:
        raise CannotTell(
            f"{what} has {artifact.size / MEGABYTE:.0f} MB; allowed are {order.limits.megabytes} "
            "(`limits: {megabytes: …}`): it was not fetched"
        )
    if place.exists():  # of an attempt before this one
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    archive = place.with_name(f".{place.name}-{artifact.id}.zip")
    try:
        await forge.download(artifact, archive, limit=most, timeout=seconds)
        return await asyncio.to_thread(unpack, archive, place, order.limits, what)
    except CannotTell as error:
        if "with more than" in str(error):
            raise CannotTell(f"{what} is larger than its listed size, and larger than allowed: {error}") from error
        raise
    finally:
        archive.unlink(missing_ok=True)


def _outputs(files: list[Path], place: Path, name: str) -> dict[str, Any]:
    """The keys of every JSON file at the artifact's top; a file alone there is taken for JSON by its look."""
    top = [file for file in files if file.parent == place]
    named = [file for file in top if file.suffix.lower() == ".json"]
    alone = [file for file in top if len(files) == 1 and not named and _looks_like_json(file)]
    outputs: dict[str, Any] = {}
    for file in named or alone:
        what = f"{file.name} of the artifact {name!r}"
        if file.stat().st_size > JSON_LIMIT:
            raise CannotTell(f"{what} has {file.stat().st_size} bytes; JSON is read up to {JSON_LIMIT}")
        text = file.read_bytes()
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            shown = text[:80].decode(errors="replace")
            raise StepFailed(f"{what} is not JSON: {error}; it begins with {shown!r}") from None
        if not isinstance(value, dict):
            raise StepFailed(f"{what} holds a {type(value).__name__}, not an object: its keys would be outputs")
        _add(outputs, value, f"the files of the artifact {name!r}")
    return outputs


def _looks_like_json(file: Path) -> bool:
    with file.open("rb") as start:
        return start.read(64).lstrip()[:1] in (b"{", b"[")


def _hide(files: list[Path], masked: Callable[[str], str]) -> None:
    """Remove the known secrets from the fetched files: the folder is part of the report."""
    for file in files:
        if file.stat().st_size > MASKED_LIMIT:
            continue
        text = file.read_bytes().decode("utf-8", "surrogateescape")
        hidden = masked(text)
        if hidden != text:
            file.write_bytes(hidden.encode("utf-8", "surrogateescape"))


def _folder_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip(".") or "artifact"


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
    except (zipfile.BadZipFile, zipfile.LargeZipFile, RuntimeError, EOFError, IndexError, zlib.error) as error:
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
