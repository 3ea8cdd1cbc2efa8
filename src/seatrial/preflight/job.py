"""A job is one command of a check with all its values, and the names of its files; an executor runs it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from seatrial import expressions
from seatrial.preflight.document import Check, Service
from seatrial.preflight.shell import needs_bash
from seatrial.spi import Context, Finished

ROW = 80
"""Characters of a matrix row in a file name."""

_PLAIN = re.compile(r"[A-Za-z0-9_.=,]*")
_ODD = re.compile(r"[^A-Za-z0-9_.=,-]+")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One command of a check."""

    name: str
    """`stage/check`."""
    check: Check
    """Its settings."""
    source: Path
    """The folder of the sources, on this host."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of its pipeline, its stage and its own."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Secret environment variables: filled in late, and never shown."""
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The checks before it with artifacts, in its stage and in earlier ones, each with the patterns from the source;
    also checks left out of this run."""
    beside: Sequence[str] = ()
    """The patterns of the artifacts of all other checks, from the source."""
    uses: Mapping[str, str] = field(default_factory=dict)
    """Checks with artifacts it uses, to the folders in which they ran."""
    services: Mapping[str, Service] = field(default_factory=dict)
    """The services it needs, by name; their addresses are filled in at runtime."""
    caches: Mapping[str, str] = field(default_factory=dict)
    """Names of folders kept between runs, each with its path in a container."""
    host: bool = False
    """Whether all checks, and services if possible, run as programs of this host."""
    executor: str = ""
    """`dagger`: its container is one of a Dagger engine; empty: of the container engine."""
    reusable: bool = False
    """Whether an executor may answer from a cache of its own."""
    again: str = ""
    """The command to run this check alone."""
    log: Path | None = None
    """A file for its output, as it is printed: secrets are not hidden in it."""
    output: Callable[[bytes], None] | None = None
    """Takes its output while it runs."""
    given: Mapping[str, Path] = field(default_factory=dict)
    """Extra files for a copy of the sources: paths in the source, each with its file."""
    taken: Path | None = None
    """The folder for a container's artifacts, each at its path in the working folder."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The command. Each part of a script must pass: without -e only the last one would count."""
        run = self.check.run
        if not isinstance(run, str):
            return run
        return ("bash" if needs_bash(run) else "/bin/sh", "-e", "-c", run)

    @property
    def folder(self) -> Path:
        """The folder to run in, on this host."""
        return (self.source / self.check.cwd).resolve()

    @property
    def contained(self) -> bool:
        """Whether it runs in a container."""
        return self.check.contained and not self.host


@dataclass(frozen=True, kw_only=True)
class Answered(Finished):
    """The result of an executor with a cache of its own."""

    cached_by: str = ""
    """The executor, if the result is from its cache."""
    serves: bool = False
    """Whether it left a service for later checks: no stored result can replace that."""


class Executor(Protocol):
    """A module to run jobs in one kind of place."""

    async def identity(self, ctx: Context, job: Job) -> str:
        """The identity of the job's environment, for the cache: for example the digests of its image and its services;
        empty when unknown. ToolMissing, CannotTell as for `run`."""

    async def run(self, ctx: Context, job: Job) -> Finished:
        """Run it to its end. TimedOut after its timeout; ToolMissing, CannotTell when it cannot run at all."""


# Names for its files. The check's name comes from its document, but its files must stay in the run's folder.


def row_name(row: Mapping[str, object]) -> str:
    """The suffix of a check's name for a matrix row: `[python=3.11,os=linux]`."""
    told = ",".join(f"{key}={expressions.as_text(value)}" for key, value in row.items())
    return f"[{told}]" if told else ""


def folder_of(check: str) -> str:
    """The folder of a check's artifacts, relative to the trial's: `build/site`, `build/site[python=3.12]`. Matrix
    values are free text: unsafe ones (`../x`, `<2`) become a readable part and a unique suffix."""
    plain, _, row = check.partition("[")
    return f"{plain}[{_as_part(row[:-1])}]" if row else plain


def log_of(check: str) -> str:
    """The name of a check's log, without its ending: `quality-mypy`; no two checks of a pipeline have the same."""
    stage, _, name = check.partition("/")
    plain, _, row = name.partition("[")
    told = f"{stage}-{plain}" + (f"-{_as_part(row[:-1]).replace(',', '-')}" if row else "")
    # `a-b/c` and `a/b-c` must differ.
    return f"{told}-{_mark(check)}" if "-" in stage else told


def _as_part(row: str) -> str:
    if _PLAIN.fullmatch(row) and len(row) <= ROW:
        return row
    return f"{_ODD.sub('-', row)[:ROW].strip('-')}-{_mark(row)}"


def _mark(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
