"""Files to upload, from this host or made up, and whether what comes back is what was sent."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.checks.sizes import Size, bytes_of, wrong_sizes
from seatrial.errors import CannotTell
from seatrial.model.result import Observation, failed, passed
from seatrial.spi import Context

LARGEST = 256 * 1024 * 1024
"""Bytes of one upload: it is held in memory."""


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file to upload: one of this host, or bytes that are made up."""

    path: str = ""
    """A file, relative to the document."""
    size: Size | None = None
    """Instead of a file: bytes to make up; a size is a number of bytes, or like 512MiB, 10GiB (powers of 2), 10GB
    (powers of 10)."""
    seed: str = ""
    """What they are made from: as it is, so are they; else new ones in each trial."""
    name: str = ""
    """The file's name as it is sent; else its own, or the field's."""
    type: str = ""
    """Its content type; else by its name."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """A file or a size, not both."""
        if bool(self.path) is (self.size is not None):
            yield "path" if self.path else "", "name one of `path` and `size`: a file, or bytes that are made up"
        if self.seed and self.size is None:
            yield "seed", "only bytes that are made up have a seed: name `size`"
        yield from wrong_sizes([("size", self.size)])


@dataclass(frozen=True, slots=True)
class Sent:
    """A file as it was sent."""

    name: str
    type: str
    content: bytes

    @property
    def facts(self) -> dict[str, Any]:
        """What expressions see of it."""
        return {"name": self.name, "size": len(self.content), "sha256": digest(self.content)}


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


async def uploads(ctx: Context, files: Mapping[str, str | Upload]) -> dict[str, Sent]:
    """The files by their fields; CannotTell when one cannot be read."""
    found = {}
    for name, given in files.items():
        one = Upload(path=given) if isinstance(given, str) else given
        found[name] = await asyncio.to_thread(_upload, ctx, name, one)
    return found


def _upload(ctx: Context, field_name: str, one: Upload) -> Sent:
    path = ctx.document_folder / one.path
    name = one.name or (path.name if one.path else f"{field_name}.bin")
    kind = one.type or mimetypes.guess_type(name)[0] or "application/octet-stream"
    try:
        size = bytes_of(one.size) if one.size is not None else path.stat().st_size
        if size > LARGEST:
            raise CannotTell(f"the file to upload has {size} bytes; at most {LARGEST} are sent")
        if one.size is None:
            return Sent(name, kind, path.read_bytes())
    except OSError as error:
        raise CannotTell(f"the file to upload cannot be read: {error}") from error
    return Sent(name, kind, random.Random(f"{one.seed or ctx.trial_id}/{field_name}").randbytes(size))


def compared(sent: bytes, came: bytes) -> Observation:
    """Passed when the same bytes came back; else failed, and how they differ. The bytes themselves are not shown."""
    expected = {"bytes": len(sent), "sha256": digest(sent)}
    seen = {"bytes": len(came), "sha256": digest(came)}
    if came == sent:
        return passed(seen, expected)
    at = _differs_at(sent, came)
    if at == len(came):
        why = f"only the first {len(came)} of {len(sent)} bytes came back: it is cut off"
    elif at == len(sent):
        why = f"all {len(sent)} bytes came back, and {len(came) - len(sent)} more after them"
    else:
        why = f"{len(came)} bytes came back of {len(sent)}; they differ from byte {at} on, counted from 0"
    return failed(seen, expected, why)


def _differs_at(one: bytes, other: bytes) -> int:
    """The first place where they differ; the length of the shorter one when it is the other's beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # whether two beginnings are equal is told much faster than byte after byte
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
