"""What the server knows, as GitHub's own database would: repositories' runs, attempts, jobs, steps, artifacts."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from seatrial_stand_ins.github.seam import Conclusion, Level

Status: TypeAlias = Literal["queued", "pending", "waiting", "in_progress", "completed"]

_ids = itertools.count(1)


def new_id() -> int:
    """One that nothing else of this process has; as long as GitHub's own, so that nobody counts on 32 bits."""
    return 17_000_000_000 + next(_ids)


def now() -> datetime:
    """The wall's time, to the second, as GitHub tells it."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(slots=True, kw_only=True)
class Step:
    """One step of a job."""

    number: int
    name: str
    status: Status = "in_progress"
    conclusion: Conclusion | None = None
    started_at: datetime | None = field(default_factory=now)
    completed_at: datetime | None = None
    lines: list[str] = field(default_factory=list)
    """Its log, each with its time."""
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """A remark on a job."""

    level: Level
    message: str
    path: str = ".github"
    line: int = 1
    title: str = ""


@dataclass(slots=True, kw_only=True)
class JobRecord:
    """One job of an attempt."""

    key: str
    name: str
    attempt: int
    labels: tuple[str, ...] = ()
    group: str = ""
    """The concurrency group that it asked for; empty: none."""
    job_id: int = field(default_factory=new_id)
    status: Status = "queued"
    conclusion: Conclusion | None = None
    created_at: datetime = field(default_factory=now)
    started_at: datetime | None = None
    completed_at: datetime | None = None
    steps: list[Step] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One attempt of a run."""

    number: int
    actor: str
    status: Status = "queued"
    conclusion: Conclusion | None = None
    started_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    jobs: list[JobRecord] = field(default_factory=list)
    kept: Mapping[str, Conclusion] = field(default_factory=dict)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled_by: str = ""
    group: str = ""
    """The concurrency group that it asked for; empty: none."""
    task: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        """Whether it has a conclusion."""
        return self.status == "completed"


@dataclass(slots=True, kw_only=True)
class Artifact:
    """One artifact; its content is kept, or made while it is sent."""

    name: str
    run_id: int
    content: bytes
    size: int
    """What the API says of its size."""
    artifact_id: int = field(default_factory=new_id)
    created_at: datetime = field(default_factory=now)
    expired: bool = False
    served: int | None = None
    """Send so many bytes that are made up while they are sent; None: send `content`."""
    tells_length: bool = True
    cut_at: int | None = None
    """Hang up after so many bytes."""


@dataclass(slots=True, kw_only=True)
class Deployment:
    """A job's use of an environment."""

    environment: str
    sha: str
    ref: str
    creator: str
    run_id: int
    job: JobRecord
    url: str = ""
    deployment_id: int = field(default_factory=new_id)
    created_at: datetime = field(default_factory=now)
    states: list[tuple[int, str, datetime]] = field(default_factory=list)
    """Id, state and time of each status, oldest first."""

    def reach(self, state: str) -> None:
        """Have one more status."""
        self.states.append((new_id(), state, now()))


@dataclass(slots=True, kw_only=True)
class WorkflowRecord:
    """A workflow file that the repository has, or had."""

    path: str
    name: str
    workflow_id: int = field(default_factory=new_id)
    state: str = "active"
    created_at: datetime = field(default_factory=now)
    runs: int = 0
    """How many it had: the last run's number."""


@dataclass(slots=True, kw_only=True)
class RunRecord:
    """One run, with all its attempts."""

    repository: str
    workflow: WorkflowRecord
    text: str
    """The workflow file at the run's commit."""
    number: int
    event: str
    ref: str
    sha: str
    actor: str
    title: str
    inputs: Mapping[str, object]
    commit: Mapping[str, object]
    """The head commit, as the API has it in a run."""
    run_id: int = field(default_factory=new_id)
    check_suite_id: int = field(default_factory=new_id)
    created_at: datetime = field(default_factory=now)
    born: float = field(default_factory=time.monotonic)
    unseen: int = 0
    """How many more lists it is left out of."""
    unseen_until: float = 0.0
    """And until when, on the monotonic clock."""
    unseen_by_id: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)

    @property
    def last(self) -> Attempt:
        """The newest attempt."""
        return self.attempts[-1]

    @property
    def status(self) -> Status:
        """Of the newest attempt."""
        return self.last.status

    @property
    def conclusion(self) -> Conclusion | None:
        """Of the newest attempt."""
        return self.last.conclusion

    @property
    def branch(self) -> str:
        """The branch's or tag's own name."""
        return self.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Whoever asks, and what they may."""

    login: str
    permissions: Mapping[str, str] | None = None
    """`{"actions": "read", "contents": "write"}`, as a fine-grained token's; None: all of them."""
    repositories: frozenset[str] | None = None
    """The repositories that it may know of; None: all."""
    scopes: tuple[str, ...] | None = None
    """`("public_repo",)`, as a classic token's; None: `repo` and `workflow`."""
    kind: str = "personal access token"
    """How GitHub calls it when it says that it may not: `personal access token` or `integration`."""

    def may(self, what: str, level: str) -> bool:
        """Whether it has `read` or `write` of `actions`, `contents`, `deployments`, `checks`, …"""
        if self.permissions is None:
            return True
        has = self.permissions.get(what, "none")
        return has == "write" or has == level
