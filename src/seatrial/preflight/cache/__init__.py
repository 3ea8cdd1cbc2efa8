"""The cache of results: a check with unchanged inputs, command and environment does not run again.

`manifest` lists the dependencies of a result, `tree` and `hashes` read the files, `store` keeps results, `cached_run`
is one attempt of a check, `trace` finds undeclared inputs.
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
"""Seconds for a tool to print its version."""

SIZE_GB = 2.0
"""Default size limit."""


@dataclass(kw_only=True)
class Cache:
    """The cache as one run of a pipeline uses it."""

    source: Path
    folder: Path = Path()
    """Its location; any number of runs may share it."""
    off: str = ""
    """The reason why the cache is off."""
    explain: bool = False
    """Whether each check explains its cache hit or miss."""
    tracing: bool = False
    """Whether the reads of each check are traced; all checks run then."""
    limit: int = int(SIZE_GB * 1e9)
    """Size limit in bytes."""
    kept: bool = field(default=False, init=False)
    """Whether this run stored a result."""

    def __post_init__(self) -> None:
        self.store: Store = FolderStore(self.folder)
        self.hashes = Hashes(self.folder / "stat" / f"{digest(str(self.source).encode())}.json")
        self.tree = Tree(self.source, self.hashes)
        self.passed: dict[str, Sequence[tuple[str, Path]]] = {}
        """The passed checks of this run, each with its artifacts: the path from its folder, and the file."""
        self._tools: dict[str, str] = {}
        self._asked: dict[str, asyncio.Lock] = {}

    def name_of(self, check: str) -> str:
        """The unique name of a check of this source."""
        return f"{self.source}\n{check}"

    async def told_by(self, ctx: Context, tool: Sequence[str], folder: Path, env: Mapping[str, str]) -> str:
        """A digest of the tool's version output; each tool runs once per run."""
        from seatrial.links.process import TimedOut
        from seatrial.links.process.spawned import spawn

        name = digest(repr((tuple(tool), str(folder), sorted(env.items()))).encode())
        async with self._asked.setdefault(name, asyncio.Lock()):
            if name not in self._tools:
                try:
                    done = await spawn(ctx, tool, cwd=folder, env=env, timeout=PATIENCE)
                except TimedOut as error:
                    raise CannotTell(f"its tool `{shlex.join(tool)}` printed no version: {error}") from None
                if not done.ok:
                    raise CannotTell(f"its tool `{shlex.join(tool)}` ended with {done.exit_code}")
                self._tools[name] = digest(repr((done.stdout, done.stderr)).encode())
        return self._tools[name]

    def close(self) -> None:
        """At the end of the run: keep the hashes of files, and make room."""
        if self.off:
            return
        self.hashes.save()
        if self.kept:
            with suppress(OSError):
                self.store.collect(self.limit)


@dataclass(frozen=True, kw_only=True)
class Caching:
    """A check's settings of the cache."""

    cache: Cache
    inputs: tuple[str, ...] = ()
    env_inputs: tuple[str, ...] = ()
    tools: tuple[tuple[str, ...], ...] = ()
    allowed: bool | None = None
    needs: tuple[str, ...] = field(default=())
    """The ids of the checks it needs in its stage, and of those with artifacts it uses."""
    artifacts: tuple[str, ...] = ()
