"""Artifacts of a stored result, put back into the sources."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from pathlib import Path

from seatrial.links.git import tracked
from seatrial.preflight.cache.hashes import digest_of
from seatrial.preflight.cache.store import Kept


def restore(folder: Path, kept: Kept, content: Iterator[bytes], *, aside: Path) -> None:
    """Put back a file of the check's folder; an equal file stays untouched. OSError when it would go elsewhere."""
    target = folder / kept.path
    with suppress(OSError):
        if (target.stat().st_mode & 0o7777) == kept.mode and digest_of(target) == kept.digest:
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.realpath(target.parent) != str(target.parent):
        raise OSError(f"{target.parent} leads elsewhere now")
    write(target, content, kept.mode, aside=aside)


def remove_stale(folder: Path, made: Mapping[str, str], wanted: Set[str]) -> None:
    """Remove the files of the check's last result (`made`: paths and digests) that this one does not have, with their
    empty folders. A changed file and one that git tracks stay."""
    stale = [path for path in made if path not in wanted]
    kept = tracked(str(folder), stale) if stale else ()
    for path in stale:
        target = folder / path
        with suppress(OSError):
            if path in kept or os.path.realpath(target) != str(target) or digest_of(target) != made[path]:
                continue
            target.unlink()
            for above in Path(path).parents[:-1]:
                (folder / above).rmdir()  # OSError: it is not empty


def write(target: Path, pieces: Iterator[bytes], mode: int, *, aside: Path) -> None:
    """Write a file whole, by way of another one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with aside.open("wb") as out:
            for piece in pieces:
                out.write(piece)
            os.fchmod(out.fileno(), mode)
        try:
            aside.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:  # other file systems need a copy
                raise
            shutil.copy2(aside, target)
    finally:
        aside.unlink(missing_ok=True)
