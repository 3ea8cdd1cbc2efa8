"""Where results are kept: a folder now, behind a small seam.

An entry is one file, written aside and renamed, and never changed afterwards. So a reader that has it open has the
whole of it whatever is collected meanwhile, two writers cannot mix, and of a killed writer only a file stays that
nobody looks at. Every part of it is hashed: what a power cut or a bad disk made of it is no entry.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from seatrial.links.paths import write_whole
from seatrial.preflight.cache.hashes import digest, digest_of
from seatrial.preflight.cache.manifest import Manifest, as_manifest

PIECE = 1024 * 1024
"""Bytes that are copied at a time."""

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


class Entry(Protocol):
    """A result that was kept, whole."""

    @property
    def outputs(self) -> Mapping[str, Any]: ...
    @property
    def log(self) -> bytes: ...
    @property
    def files(self) -> Sequence[Kept]: ...

    def content(self, file: Kept) -> Iterator[bytes]:
        """What is in a file, in pieces."""

    def close(self) -> None:
        """Let go of it."""


class Store(Protocol):
    """What keeps results; any number of processes may use it at a time. OSError: it cannot be used."""

    def salt(self) -> bytes:
        """What values that may be secret are hashed with, so that nobody else can guess them by their hashes."""

    def entry(self, key: str) -> Entry | None:
        """The result under this key; None when there is none, or none that is whole."""

    def keep(self, key: str, outputs: Mapping[str, Any], log: bytes, files: Iterable[tuple[str, Path]]) -> None:
        """Keep a result with its files (the path from the check's folder, and where it is). OSError: it was not."""

    def drop(self, key: str) -> None:
        """Forget a result."""

    def last(self, name: str) -> Manifest | None:
        """The manifest that was remembered under a name."""

    def remember(self, name: str, manifest: Manifest) -> None:
        """Remember a manifest under a name, to tell later what has changed."""

    def collect(self, limit: int) -> int:
        """Give back what was used longest ago until no more than `limit` bytes are held; how many entries that was."""


class _OpenEntry:
    """An entry of a folder, held open."""

    def __init__(self, file: BinaryIO, head: Mapping[str, Any], start: int) -> None:
        self._file = file
        self.outputs: Mapping[str, Any] = head["outputs"]
        self.files = tuple(Kept(**one) for one in head["files"])
        self._places: dict[str, int] = {}
        at = start + int(head["log"][0])
        for one in self.files:
            self._places[one.path] = at
            at += one.size
        file.seek(start)
        self.log = file.read(int(head["log"][0]))
        if digest(self.log) != head["log"][1] or any(_hash(self.content(one)) != one.digest for one in self.files):
            raise ValueError("its content is not what was kept")

    def content(self, file: Kept) -> Iterator[bytes]:
        """See Entry."""
        at, left = self._places[file.path], file.size
        while left:
            self._file.seek(at)
            piece = self._file.read(min(PIECE, left))
            if not piece:
                raise ValueError("the entry is cut off")
            at, left = at + len(piece), left - len(piece)
            yield piece

    def close(self) -> None:
        """See Entry."""
        self._file.close()


class FolderStore:
    """A folder with a file for each result; only its owner can look into it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._aside = folder / "aside"
        self._salt = b""

    def salt(self) -> bytes:
        """See Store; made when it is first asked for, and the same for all."""
        file = self._folder / "salt"
        while not self._salt:
            with suppress(FileNotFoundError):
                self._salt = file.read_bytes()
                if len(self._salt) != SALT:  # a power cut came before its content
                    self._salt = b""
                    file.unlink()
            if not self._salt:
                self._make_salt(file)
        return self._salt

    def _make_salt(self, file: Path) -> None:
        self._aside.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        aside = self._aside / secrets.token_hex(8)
        try:
            aside.write_bytes(secrets.token_bytes(SALT))
            with suppress(FileExistsError, FileNotFoundError):  # another process was first, or swept
                os.link(aside, file)
        finally:
            aside.unlink(missing_ok=True)

    def entry(self, key: str) -> Entry | None:
        """See Store; a damaged entry is taken away."""
        path = self._path(key)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        try:
            magic, length, made = file.readline(200).split(b"|")
            head = file.read(int(length))
            if magic != MAGIC or digest(head) != made.strip().decode():
                raise ValueError("its head is not what was kept")
            read = json.loads(head)
            if read["key"] != key:
                raise ValueError("it is the entry of another key")
            entry = _OpenEntry(file, read, file.tell())
        except (OSError, ValueError, TypeError, KeyError, IndexError):
            file.close()
            path.unlink(missing_ok=True)
            return None
        with suppress(OSError):  # a store that can only be read has no last use
            os.utime(path)
        return entry

    def keep(self, key: str, outputs: Mapping[str, Any], log: bytes, files: Iterable[tuple[str, Path]]) -> None:
        """See Store."""
        held = list(files)
        kept = [_kept(path, file) for path, file in held]
        head = json.dumps(
            {
                "key": key,
                "outputs": outputs,
                "log": [len(log), digest(log)],
                "files": [{"path": one.path, "mode": one.mode, "size": one.size, "digest": one.digest} for one in kept],
            }
        ).encode()
        target = self._path(key)
        with self._written(target) as out:
            out.write(b"%s|%d|%s\n" % (MAGIC, len(head), digest(head).encode()))
            out.write(head)
            out.write(log)
            for one, (_, file) in zip(kept, held, strict=True):
                if _hash(_copied(file, out)) != one.digest:
                    raise OSError(f"{file} changed while it was kept")

    def drop(self, key: str) -> None:
        """See Store."""
        self._path(key).unlink(missing_ok=True)

    def last(self, name: str) -> Manifest | None:
        """See Store."""
        try:
            return as_manifest(json.loads(self._manifest(name).read_text()))
        except (OSError, ValueError):
            return None

    def remember(self, name: str, manifest: Manifest) -> None:
        """See Store."""
        path = self._manifest(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, json.dumps(manifest, separators=(",", ":")))

    def collect(self, limit: int) -> int:
        """See Store. What is of no use any more goes too: files of writers that were killed."""
        self._sweep()
        found = sorted(_used(self._folder))
        held = sum(size for _, size, _ in found)
        gone = 0
        for _, size, path in found:
            if held <= limit:
                break
            with suppress(FileNotFoundError):  # another process collects too
                Path(path).unlink()
            held -= size
            gone += 1
        return gone

    def _path(self, key: str) -> Path:
        return self._folder / "entries" / key[:2] / key

    def _manifest(self, name: str) -> Path:
        return self._folder / "last" / f"{digest(name.encode())}.json"

    @contextmanager
    def _written(self, target: Path) -> Iterator[BinaryIO]:
        """A file that takes its place when all of it is written. It is locked until then: so it is seen that its
        writer lives, in whatever container that is."""
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
        """A new file that is locked: one that was swept before it was is no file any more, so another is made."""
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
                with suppress(OSError), path.open("rb") as file:  # OSError: its writer lives
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()


def _used(folder: Path) -> Iterator[tuple[float, int, str]]:
    """When each file was used last, its size, and where it is."""
    shards = [*_listed(str(folder / "entries")), str(folder / "last"), str(folder / "stat")]
    for shard in shards:
        for path in _listed(shard):
            with suppress(OSError):
                found = Path(path).stat()
                yield found.st_mtime, found.st_size, path


def _listed(folder: str) -> list[str]:
    try:
        return [entry.path for entry in os.scandir(folder)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _kept(path: str, file: Path) -> Kept:
    found = file.stat()
    return Kept(path=path, mode=found.st_mode & 0o7777, size=found.st_size, digest=digest_of(file))


def _copied(file: Path, out: BinaryIO) -> Iterator[bytes]:
    with file.open("rb") as content:
        while piece := content.read(PIECE):
            out.write(piece)
            yield piece


def _hash(pieces: Iterable[bytes]) -> str:
    made = hashlib.blake2b(digest_size=20)
    for piece in pieces:
        made.update(piece)
    return made.hexdigest()
