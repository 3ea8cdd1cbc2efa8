"""Where notes are kept: in PostgreSQL, or in a file on this machine's disk."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from webapp.settings import Settings

LONGEST = 10_000
"""Characters of a note."""


@dataclass(frozen=True)
class Note:
    """One note; a worker counts its `words`, unknown before."""

    id: int
    text: str
    words: int | None = None


class Notes(Protocol):
    """All notes."""

    def add(self, text: str) -> Note:
        """Keep one; it is on a disk when this returns."""

    def all(self) -> Sequence[Note]:
        """The newest first."""

    def health(self) -> str:
        """The value of `database` in the health report; an exception: it does not answer."""


class OnDisk:
    """A line of JSON per note. The app runs as one process, so a lock in it is enough."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "notes.jsonl"
        self._lock = threading.Lock()

    def add(self, text: str) -> Note:
        with self._lock:
            note = Note(id=len(self._read()) + 1, text=text)
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(note)) + "\n")
            return note

    def all(self) -> Sequence[Note]:
        return self._read()[::-1]

    def health(self) -> str:
        return "not configured"

    def _read(self) -> list[Note]:
        if not self._file.exists():
            return []
        return [Note(**json.loads(line)) for line in self._file.read_text(encoding="utf-8").splitlines()]


class InDatabase:
    """A table, made when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def add(self, text: str) -> Note:
        from webapp.database import connect

        with connect(self._settings) as database:
            (row,) = database.execute("INSERT INTO notes (text) VALUES (%s) RETURNING id", [text]).fetchall()
        return Note(id=row[0], text=text)

    def all(self) -> Sequence[Note]:
        from webapp.database import connect

        with connect(self._settings) as database:
            rows = database.execute("SELECT id, text, words FROM notes ORDER BY id DESC LIMIT 200").fetchall()
        return [Note(*row) for row in rows]

    def health(self) -> str:
        from webapp.database import connect

        with connect(self._settings) as database:
            database.execute("SELECT 1")
        return "connected"


def notes_of(settings: Settings) -> Notes:
    """The store for these settings."""
    return InDatabase(settings) if settings.has_database else OnDisk(settings.storage)
