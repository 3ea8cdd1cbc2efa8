"""The requests Seatrial makes to a forge that runs workflows; GitHub is one, another is one more package beside it.

An implementation of `Forge` speaks to one repository. Nothing here knows of HTTP, of tokens or of the purpose of a run:
following a run, fetching its artifacts and judging it are in `links.forge.runs`, the same for every forge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from seatrial.errors import CannotTell

EVENT = "workflow_dispatch"
"""The event of a run dispatched by name."""

FOLDER = ".github/workflows"


class Denied(CannotTell):
    """The forge denies access: the message names the missing right, or the token is not valid."""


class Absent(Denied):
    """It does not exist, or the token may not see it: forges do not distinguish."""


class Rejected(CannotTell):
    """The forge understood the request and rejected it: nothing was started."""

    category = "test"


class Unsure(CannotTell):
    """The request may have been carried out or not: the answer never came, or was a server fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRun:
    """One run of a workflow, as the forge reports it now."""

    id: int
    title: str = ""
    """As `run-name` made it; where a workflow's id for the run is looked for."""
    workflow: str = ""
    """The path of the workflow file."""
    event: str = ""
    branch: str = ""
    """The branch or tag."""
    sha: str = ""
    actor: str = ""
    status: str = ""
    """`completed`, `in_progress`, or a waiting state: `queued`, `requested`, `waiting`, `pending`, …"""
    conclusion: str = ""
    """Of a completed one: `success`, `failure`, `cancelled`, `timed_out`, `skipped`, …"""
    url: str = ""
    """Its page for people."""
    created: str = ""
    updated: str = ""
    began: str = ""
    """Its last attempt."""
    attempt: int = 1

    @property
    def over(self) -> bool:
        """It has ended, one way or another."""
        return self.status == "completed"

    def __str__(self) -> str:
        return f"run {self.id}" + (f" {self.title!r}" if self.title else "") + (f" ({self.url})" if self.url else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """One step of a job."""

    name: str
    number: int = 0
    conclusion: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJob:
    """One job of a run."""

    id: int
    name: str = ""
    status: str = ""
    conclusion: str = ""
    url: str = ""
    started: str = ""
    runner: str = ""
    """Its machine; empty: none."""
    labels: tuple[str, ...] = ()
    """The labels it requires of a machine."""
    steps: tuple[RunStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArtifact:
    """One archive from a run."""

    id: int
    name: str
    size: int = 0
    """Bytes of the archive."""
    expired: bool = False


@runtime_checkable
class Forge(Protocol):
    """One repository and its workflows. Methods raise Denied, Absent, Rejected, and CannotTell when the forge cannot be
    reached, answers nonsense, or asks for more patience than there is."""

    repository: str
    """As people write it: `acme/notes`."""

    @property
    def pace(self) -> float:
        """Seconds between two looks for the rate limit to last; 0: any."""

    @property
    def ahead(self) -> float:
        """Seconds by which the forge's clock is ahead of the local one, by its last answer; 0: unknown."""

    @property
    def trouble(self) -> str:
        """Why the forge does not answer now; empty: it answered."""

    async def who(self) -> str:
        """The token's user name there; empty: the token does not reveal it."""

    async def head(self, ref: str) -> str:
        """The commit of a branch, a tag or a commit; empty: not visible."""

    async def contains(self, ref: str, sha: str) -> bool:
        """Whether this commit is part of the ref now."""

    async def read(self, path: str, ref: str) -> str:
        """The text of a file at a ref; Absent when there is none."""

    async def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, object]) -> int:
        """Start a run; its id, or 0 if the forge returns none. Unsure if it may have been started anyway."""

    async def runs(
        self, workflow: str, *, ref: str = "", event: str = EVENT, above: int = -1, most: int = 100
    ) -> Sequence[WorkflowRun]:
        """The runs of a workflow, the newest first: all with ids above this one, or else the newest ones (a hundred at
        most). Without an event, of every event. CannotTell if there are more above it than the forge lists."""

    async def run(self, id: int) -> WorkflowRun:
        """One run."""

    async def jobs(self, id: int) -> Sequence[RunJob]:
        """The jobs of its last attempt."""

    async def waits_for(self, id: int) -> Sequence[str]:
        """The environments with an approval a run waits for."""

    async def log(self, job: int, into: Path, *, limit: int) -> None:
        """The log of a job, as a text file."""

    async def cancel(self, id: int) -> None:
        """Request its end; a finished one is success."""

    async def artifacts(self, id: int) -> Sequence[RunArtifact]:
        """The artifacts of a run."""

    async def download(self, artifact: RunArtifact, into: Path, *, limit: int, timeout: float) -> None:
        """An artifact's archive, as a zip file."""

    async def close(self) -> None:
        """Let go of all connections."""
