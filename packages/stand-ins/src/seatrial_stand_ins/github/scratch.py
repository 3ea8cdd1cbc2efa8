"""The server's folder: it goes with the server, and one that a killed server left goes with the next one."""

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
    """An empty folder, held by a lock that the kernel lets go when this process dies."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with (folder / "begins").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # It has this name only when it is held: others never see it free.
            (folder / "begins").rename(folder / "lock")
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/lock"):
        with contextlib.suppress(OSError), lock.open() as opened:
            # Whoever lives holds it; and what is not ours cannot be opened.
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
