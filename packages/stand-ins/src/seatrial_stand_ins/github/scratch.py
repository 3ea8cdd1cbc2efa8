"""The server's folder: removed with the server; the next server removes the folder of a killed one."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "seatrial-github-"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder, held by a lock; the kernel releases it when this process dies."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with (folder / "begins").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # It gets this name only while locked: others never see it free.
            (folder / "begins").rename(folder / "lock")
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/lock"):
        with contextlib.suppress(OSError), lock.open() as opened:
            # A live server holds the lock; another user's folder cannot be opened.
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
