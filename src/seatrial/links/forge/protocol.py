"""What Seatrial asks of a forge that runs workflows; GitHub is one of them, another is one more package beside it.

Whoever implements `Forge` speaks to one repository. Nothing here knows of HTTP, of tokens or of what a run is for:
following a run, fetching what it made and judging it is `links.workflow_runs`, which is the same for every forge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from seatrial.errors import CannotTell

EVENT = "workflow_dispatch"
"""The event of a run that somebody asked for by name."""


class Denied(CannotTell):
    """The forge does not let us: the message names the right that is missing, or says that the token is not good."""


class Absent(Denied):
    """It is not there, or the token may not see it: forges do not tell which."""


class Rejected(CannotTell):
    """The forge understood what was asked, and refuses it for what it is: nothing was started."""

    category = "test"


class Unsure(CannotTell):
    """What was asked may have been done or not: the answer never came, or was a fault of the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRun:
    """One run of a workflow, as the forge tells it now."""

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
    """`completed`, `in_progress`, or what it waits for: `queued`, `requested`, `waiting`, `pending`, …"""
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
    """The machine that has it; empty: none has."""
    labels: tuple[str, ...] = ()
    """What it asks of a machine."""
    steps: tuple[RunStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArtifact:
    """One archive that a run left."""

    id: int
    name: str
    size: int = 0
    """Bytes of the archive."""
    expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFile:
    """A workflow file as it is at a ref."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A run that is asked for."""

    workflow: str
    ref: str
    inputs: Mapping[str, object] = field(default_factory=dict)


@runtime_checkable
class Forge(Protocol):
    """One repository and its workflows. Methods raise Denied, Absent, Rejected, and CannotTell when the forge cannot be
    reached, answers nonsense, or asks for more patience than there is."""

    repository: str
    """As people write it: `acme/notes`."""

    @property
    def pace(self) -> float:
        """Seconds that should be between two looks, so that what is allowed lasts; 0: as often as one likes."""

    @property
    def ahead(self) -> float:
        """Seconds that the forge's clock is ahead of ours, by its last answer; 0: it does not tell."""

    async def who(self) -> str:
        """The name under which we act; empty: the token does not say."""

    async def head(self, ref: str) -> str:
        """The commit of a branch, a tag or a commit; empty: not visible."""

    async def contains(self, ref: str, sha: str) -> bool:
        """Whether this commit is part of what the ref is now."""

    async def read(self, workflow: str, ref: str) -> WorkflowFile:
        """A workflow file at a ref; Absent when there is none."""

    async def dispatch(self, asked: Asked) -> int:
        """Start a run; its id, 0 when the forge does not tell. Unsure when it may have been started all the same."""

    async def runs(
        self, workflow: str, *, ref: str = "", event: str = EVENT, above: int = -1, most: int = 100
    ) -> Sequence[WorkflowRun]:
        """The runs of a workflow, the newest first: all with ids above this one, or without that the newest so many (a
        hundred at most). Without an event, of every event. CannotTell when there are more above it than the forge
        tells."""

    async def run(self, id: int) -> WorkflowRun:
        """One run."""

    async def jobs(self, id: int) -> Sequence[RunJob]:
        """The jobs of its last attempt."""

    async def waits_for(self, id: int) -> Sequence[str]:
        """The environments whose approval a run waits for."""

    async def log(self, job: int, into: Path, *, limit: int) -> None:
        """The log of a job, as a text file."""

    async def cancel(self, id: int) -> None:
        """Ask for its end; one that has ended already is success."""

    async def artifacts(self, id: int) -> Sequence[RunArtifact]:
        """What a run left."""

    async def download(self, artifact: RunArtifact, into: Path, *, limit: int, timeout: float) -> None:
        """An artifact's archive, as a zip file."""

    async def close(self) -> None:
        """Let go of all connections."""
