"""A job is one command of a check; an executor runs it and returns its result."""

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
    """A file for its output, as it is printed: secrets are not hidden in it."""
    image: str = ""
    build: Build | None = None
    copied: bool = False
    """Whether it gets its own writable copy of the sources."""
    given: Mapping[str, Path] = field(default_factory=dict)
    """Extra files for the copy: paths in the source, each with its file."""
    inputs: tuple[str, ...] = ()
    """Patterns of its input files: a copy includes ignored files (.gitignore) only if they are named."""
    services: Mapping[str, Service] = field(default_factory=dict)
    """The services it needs, by name; their addresses are filled in at runtime."""
    caches: Mapping[str, str] = field(default_factory=dict)
    """Names of folders kept between runs, each with its path in a container."""
    cpus: float | None = None
    """CPU limit of its container; None: no limit."""
    memory_gb: float = 0.0
    """Memory limit of its container; 0: no limit."""
    artifacts: tuple[str, ...] = ()
    taken: Path | None = None
    """The folder for a container's artifacts, each at its path in the working folder."""
    host: bool = False
    """Whether services run as programs of this host if possible."""


class Executor(Protocol):
    """One place to run jobs."""

    async def identity(self, ctx: Context, job: Job) -> str:
        """The identity of the job's environment, for the cache: for example the digests of its image and its services;
        empty when unknown. ToolMissing, CannotTell as for `run`."""

    async def run(self, ctx: Context, job: Job) -> Finished:
        """Run it to its end. TimedOut after its timeout; ToolMissing, CannotTell when it cannot run at all."""
