"""A job is one command of a check; an executor takes it to its end, and says how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from seatrial.preflight.document import Build, Service
from seatrial.spi import Context, Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One command of a check, with every value filled in."""

    name: str
    """`stage/check`."""
    argv: tuple[str, ...]
    source: Path
    """The folder of the sources, on this host."""
    cwd: str = ""
    """A folder inside it."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment variables, secrets among them."""
    timeout: float | None = None
    log: Path | None = None
    """A file that takes all that it prints, as it comes: secrets are not hidden in it."""
    image: str = ""
    build: Build | None = None
    copied: bool = False
    """Whether it gets a copy of the sources, which it may change."""
    given: Mapping[str, Path] = field(default_factory=dict)
    """What is put into that copy besides: paths in the source, to files."""
    inputs: tuple[str, ...] = ()
    """Patterns of the files that it depends on: a copy has those that .gitignore leaves out, when they are named."""
    services: Mapping[str, Service] = field(default_factory=dict)
    """What it is bound to, by name; where they are is filled in when they run."""
    caches: Mapping[str, str] = field(default_factory=dict)
    """Names of folders that are kept between runs, to where they are in a container."""
    cpus: float | None = None
    """No more than this in a container; None: no limit."""
    memory_gb: float = 0.0
    """The same; 0: no limit."""
    artifacts: tuple[str, ...] = ()
    taken: Path | None = None
    """Where a container's artifacts are put, each at its path in the folder that it ran in."""
    host: bool = False
    """Whether services run as programs of this host where they can."""


class Executor(Protocol):
    """One place where jobs can run."""

    async def identity(self, ctx: Context, job: Job) -> str:
        """What stands for all that the job finds there, for the cache: the digest of its image and of the images and
        settings of its services, say; empty when nobody can say. ToolMissing, CannotTell as for `run`."""

    async def run(self, ctx: Context, job: Job) -> Finished:
        """Run it to its end. TimedOut after its timeout; ToolMissing, CannotTell when it could not be run at all."""
