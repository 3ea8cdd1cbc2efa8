"""Images that were built for checks: which are in use, when each was used last, and which go.

Of each there is a file in the user's cache folder. Whoever uses the image holds the file's lock, which the kernel lets
go when a process dies, and the file's time is that of the last use. Only images that were built with the same cache
folder are looked at: other users have theirs.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from seatrial.errors import CannotTell
from seatrial.links.containers import Engine
from seatrial.links.paths import cache_folder
from seatrial.preflight.system import pipeline_of
from seatrial.spi import Context

LABEL = "seatrial.build"
"""The label of what is built; its value is the mark of the cache folder."""

NAME = "localhost/seatrial-build"

DAY = 24 * 3600.0

PATIENCE = 60.0
"""Seconds that somebody may take to remove an image that is wanted."""

MOST = 50
"""Images that are removed at the end of one run."""


@dataclass(slots=True)
class _Held:
    """The images that the trial uses."""

    files: dict[str, BinaryIO] = field(default_factory=dict)
    """Tag to the file whose lock is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What stays."""

    count: int = 20
    """Images; of more, those go that were used longest ago."""
    days: float = 30.0
    """Days since the last use."""


def mark() -> str:
    """What the images of this cache folder are marked with."""
    file = _folder() / "mark"
    while True:
        try:
            if text := file.read_text():
                return text
        except FileNotFoundError:
            pass
        aside = file.with_name(f".{secrets.token_hex(8)}")
        aside.write_text(secrets.token_hex(8))
        with suppress(FileExistsError):
            os.link(aside, file)
        aside.unlink()


async def hold(ctx: Context, engine: Engine, tag: str) -> None:
    """Use an image, or one that is about to be built, until the trial lets go of it: nobody removes it meanwhile."""
    held = pipeline_of(ctx).part(_Held).files
    if tag in held:
        return
    path = _file(engine, tag)
    async with asyncio.timeout(PATIENCE):
        while True:
            file = path.open("ab")
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                if _is_still(file, path):
                    os.utime(path)
                    held[tag] = file
                    return
            except BlockingIOError:
                await asyncio.sleep(0.05)  # it is being removed
            finally:
                if tag not in held:
                    file.close()


def let_go(ctx: Context) -> bool:
    """The trial uses no image any more; whether it used one that was built."""
    files = pipeline_of(ctx).part(_Held).files
    used = bool(files)
    while files:
        files.popitem()[1].close()
    return used


async def collect(ctx: Context, limits: Limits) -> None:
    """Remove what is too much or too old, and in nobody's use. It decides nothing, so nothing is raised."""
    try:
        gone = await _collect(await pipeline_of(ctx).engine(), limits)
    except (CannotTell, OSError) as error:
        ctx.log(f"images that were built could not be looked through: {error}", "debug")
        return
    if gone:
        ctx.log(f"removed {len(gone)} images that were built and are of no use: {', '.join(gone)}", "debug")


async def _collect(engine: Engine, limits: Limits) -> list[str]:
    words = ("images", "--filter", f"label={LABEL}={mark()}", "--format", "{{.Repository}}:{{.Tag}}")
    known = {tag for tag in await engine.names(*words, what="the images that were built") if tag.startswith(f"{NAME}:")}
    newest = sorted(known, key=lambda tag: _used(engine, tag), reverse=True)
    oldest = time.time() - limits.days * DAY
    due = [tag for at, tag in enumerate(newest) if at >= limits.count or _used(engine, tag) < oldest]
    gone = []
    for tag in due[::-1][:MOST]:
        with _alone(engine, tag) as free:
            # Without --force: a container of anybody keeps its image.
            if free and (await engine.attempt("rmi", tag, what=f"removing {tag}")).ok:
                _file(engine, tag).unlink(missing_ok=True)
                gone.append(tag)
    for stray in _folder().glob(f"{engine.name}-*"):
        tag = f"{NAME}:{stray.name.removeprefix(f'{engine.name}-')}"
        if tag not in known:
            with _alone(engine, tag) as free:
                if free:
                    stray.unlink(missing_ok=True)
    return gone


@contextmanager
def _alone(engine: Engine, tag: str) -> Iterator[bool]:
    """Whether nobody uses it; nobody begins to while this lasts."""
    with _file(engine, tag).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield _is_still(file, _file(engine, tag))


def _used(engine: Engine, tag: str) -> float:
    """When it was used last; of one that nobody knows of: now."""
    file = _file(engine, tag)
    if not file.exists():
        file.touch()
    return file.stat().st_mtime


def _is_still(file: BinaryIO, path: Path) -> bool:
    """Whether the file is still the one at this path: who removes an image removes it too."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _file(engine: Engine, tag: str) -> Path:
    return _folder() / f"{engine.name}-{tag.rpartition(':')[2]}"


def _folder() -> Path:
    return cache_folder("images")
