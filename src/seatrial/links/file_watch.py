"""Watches a folder for changes, through the kernel where possible (`watchfiles`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self

from seatrial.errors import CannotTell, ExtraMissing

TOGETHER = 1000
"""Milliseconds to collect consecutive changes: a checkout, or an editor's save."""

QUIET = 60
"""Milliseconds without a change before the collected ones are reported."""

TICK = 500
"""Milliseconds between two looks at files outside the folder."""


def needed() -> None:
    """ExtraMissing when the library is not installed."""
    try:
        import watchfiles
    except ImportError as error:
        raise ExtraMissing(f"watchfiles is not installed ({error}): pip install 'seatrial[watch]'") from error
    del watchfiles


class Watched:
    """A watched folder, and single files elsewhere; after entry no change is missed."""

    def __init__(self, folder: Path, *, ignored: Callable[[str], bool], files: Iterable[Path] = ()) -> None:
        self.folder, self._ignored = folder, ignored
        self._files = {file: _seen(file) for file in files}
        self._news: asyncio.Queue[frozenset[str] | Exception] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        await asyncio.sleep(0)  # its first step starts the watch
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def changes(self) -> frozenset[str]:
        """Wait for changes: absolute paths, including new and deleted files. CannotTell when the folder cannot be
        watched."""
        news = await self._news.get()
        if isinstance(news, Exception):
            hint = "WATCHFILES_FORCE_POLLING=1 polls instead"
            raise CannotTell(f"{self.folder} cannot be watched: {news}; {hint}") from news
        while not self._news.empty() and isinstance(more := self._news.get_nowait(), frozenset):
            news |= more
        return news

    async def _watch(self) -> None:
        from watchfiles import awatch

        try:
            async for changes in awatch(
                self.folder,
                watch_filter=lambda _, path: not self._ignored(path),
                debounce=TOGETHER,
                step=QUIET,
                rust_timeout=TICK,
                yield_on_timeout=True,
                ignore_permission_denied=True,
            ):
                if paths := {path for _, path in changes} | self._elsewhere():
                    self._news.put_nowait(frozenset(paths))
        except (OSError, RuntimeError) as error:
            self._news.put_nowait(error)

    def _elsewhere(self) -> set[str]:
        now = {file: _seen(file) for file in self._files}
        before, self._files = self._files, now
        return {str(file) for file, seen in now.items() if seen != before[file]}


def _seen(file: Path) -> tuple[int, int, int]:
    try:
        status = file.stat()
    except OSError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino
