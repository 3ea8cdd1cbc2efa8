"""One document: its data, and the position of each part in the text."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Any

from seatrial.errors import DocumentError, Problem, nearest
from seatrial.loading.read.positions import Flawed, Mark, Place, Position
from seatrial.model.record import record
from seatrial.model.scenario import Location

LARGEST = 10 * 1024 * 1024
"""Maximum size of a document in bytes."""


@record
class Document:
    """A parsed document; `file` is its name as the user gave it."""

    file: str
    path: Path
    data: Any
    text: str
    _marks: dict[Place, Mark] = field(default_factory=dict, repr=False)
    _unread: Iterator[tuple[Place, Mark]] | None = field(default=None, repr=False)
    """The marks after those: a place near the beginning of a long document needs few."""
    folder: Path = field(init=False)
    """The base of its relative paths, without symbolic links."""

    def __post_init__(self) -> None:
        self.folder = self.path.resolve().parent

    def locate(self, place: Place, *, key: bool = False) -> Position:
        """Line and column of a value (of its key, with `key`); of the nearest enclosing part if it does not exist."""
        if self._unread is None:
            self._unread = iter(_reader(self.path).marks(self.text))
        if place not in self._marks:
            for known, mark in self._unread:
                self._marks.setdefault(known, mark)
                if known == place:
                    break
        for length in range(len(place), -1, -1):
            mark = self._marks.get(place[:length])
            if mark is not None:
                return mark.key if key and length == len(place) > 0 else mark.value
        return (1, 1)

    def source(self, place: Place = ()) -> Location:
        """The same place for the plan; the line is computed only on demand."""
        return Location(file=self.file, path=place)


def read(path: Path | str, *, name: str = "", text: str | None = None) -> Document:
    """Read a YAML or JSON document; DocumentError with file:line:column for every problem. `text`: what the file will
    hold, if it is not written yet."""
    where = Path(path)
    shown = name or str(path)
    if text is None:
        text = _text(where, shown)
    try:
        data = _reader(where).parse(text)
    except Flawed as error:
        raise DocumentError(Problem(shown, *at, message, hint) for at, message, hint in error.flaws) from None
    except RecursionError:
        raise _whole(shown, "the document is nested too deeply", "a scenario needs only a few levels") from None
    return Document(shown, where, data, text)


def line_of(source: Location) -> Position:
    """Line and column of a place in the plan: reads the document again, for reports and errors only."""
    if not source.file or source.file.endswith(".toml"):
        return (0, 0)
    return read(source.file).locate(source.path)


def _reader(path: Path) -> Any:
    # Imported on use: a JSON document needs no YAML library, and vice versa.
    if path.suffix.lower() == ".json":
        from seatrial.loading.read import json

        return json
    from seatrial.loading.read import yaml

    return yaml


def _whole(file: str, message: str, hint: str = "") -> DocumentError:
    return DocumentError([Problem(file, 0, 0, message, hint)])


def _text(path: Path, shown: str) -> str:
    raw = read_bytes(path, shown)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].split(b"\n")
        line, column = len(before), len(before[-1].decode("utf-8", "replace")) + 1
        message = f"the byte 0x{raw[error.start]:02x} is not valid UTF-8"
        raise DocumentError([Problem(shown, line, column, message, "save the file as UTF-8")]) from None


def read_bytes(path: Path, shown: str) -> bytes:
    """The bytes of a regular file of at most `LARGEST` bytes; DocumentError otherwise."""
    try:
        # Non-blocking: a FIFO without a writer must not block Seatrial.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            about = os.fstat(file.fileno())
            if stat.S_ISDIR(about.st_mode):
                raise IsADirectoryError
            if not stat.S_ISREG(about.st_mode):
                raise _whole(shown, "this is not a regular file", "give the path of a YAML or JSON file")
            if about.st_size > LARGEST:
                why = f"the file is too large: {about.st_size / 1e6:.1f} MB; allowed: {LARGEST / 1e6:.1f} MB"
                raise _whole(shown, why, "split it, and list the parts under `include`")
            return file.read(LARGEST + 1)
    except FileNotFoundError:
        raise _whole(shown, "file not found", _beside(path)) from None
    except NotADirectoryError:
        raise _whole(shown, "file not found: a part of its path is a file") from None
    except IsADirectoryError:
        raise _whole(shown, "this is a folder, not a document", _beside(path / "x")) from None
    except (OSError, ValueError) as error:
        raise _whole(shown, f"the file cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _beside(path: Path) -> str:
    try:
        names = [document.name for document in documents_in(path.parent)]
    except (OSError, ValueError):
        return "its folder does not exist either"
    return nearest(path.name, names, what="documents in this folder")


def documents_in(folder: Path) -> list[Path]:
    """The first documents of a folder, to suggest for a missing one."""
    return sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml", ".json"))[:20]
