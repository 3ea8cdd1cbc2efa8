"""The store of results: a folder.

An entry is one file. It is written to a temporary file, renamed, and never changed afterwards. So an open entry stays
readable during cleanup, two writers cannot mix, and a killed writer leaves only an unused file. Every part is hashed:
an entry damaged by a power cut or a bad disk does not count.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from seatrial.links.paths import write_once, write_whole
from seatrial.preflight.cache.hashes import digest, digest_of, hasher
from seatrial.preflight.cache.manifest import Manifest

PIECE = 1024 * 1024
"""Bytes to copy at a time."""

SALT = 32
"""Bytes of the salt."""

MAGIC = b"seatrial-cache 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file of an entry."""

    path: str
    """From the check's folder."""
    mode: int
    size: int
    digest: str


class Entry:
    """A complete stored result, held open."""

    def __init__(self, file: BinaryIO, head: Mapping[str, Any], start: int) -> None:
        self._file = file
        self.outputs: Mapping[str, Any] = head["outputs"]
        self.files = tuple(Kept(**one) for one in head["files"])
        self._places: dict[str, int] = {}
        at = start + int(head["log"][0])
        for kept in self.files:
            self._places[kept.path] = at
            at += kept.size
        file.seek(start)
        self.log = file.read(int(head["log"][0]))
        if digest(self.log) != head["log"][1] or any(_hash(self.content(one)) != one.digest for one in self.files):
            raise ValueError("its content does not match its hash")

    def content(self, file: Kept) -> Iterator[bytes]:
        """The content of a file, in pieces."""
        at, left = self._places[file.path], file.size
        while left:
            self._file.seek(at)
            piece = self._file.read(min(PIECE, left))
            if not piece:
                raise ValueError("the entry is truncated")
            at, left = at + len(piece), left - len(piece)
            yield piece

    def close(self) -> None:
        """Close it."""
        self._file.close()


class Store:
    """A folder with one file per result; only its owner can read it, and any number of processes may use it at the same
    time. OSError when it is unusable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._aside = folder / "aside"
        self._salt = b""

    def salt(self) -> bytes:
        """The salt for hashes of possibly secret values, so nobody can guess a value from its hash; created on first
        use, and the same for all."""
        file = self._folder / "salt"
        if not self._salt:
            if not file.exists():
                self._aside.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._folder.chmod(0o700)
            self._salt = write_once(file, secrets.token_bytes(SALT), self._aside / secrets.token_hex(8))
        return self._salt

    def entry(self, key: str) -> Entry | None:
        """The result of this key; None when it is missing or damaged. A damaged one is removed."""
        path = self._path(key)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        try:
            magic, length, made = file.readline(200).split(b"|")
            head = file.read(int(length))
            if magic != MAGIC or digest(head) != made.strip().decode():
                raise ValueError("its header does not match its hash")
            read = json.loads(head)
            if read["key"] != key:
                raise ValueError("the entry has another key")
            entry = Entry(file, read, file.tell())
        except (OSError, ValueError, TypeError, KeyError, IndexError):
            file.close()
            path.unlink(missing_ok=True)
            return None
        with suppress(OSError):  # a read-only store has no last use
            os.utime(path)
        return entry

    def keep(self, key: str, outputs: Mapping[str, Any], log: bytes, files: Sequence[tuple[str, Path]]) -> None:
        """Store a result with its files (path from the check's folder, file). OSError when it fails."""
        kept = [_kept(path, file) for path, file in files]
        head = json.dumps(
            {"key": key, "outputs": outputs, "log": [len(log), digest(log)], "files": [asdict(one) for one in kept]}
        ).encode()
        with self._written(self._path(key)) as out:
            out.write(b"%s|%d|%s\n" % (MAGIC, len(head), digest(head).encode()))
            out.write(head)
            out.write(log)
            for one, (_, file) in zip(kept, files, strict=True):
                if _hash(_copied(file, out)) != one.digest:
                    raise OSError(f"{file} changed while it was stored")

    def drop(self, key: str) -> None:
        """Forget a result."""
        self._path(key).unlink(missing_ok=True)

    def last(self, name: str) -> Manifest | None:
        """The manifest saved under a name; None when it is missing or invalid."""
        try:
            held = json.loads(self._manifest(name).read_text())
            return {str(part): {str(key): str(value) for key, value in of.items()} for part, of in held.items()}
        except (OSError, ValueError, AttributeError):
            return None

    def remember(self, name: str, manifest: Manifest) -> None:
        """Save a manifest under a name, to explain later changes."""
        path = self._manifest(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, json.dumps(manifest, separators=(",", ":")))

    def made(self, name: str) -> Mapping[str, str]:
        """The artifacts that a check made last, with their digests."""
        try:
            held = json.loads(self._manifest(f"{name}\nmade").read_text())
            return {str(path): str(made) for path, made in held.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def remember_made(self, name: str, files: Mapping[str, str]) -> None:
        """Save the artifacts of a check, to know later which files are its own."""
        path = self._manifest(f"{name}\nmade")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, json.dumps(files, separators=(",", ":")))

    def collect(self, limit: int) -> int:
        """Remove the least recently used entries until at most `limit` bytes remain, and files of killed writers;
        returns the number of removed entries."""
        self._sweep()
        found = sorted(_used(self._folder))
        held = sum(size for _, size, _ in found)
        gone = 0
        for _, size, path in found:
            if held <= limit:
                break
            path.unlink(missing_ok=True)  # another process cleans up too
            held -= size
            gone += 1
        return gone

    def _path(self, key: str) -> Path:
        return self._folder / "entries" / key[:2] / key

    def _manifest(self, name: str) -> Path:
        return self._folder / "last" / f"{digest(name.encode())}.json"

    @contextmanager
    def _written(self, target: Path) -> Iterator[BinaryIO]:
        """A temporary file, renamed into place when complete. Its lock shows that its writer is active, even in another
        container."""
        for folder in (self._aside, target.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside, out = self._locked()
        with out:
            try:
                yield out
                out.flush()
                aside.replace(target)
            finally:
                aside.unlink(missing_ok=True)

    def _locked(self) -> tuple[Path, BinaryIO]:
        """A new locked file. A cleanup may remove it before the lock; then another file is made."""
        while True:
            aside = self._aside / secrets.token_hex(8)
            out = aside.open("xb")
            fcntl.flock(out, fcntl.LOCK_EX)
            if os.fstat(out.fileno()).st_nlink:
                return aside, out
            out.close()

    def _sweep(self) -> None:
        with suppress(FileNotFoundError):
            for path in list(self._aside.iterdir()):
                with suppress(OSError), path.open("rb") as file:  # OSError: its writer is active
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()


def _used(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """Each file with its last use and its size."""
    for pattern in ("entries/*/*", "last/*", "stat/*"):
        for path in folder.glob(pattern):
            with suppress(OSError):
                found = path.stat()
                yield found.st_mtime, found.st_size, path


def _kept(path: str, file: Path) -> Kept:
    found = file.stat()
    return Kept(path=path, mode=found.st_mode & 0o7777, size=found.st_size, digest=digest_of(file))


def _copied(file: Path, out: BinaryIO) -> Iterator[bytes]:
    with file.open("rb") as content:
        while piece := content.read(PIECE):
            out.write(piece)
            yield piece


def _hash(pieces: Iterable[bytes]) -> str:
    made = hasher()
    for piece in pieces:
        made.update(piece)
    return made.hexdigest()
