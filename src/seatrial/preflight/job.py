"""A job is one command of a check; an executor runs it and returns its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from seatrial.preflight.document import Check, Service
from seatrial.spi import Context, Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One command of a check, with every value filled in."""

    name: str
    """`stage/check`."""
    check: Check
    """Its settings."""
    argv: tuple[str, ...]
    source: Path
    """The folder of the sources, on this host."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment variables, secrets among them."""
    log: Path | None = None
    """A file for its output, as it is printed: secrets are not hidden in it."""
    given: Mapping[str, Path] = field(default_factory=dict)
    """Extra files for a copy of the sources: paths in the source, each with its file."""
    services: Mapping[str, Service] = field(default_factory=dict)
    """The services it needs, by name; their addresses are filled in at runtime."""
    caches: Mapping[str, str] = field(default_factory=dict)
    """Names of folders kept between runs, each with its path in a container."""
    taken: Path | None = None
    """The folder for a container's artifacts, each at its path in the working folder."""
    host: bool = False
    """Whether all checks, and services if possible, run as programs of this host."""

    @property
    def contained(self) -> bool:
        """Whether it runs in a container."""
        return self.check.contained and not self.host


class Executor(Protocol):
    """One place to run jobs."""

    async def identity(self, ctx: Context, job: Job) -> str:
        """The identity of the job's environment, for the cache: for example the digests of its image and its services;
        empty when unknown. ToolMissing, CannotTell as for `run`."""

    async def run(self, ctx: Context, job: Job) -> Finished:
        """Run it to its end. TimedOut after its timeout; ToolMissing, CannotTell when it cannot run at all."""
