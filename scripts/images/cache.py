"""Images are kept by a checksum of their inputs, tools by their version; nobody ever finds an incomplete one."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

UNUSED_DAYS = 30
"""Images of other inputs (another checkout, an older script) are deleted after this time without use."""


class Failed(Exception):
    """An image could not be made; the text has the reason and the next step."""


def folder_of(kind: str = "images") -> Path:
    """This kind's folder in `$SEATRIAL_CACHE_DIR`, else in `$XDG_CACHE_HOME/seatrial`, else in `~/.cache/seatrial`."""
    given = os.environ.get("SEATRIAL_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return (Path(given) if given else Path(home) / "seatrial").absolute() / kind


def key_of(files: Iterable[Path], words: Iterable[str]) -> str:
    """A checksum of these files (names, contents and whether they are programs) and of these words, in 16 digits."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda one: one.name):
        content = file.read_bytes()
        digest.update(f"{file.name} {os.access(file, os.X_OK)} {len(content)}\n".encode() + content)
    for word in words:
        digest.update(f"{word}\n".encode())
    return digest.hexdigest()[:16]


def made(
    name: str,
    key: str,
    make: Callable[[Path], None],
    *,
    force: bool = False,
    say: Callable[[str], None] = print,
    kind: str = "images",
) -> Path:
    """The folder filled by `make` for this key: an earlier one, else a new one.

    `make` works in its own folder; it gets its final name when complete, so nobody ever finds an incomplete one. The
    next call removes the leftovers of a killed maker. Only one maker runs at a time; another one waits and takes its
    result.
    """
    cache = folder_of(kind)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failed(
            f"the cache folder {cache} cannot be made: {error.strerror}; name another: SEATRIAL_CACHE_DIR"
        ) from None
    final = cache / f"{name}-{key}"
    with _only_one(cache / f".{name}.lock", lambda: say(f"{name}: somebody else is making it; waiting")):
        for stale in cache.glob(f".making-{name}-*"):
            shutil.rmtree(stale, ignore_errors=True)
        if final.is_dir() and not force:
            os.utime(final)
            say(f"{name}: up to date ({final})")
            return final
        aside = cache / f".making-{name}-{os.getpid()}"
        aside.mkdir()
        begun = time.monotonic()
        try:
            make(aside)
            old = cache / f".making-{name}-old-{os.getpid()}"
            if final.exists():
                final.rename(old)
            aside.rename(final)
        finally:
            for rest in cache.glob(f".making-{name}-*"):
                shutil.rmtree(rest, ignore_errors=True)
        say(f"{name}: made in {time.monotonic() - begun:.0f} s ({final})")
        _forget(cache, name, final)
    return final


@contextlib.contextmanager
def _only_one(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget(cache: Path, name: str, keep: Path) -> None:
    oldest = time.time() - UNUSED_DAYS * 86400
    for other in cache.glob(f"{name}-*"):
        if other != keep and other.stat().st_mtime < oldest:
            shutil.rmtree(other, ignore_errors=True)


def link(target: Path, link: Path) -> None:
    """Make a symbolic link, or atomically replace an existing one."""
    if link.is_symlink() and link.readlink() == target:
        return
    link.parent.mkdir(exist_ok=True)
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
