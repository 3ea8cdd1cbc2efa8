"""The folder of a service in the user's state folder: its record, its log, its data, its socket and its locks."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from seatrial.links.paths import state_folder, write_whole
from seatrial.model.frozen import frozen

LOG_SIZE = 16 * 1024 * 1024
"""Bytes of a log after which its first half is dropped."""


@frozen(kw_only=False)
class Home:
    """The folder of one service."""

    name: str
    folder: Path

    @property
    def log(self) -> Path:
        """The output of the service, unmasked: only this user can read it."""
        return self.folder / "log"

    @property
    def keeper_log(self) -> Path:
        """The errors of the keeper itself."""
        return self.folder / "keeper.log"

    def make(self) -> None:
        """Create it, for this user alone."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def read(self) -> Mapping[str, Any]:
        """The record; empty when there is none."""
        with suppress(FileNotFoundError, ValueError):
            return dict(json.loads((self.folder / "service.json").read_text()))
        return {}

    def write(self, record: Mapping[str, object], *, sync: bool = False) -> None:
        """Replace the record. `sync`: it is on the disk when this returns."""
        write_whole(self.folder / "service.json", json.dumps(record, indent=1), 0o600, sync=sync)

    def forget(self) -> None:
        """Remove the record: the service has ended."""
        (self.folder / "service.json").unlink(missing_ok=True)

    def lock(self, name: str, *, wait: bool = False) -> int:
        """The descriptor of a held lock; -1 when another process holds it."""
        fd = os.open(self.folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(fd)
            return -1
        return fd

    @property
    def kept(self) -> bool:
        """Whether a keeper lives."""
        try:
            fd = os.open(self.folder / "keeper.lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def last_lines(self, count: int) -> list[str]:
        """The last lines of the log that are not empty."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 256 * 1024))
                lines = file.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return [line for line in lines if line.strip()][-count:]

    def shorten_log(self) -> None:
        """Drop the first half of a long log. The service goes on: it appends."""
        with suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG_SIZE:
                with self.log.open("rb+") as file:
                    file.seek(-LOG_SIZE // 2, os.SEEK_END)
                    rest = file.read()
                    file.truncate(0)
                    file.seek(0)
                    file.write(b"(earlier output was dropped)\n" + rest)


def home_of(name: str) -> Home:
    """The folder of a service, whether it exists or not."""
    return Home(name, state_folder() / "services" / name)


def homes() -> list[Home]:
    """The folders of all services of this user with a record."""
    return [home_of(file.parent.name) for file in sorted((state_folder() / "services").glob("*/service.json"))]
