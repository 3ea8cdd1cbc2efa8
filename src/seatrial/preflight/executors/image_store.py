"""Images built for checks: which are in use, their last use, and which to remove.

Each has a file in the user's cache folder. A user of the image holds the file's lock (the kernel releases it when the
process dies); the file's time is the last use. Only images built with the same cache folder count, so other users'
images are safe.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from seatrial.errors import CannotTell
from seatrial.links.containers import Engine
from seatrial.links.paths import cache_folder, write_once
from seatrial.preflight.system import pipeline_of
from seatrial.spi import Context

LABEL = "seatrial.build"
"""The label of built images; its value identifies the cache folder."""

NAME = "localhost/seatrial-build"

PATIENCE = 60.0
"""Seconds for another process to finish the removal of a wanted image."""

MOST = 50
"""Most images removed at the end of one run."""


class _Held(dict[str, BinaryIO]):
    """The tags of images in use by the trial, each with its locked file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """Limits for built images."""

    count: int = 20
    """Number of images to keep, the most recently used ones."""
    days: float = 30.0
    """Days since the last use."""


def mark() -> str:
    """The label value for images of this cache folder."""
    folder = cache_folder("images")
    return write_once(folder / "mark", secrets.token_hex(8).encode(), folder / f".{secrets.token_hex(8)}").decode()


async def hold(ctx: Context, engine: Engine, tag: str) -> None:
    """Use an image, or one about to be built: nobody removes it until the trial releases it."""
    held = pipeline_of(ctx).part(_Held)
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
    """Release all images of the trial; returns whether it used a built one."""
    held = pipeline_of(ctx).part(_Held)
    used = bool(held)
    while held:
        held.popitem()[1].close()
    return used


async def collect(ctx: Context, limits: ImageLimits) -> None:
    """Remove unused images over the limits. Never raises: this does not affect the verdict."""
    try:
        gone = await _collect(await pipeline_of(ctx).engine(), limits)
    except (CannotTell, OSError) as error:
        ctx.log(f"the built images could not be listed: {error}", "debug")
        return
    if gone:
        ctx.log(f"removed {len(gone)} unused built images: {', '.join(gone)}", "debug")


async def _collect(engine: Engine, limits: ImageLimits) -> list[str]:
    words = ("images", "--filter", f"label={LABEL}={mark()}", "--format", "{{.Repository}}:{{.Tag}}")
    known = {tag for tag in await engine.names(*words, what="the built images") if tag.startswith(f"{NAME}:")}
    newest = sorted(known, key=lambda tag: _used(engine, tag), reverse=True)
    oldest = time.time() - limits.days * 24 * 3600
    due = [tag for at, tag in enumerate(newest) if at >= limits.count or _used(engine, tag) < oldest]
    gone = []
    for tag in due[::-1][:MOST]:
        with _alone(engine, tag) as free:
            # Without --force: any container keeps its image.
            if free and (await engine.attempt("rmi", tag, what=f"removing {tag}")).ok:
                _file(engine, tag).unlink(missing_ok=True)
                gone.append(tag)
    for stray in cache_folder("images").glob(f"{engine.name}-*"):
        tag = f"{NAME}:{stray.name.removeprefix(f'{engine.name}-')}"
        if tag not in known:
            with _alone(engine, tag) as free:
                if free:
                    stray.unlink(missing_ok=True)
    return gone


@contextmanager
def _alone(engine: Engine, tag: str) -> Iterator[bool]:
    """Whether nobody uses it; nobody can begin to while this lasts."""
    with _file(engine, tag).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield _is_still(file, _file(engine, tag))


def _used(engine: Engine, tag: str) -> float:
    """Its last use; for an unrecorded image: now."""
    file = _file(engine, tag)
    if not file.exists():
        file.touch()
    return file.stat().st_mtime


def _is_still(file: BinaryIO, path: Path) -> bool:
    """Whether the file is still the one at this path: a removal of the image removes the file too."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _file(engine: Engine, tag: str) -> Path:
    return cache_folder("images") / f"{engine.name}-{tag.rpartition(':')[2]}"
