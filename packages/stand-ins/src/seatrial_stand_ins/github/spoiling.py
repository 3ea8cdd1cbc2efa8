"""The effects of plants on artifacts and runs."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from seatrial_stand_ins.github.plants import (
    ArtifactBomb,
    ArtifactCutOff,
    ArtifactEmpty,
    ArtifactExpired,
    ArtifactHuge,
    ArtifactMissing,
    ArtifactNotJson,
    ArtifactTwice,
    ArtifactWithPaths,
    Fails,
    OnArtifacts,
    OnRuns,
    Planted,
    QueuedForEver,
    RunsForEver,
    TimesOut,
)
from seatrial_stand_ins.github.records import Artifact, RunRecord, new_id
from seatrial_stand_ins.github.scripted import Script

BLOCK = 1024 * 1024


def script(plant: OnRuns) -> Script | None:
    """The planted course of a run; None: its own runner runs it."""
    match plant:
        case Fails():
            return Script(conclusion="failure", job=plant.job, step=plant.step, message=plant.message)
        case TimesOut():
            said = "The job has exceeded the maximum execution time of 6h0m0s"
            return Script(conclusion="timed_out", job=plant.job, message=said)
        case QueuedForEver():
            return Script(begins=False)
        case RunsForEver():
            return Script(ends=False)
        case _:
            return None


def spoilt(run: RunRecord, artifact: Artifact, planted: Iterable[Planted]) -> list[Artifact]:
    """The content kept in place of an added artifact."""
    kept = [artifact]
    for one in planted:
        plant = one.plant
        if not isinstance(plant, OnArtifacts) or plant.name not in ("", artifact.name) or not one.happens():
            continue
        kept = [changed for before in kept for changed in _apply(plant, before)]
    return kept


def _apply(plant: OnArtifacts, artifact: Artifact) -> list[Artifact]:
    match plant:
        case ArtifactMissing():
            return []
        case ArtifactEmpty():
            return [_with(artifact, _zip([]) if plant.archive else b"")]
        case ArtifactTwice():
            other = _zip([(name, plant.other.encode()) for name, _ in _files(artifact.content)])
            return [artifact, replace(_with(artifact, other), artifact_id=new_id())]
        case ArtifactNotJson():
            return [_with(artifact, _zip([(name, plant.text.encode()) for name, _ in _files(artifact.content)]))]
        case ArtifactWithPaths():
            more = [(path, b'{"web_ip": "203.0.113.66"}') for path in plant.paths]
            return [_with(artifact, _zip([*_files(artifact.content), *more]))]
        case ArtifactHuge():
            size = plant.size if plant.honest else 1000
            return [replace(artifact, size=size, served=plant.size, tells_length=plant.honest)]
        case ArtifactBomb():
            return [_with(artifact, bomb(plant.size))]
        case ArtifactExpired():
            return [replace(artifact, expired=True)]
        case ArtifactCutOff():
            return [replace(artifact, cut_at=plant.after)]


def _with(artifact: Artifact, content: bytes) -> Artifact:
    return replace(artifact, content=content, size=len(content))


def _files(content: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        return [(name, zipped.read(name)) for name in zipped.namelist()]


def _zip(files: Iterable[tuple[str, bytes]]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files:
            zipped.writestr(zipfile.ZipInfo(name), content)
    return made.getvalue()


def bomb(size: int, name: str = "outputs.json") -> bytes:
    """A zip archive with one file of `size` zeros, made quickly: every deflated block is the same."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = bytes(BLOCK)
    first = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    blocks, rest = divmod(size, BLOCK)
    packed = first * blocks + packer.compress(bytes(rest)) + packer.flush()
    checked = 0
    for _ in range(blocks):
        checked = zlib.crc32(zeros, checked)
    checked = zlib.crc32(bytes(rest), checked)
    encoded = name.encode()
    about = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0x21, checked, len(packed), size, len(encoded), 0)
    local = b"PK\x03\x04" + about + encoded
    central = b"PK\x01\x02" + struct.pack("<H", 20) + about + struct.pack("<HHHII", 0, 0, 0, 0, 0) + encoded
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    return local + packed + central + b"PK\x05\x06" + end


def made_up(size: int) -> Iterator[bytes]:
    """`size` bytes with the start of a zip archive, never in memory as a whole."""
    name = b"outputs.json"
    head = b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 0x21, 0, 0xFFFFFFFF, 0xFFFFFFFF, len(name), 0) + name
    yield head[:size]
    left = size - len(head)
    zeros = bytes(BLOCK)
    while left > 0:
        yield zeros[:left]
        left -= len(zeros)
