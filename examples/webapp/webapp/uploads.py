"""Uploaded files, byte for byte, in a folder."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

LARGEST = 64 * 1024 * 1024
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Uploads:
    """Files appear as a whole, or not at all."""

    def __init__(self, storage: Path) -> None:
        self._folder = storage / "uploads"

    def add(self, name: str, content: bytes) -> None:
        """Keep it, replacing one of the same name; ValueError for an invalid name or size."""
        self._allowed(name)
        if len(content) > LARGEST:
            raise ValueError(f"{len(content)} bytes are too many; {LARGEST} are allowed")
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=self._folder, prefix=".draft-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(self._folder / name)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise

    def path(self, name: str) -> Path | None:
        """Its path; None: there is no such file."""
        path = self._folder / name
        return path if NAME.fullmatch(name) and path.is_file() else None

    def names(self) -> Sequence[str]:
        """All, in their order."""
        if not self._folder.is_dir():
            return []
        return sorted(path.name for path in self._folder.iterdir() if NAME.fullmatch(path.name))

    @staticmethod
    def _allowed(name: str) -> None:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for an upload: letters, digits, dots, dashes, 100 at most")
