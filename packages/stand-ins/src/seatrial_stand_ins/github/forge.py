"""The state of one server, shared by its endpoints; it lives on the server's loop."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from seatrial.links.forge.workflows.yaml_tree import WorkflowError
from seatrial_stand_ins.github.limits import Limits
from seatrial_stand_ins.github.live import LiveRun
from seatrial_stand_ins.github.plants import CancelledBySomebody, LateRefs, OnArtifacts, OnRuns, Planted
from seatrial_stand_ins.github.reading import permissions, read
from seatrial_stand_ins.github.records import Artifact, Attempt, RunRecord, Token
from seatrial_stand_ins.github.repository import Repository
from seatrial_stand_ins.github.scheduler import Scheduler
from seatrial_stand_ins.github.scripted import Play
from seatrial_stand_ins.github.seam import Conclusion, Run, Runner
from seatrial_stand_ins.github.spoiling import script, spoilt
from seatrial_stand_ins.github.storage import Storage

RunDetails: TypeAlias = Literal["offered", "refused", "ignored"]


@dataclass(frozen=True, slots=True)
class Request:
    """One recorded request, for tests to inspect."""

    method: str
    path: str
    """Without `/api/v3`, with its query."""
    status: int
    """Of the answer; 0: the connection was closed without one."""
    login: str


@dataclass(kw_only=True)
class Forge:
    """The state of a server."""

    runner: Runner
    run_details: RunDetails
    enterprise_version: str
    storage: Storage
    limits: Limits
    scheduler: Scheduler = field(init=False)
    site: str
    ca_file: Path | None
    repositories: dict[str, Repository] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    bed: list[Planted] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add_token(self, token: Token, prefix: str = "ghp_") -> str:
        """A new token's text."""
        text = prefix + secrets.token_urlsafe(27).replace("-", "x").replace("_", "y")
        self.tokens[text] = token
        return text

    def known(self, run: RunRecord) -> bool:
        """Whether it is found by its number already."""
        return not run.unseen_by_id or (run.unseen <= 0 and time.monotonic() >= run.unseen_until)

    def seen(self, run: RunRecord) -> bool:
        """Whether it is in lists already; one look of one list."""
        if run.unseen > 0:
            run.unseen -= 1
            return False
        return time.monotonic() >= run.unseen_until

    def lateness(self) -> LateRefs | None:
        """The fault for a changed ref, if any."""
        for one in list(self.bed):
            if isinstance(one.plant, LateRefs) and one.happens():
                return one.plant
        return None

    def prepare(self, repository: Repository, run: RunRecord, attempt: Attempt) -> LiveRun:
        """What a runner is given."""
        about = Token(
            login="github-actions[bot]", permissions=_permissions(run), repositories=frozenset({repository.name}),
            kind="integration",
        )  # fmt: skip
        job_token = self.add_token(about, "ghs_")
        return LiveRun(
            of=repository, record=run, ongoing=attempt,
            adding=self._adding,
            leave=lambda group, member: self.scheduler.leave(repository, group, member),
            displace=self.scheduler.displace,
            secrets={**repository.secrets, "GITHUB_TOKEN": job_token},
            server_url=self.site, api_url=f"{self.site}/api/v3", graphql_url=f"{self.site}/api/graphql",
            ca_file=self.ca_file,
        )  # fmt: skip

    def ended(self, live: LiveRun) -> None:
        """The token of an attempt holds no more."""
        self.tokens.pop(live.secrets["GITHUB_TOKEN"], None)

    def _adding(self, run: RunRecord, artifact: Artifact) -> list[Artifact]:
        return spoilt(run, artifact, [one for one in self.bed if isinstance(one.plant, OnArtifacts)])

    def choose(self, run: RunRecord) -> Runner:
        """The runner of this run."""
        file = run.workflow.path.rpartition("/")[2]
        for one in list(self.bed):
            plant = one.plant
            if not isinstance(plant, OnRuns) or plant.workflow not in ("", file) or not one.happens():
                continue
            if isinstance(plant, CancelledBySomebody):
                return _Cancelled(self, run, plant)
            told = script(plant)
            assert told is not None
            return Play(told)
        return self.runner


@dataclass
class _Cancelled:
    """The runner of a cancelled run."""

    forge: Forge
    record: RunRecord
    plant: CancelledBySomebody

    async def run(self, run: Run) -> Conclusion:
        """By its own runner, until then."""
        asyncio.get_running_loop().call_later(
            self.plant.after, lambda: self.forge.scheduler.cancel(self.record, by=self.plant.by)
        )
        return await self.forge.runner.run(run)


def _permissions(run: RunRecord) -> Mapping[str, str] | None:
    try:
        return permissions(read(run.text, run.workflow.path))
    except WorkflowError:
        return {}
