"""Hashes of files by content; an unchanged file is not read again."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from seatrial.links.paths import write_whole

SETTLED = 2.0
"""Seconds without changes before a file's times are trusted. File systems have coarse clocks: two changes within one
tick look like one."""

Known = str
"""Size, modification time, change time of the inode (nobody can set it), inode and hash, with blanks between them: text
is read faster than numbers."""


def hasher() -> hashlib.blake2b:
    """The hash function of the cache."""
    return hashlib.blake2b(digest_size=20)


def digest(data: bytes) -> str:
    """The hash of a text or a content."""
    return hashlib.blake2b(data, digest_size=20).hexdigest()


def digest_of(file: Path) -> str:
    """The hash of a file's content."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, hasher).hexdigest()


class Hashes:
    """The hashes of the files of one source. `file` keeps them between runs, and may be lost at any time."""

    def __init__(self, file: Path, now: Callable[[], float] = time.time) -> None:
        self._file = file
        self._now = now
        self._known: dict[str, Known] | None = None
        self._changed = False
        self.read = 0
        """Number of files read."""

    def of(self, path: str, found: os.stat_result) -> str:
        """The hash of a regular file; OSError when it cannot be read."""
        if self._known is None:
            self._known = self._load()
        seen = _identity(found)
        known = self._known.get(path)
        if known is not None:
            before, _, made = known.rpartition(" ")
            if before == seen:
                return made
        began = self._now()
        with Path(path).open("rb") as content:
            opened = os.fstat(content.fileno())
            made = hashlib.file_digest(content, hasher).hexdigest()
            after = os.fstat(content.fileno())
        self.read += 1
        # If the file changed during the read, the hash is valid for this call only.
        if _identity(opened) == _identity(after) == seen and found.st_ctime + SETTLED < began:
            self._known[path] = f"{seen} {made}"
            self._changed = True
        else:
            self._changed |= self._known.pop(path, None) is not None
        return made

    def save(self) -> None:
        """Save the hashes for the next run."""
        if self._changed and self._known is not None:
            with suppress(OSError):  # the next run reads the files again
                self._file.parent.mkdir(parents=True, exist_ok=True)
                write_whole(self._file, json.dumps(self._known, separators=(",", ":")))
            self._changed = False

    def _load(self) -> dict[str, Known]:
        try:
            held: Any = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        sound = isinstance(held, dict) and all(isinstance(one, str) for one in held.values())
        return held if sound else {}


def _identity(found: os.stat_result) -> str:
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def described(path: str, hashes: Hashes, found: os.stat_result | None = None) -> str:
    """The state of a file for a check: its content, its executable bit, the target of a link. OSError when it is
    unreadable, or not a file or link. `found` is its `lstat`, if known."""
    if found is None:
        found = os.lstat(path)
    link = ""
    if stat.S_ISLNK(found.st_mode):
        link = f"->{Path(path).readlink()}:"
        try:
            found = Path(path).stat()
        except FileNotFoundError:
            return f"{link}nothing"
        if stat.S_ISDIR(found.st_mode):
            return f"{link}folder"
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{path} is not a regular file")
    return f"{link}{'x' if found.st_mode & 0o111 else '-'}{hashes.of(path, found)}"
