"""The cache of results: a check with unchanged inputs, command and environment does not run again.

`manifest` lists the dependencies of a result, `tree` and `hashes` read the files, `store` keeps results, `cached_run`
is one attempt of a check, `trace` finds undeclared inputs.
"""

from __future__ import annotations

import asyncio
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.links.process import TimedOut
from seatrial.links.process.spawned import spawn
from seatrial.preflight.cache.hashes import Hashes, digest
from seatrial.preflight.cache.store import Store
from seatrial.preflight.cache.tree import Tree
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
        self.store = Store(self.folder)
        self.hashes = Hashes(self.folder / "stat" / f"{digest(str(self.source).encode())}.json")
        self.tree = Tree(self.source, self.hashes)
        self.passed: dict[str, Sequence[tuple[str, Path]]] = {}
        """The passed checks of this run, each with its artifacts: the path from its folder, and the file."""
        self._tools: dict[str, str] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def version_of(self, ctx: Context, tool: Sequence[str], folder: Path, env: Mapping[str, str]) -> str:
        """A digest of the tool's version output; each tool runs once per run."""
        name = digest(repr((tuple(tool), str(folder), sorted(env.items()))).encode())
        async with self._turns[name]:
            if name not in self._tools:
                try:
                    done = await spawn(ctx, tool, cwd=folder, env=env, timeout=PATIENCE)
                except TimedOut as error:
                    raise CannotTell(f"its tool `{shlex.join(tool)}` printed no version: {error}") from None
                if not done.ok:
                    raise CannotTell(f"its tool `{shlex.join(tool)}` {done.ended}")
                self._tools[name] = digest(repr((done.stdout, done.stderr)).encode())
        return self._tools[name]

    def close(self) -> None:
        """At the end of the run: keep the hashes of files, and make room."""
        if not self.off:
            self.hashes.save()
            if self.kept:
                with suppress(OSError):
                    self.store.collect(self.limit)
