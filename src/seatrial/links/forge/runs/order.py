"""An order: a workflow, its inputs, the time limit of each part, and how to find its run."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from seatrial.links.forge.protocol import EVENT, FOLDER, Forge, WorkflowRun
from seatrial.model.values import Duration

CORRELATION = "correlation_id"
"""The input for our id, unless the document names another."""

FIRST, LONGEST = 0.1, 2.0
"""Seconds between looks for something about to be visible."""

QUEUE, RUN, DOWNLOAD, VISIBLE, SETTLE = map(Duration, (600.0, 2700.0, 300.0, 60.0, 10.0))

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class RunDeadlines:
    """How long each part of a run may take."""

    queue: Duration = QUEUE
    """How long it may wait without a running job, before the first and between jobs: for a runner, an approval, …"""
    run: Duration = RUN
    """How long its jobs may run."""
    download: Duration = DOWNLOAD
    """For its artifacts."""
    visible: Duration = VISIBLE
    """Seconds until the API shows the pushed commit and the started run, and until a dispatch without an answer is sent
    again."""
    settle: Duration = SETTLE
    """Seconds in which another candidate may still appear, if only a run's age identifies it."""

    @property
    def whole(self) -> float:
        """All of it, one after another."""
        return self.visible * 4 + self.settle + self.queue + self.run + self.download


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Size limits of artifacts: larger ones are not fetched."""

    megabytes: int = 256
    """Of one archive, packed."""
    unpacked_megabytes: int = 1024
    """Megabytes of one archive, unpacked."""
    files: int = 10000
    """In one archive."""


DEADLINES, LIMITS = RunDeadlines(), Limits()


@dataclass(frozen=True, kw_only=True)
class Dispatch:
    """A workflow to start, as a document names it."""

    workflow: str
    """The file's name in `.github/workflows`, for example `deploy.yml`."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Values for the workflow's own inputs."""
    correlation_input: str = ""
    """The input for an id used in the workflow's `run-name`; default: `correlation_id`, if it exists."""
    deadlines: RunDeadlines = DEADLINES
    """How long each part of the run may take."""


@dataclass(frozen=True, kw_only=True)
class DispatchWithArtifacts(Dispatch):
    """A workflow to start, and the artifacts to fetch from its run."""

    artifacts: tuple[str, ...] = ()
    """Artifacts to fetch; the keys of JSON files in them become outputs."""
    limits: Limits = LIMITS
    """Maximum size of the artifacts."""


@dataclass(frozen=True, kw_only=True)
class Order(DispatchWithArtifacts):
    """A run to be started. An input can be Unknown until then."""

    ref: str

    @property
    def path(self) -> str:
        """The workflow's path from the repository's root."""
        return self.workflow if "/" in self.workflow else f"{FOLDER}/{self.workflow}"


def order_of(dispatch: Dispatch, ref: str, inputs: Mapping[str, Any]) -> Order:
    """A dispatch at a ref, with inputs as far as they are known."""
    same = {one.name: getattr(dispatch, one.name) for one in fields(Order) if hasattr(dispatch, one.name)}
    return Order(**{**same, "ref": ref, "inputs": inputs})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunt:
    """How to identify our run among others if the forge's answer did not; JSON values, for the ledger."""

    workflow: str
    ref: str
    correlation: str = ""
    """An id in the run's name; empty: the name does not help."""
    above: int = 0
    """The newest run before our request."""
    actor: str = ""
    """Who asked; empty: not known."""

    async def found(self, forge: Forge) -> list[WorkflowRun]:
        """The candidates for the dispatched run, the newest first."""
        runs = await forge.runs(self.workflow, ref=short(self.ref), above=self.above)
        if self.correlation:
            return [run for run in runs if run.event == EVENT and carries(run.title, self.correlation)]
        return [run for run in runs if run.event == EVENT and self._by_us(run)]

    def _by_us(self, run: WorkflowRun) -> bool:
        by = not self.actor or not run.actor or run.actor.casefold() == self.actor.casefold()
        return by and run.branch in ("", short(self.ref))


def short(ref: str) -> str:
    """A branch or tag without `refs/heads/`."""
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def carries(title: str, id: str) -> bool:
    """Whether a run's name contains this id, and not a longer one."""
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(id)}(?![0-9A-Za-z])", title) is not None


def listed(runs: Sequence[WorkflowRun], most: int = 5) -> str:
    """Runs in an error."""
    more = f" and {len(runs) - most} more" if len(runs) > most else ""
    return ", ".join(map(str, runs[:most])) + more


def hunt_of(record: Mapping[str, Any]) -> Hunt:
    """From the ledger."""
    return Hunt(**{one.name: record[one.name] for one in fields(Hunt) if one.name in record})


async def looks(forge: Forge, seconds: float) -> AsyncIterator[None]:
    """Turns of a search loop, with growing pauses, until the time is up; at least two."""
    clock = asyncio.get_running_loop().time
    end, pause = clock() + seconds, FIRST
    while True:
        yield
        left = end - clock()
        if left <= 0:
            return
        await asyncio.sleep(min(max(pause, forge.pace), left))
        pause = min(pause * 1.5, LONGEST)
