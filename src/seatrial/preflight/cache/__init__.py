"""The cache of results: a check whose declared inputs, command and surroundings are as they were is not run again.

`manifest` says what a result depends on, `tree` and `hashes` look at the files, `store` keeps results, `visit` is one
attempt of a check, `trace` finds what a check reads and does not declare.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import CannotTell
from seatrial.preflight.cache.hashes import Hashes, digest
from seatrial.preflight.cache.store import FolderStore, Store
from seatrial.preflight.cache.tree import Tree

if TYPE_CHECKING:
    from seatrial.spi import Context

PATIENCE = 60.0
"""Seconds that a tool may take to tell its version."""

SIZE_GB = 2.0
"""What is kept where nobody says."""


@dataclass(kw_only=True)
class Cache:
    """The cache as one run of a pipeline uses it."""

    source: Path
    folder: Path = Path()
    """Where it is; any number of runs may share it."""
    off: str = ""
    """Why nothing is taken from it, and nothing kept."""
    explain: bool = False
    """Whether each check says why it was, or was not, taken from it."""
    tracing: bool = False
    """Whether it is looked at what each check reads; all of them run then."""
    limit: int = int(SIZE_GB * 1e9)
    """Bytes that it may hold."""
    kept: bool = field(default=False, init=False)
    """Whether this run kept anything."""

    def __post_init__(self) -> None:
        self.store: Store = FolderStore(self.folder)
        self.hashes = Hashes(self.folder / "stat" / f"{digest(str(self.source).encode())}.json")
        self.tree = Tree(self.source, self.hashes)
        self.passed: dict[str, Sequence[tuple[str, Path]]] = {}
        """The checks that passed in this run, each with its artifacts: the path from its folder, and where it is."""
        self._tools: dict[str, str] = {}
        self._asked: dict[str, asyncio.Lock] = {}

    def name_of(self, check: str) -> str:
        """What a check of this source is called among all."""
        return f"{self.source}\n{check}"

    async def told_by(self, ctx: Context, tool: Sequence[str], folder: Path, env: Mapping[str, str]) -> str:
        """What stands for the version that a tool tells; it is asked once in a run."""
        from seatrial.links.process import TimedOut
        from seatrial.links.process.spawned import spawn

        name = digest(repr((tuple(tool), str(folder), sorted(env.items()))).encode())
        async with self._asked.setdefault(name, asyncio.Lock()):
            if name not in self._tools:
                try:
                    done = await spawn(ctx, tool, cwd=folder, env=env, timeout=PATIENCE)
                except TimedOut as error:
                    raise CannotTell(f"its tool `{shlex.join(tool)}` does not tell its version: {error}") from None
                if not done.ok:
                    raise CannotTell(f"its tool `{shlex.join(tool)}` ended with {done.exit_code}")
                self._tools[name] = digest(repr((done.stdout, done.stderr)).encode())
        return self._tools[name]

    def close(self) -> None:
        """The run is over: keep what is known of files, and make room."""
        if self.off:
            return
        self.hashes.save()
        if self.kept:
            with suppress(OSError):
                self.store.collect(self.limit)


@dataclass(frozen=True, kw_only=True)
class Caching:
    """What a check says of its result and the cache."""

    cache: Cache
    inputs: tuple[str, ...] = ()
    env_inputs: tuple[str, ...] = ()
    tools: tuple[tuple[str, ...], ...] = ()
    allowed: bool | None = None
    needs: tuple[str, ...] = field(default=())
    """The checks of its stage that it needs, and those whose artifacts it uses, by their ids."""
    artifacts: tuple[str, ...] = ()
