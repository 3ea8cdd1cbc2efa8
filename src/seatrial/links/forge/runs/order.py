"""An order: a workflow, its inputs, and the time limit of each part."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.links.forge.protocol import EVENT, Forge, WorkflowRun
from seatrial.model.values import Duration

CORRELATION = "correlation_id"
"""The input for our id, unless the document names another."""


QUEUE, RUN, DOWNLOAD, VISIBLE, SETTLE = map(Duration, (600.0, 2700.0, 300.0, 60.0, 10.0))


@dataclass(frozen=True, kw_only=True)
class RunDeadlines:
    """How long each part of a run may take."""

    queue: Duration = QUEUE
    """From the dispatch until its first job runs."""
    run: Duration = RUN
    """From then until its end."""
    download: Duration = DOWNLOAD
    """For its artifacts."""
    visible: Duration = VISIBLE
    """Seconds until the API shows the pushed commit and the started run."""
    settle: Duration = SETTLE
    """Seconds in which another candidate may still appear, if only a run's age identifies it."""

    @property
    def whole(self) -> float:
        """All of it, one after another."""
        return self.visible * 2 + self.settle + self.queue + self.run + self.download


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run to be started."""

    workflow: str
    ref: str
    inputs: Mapping[str, object] = field(default_factory=dict)
    artifacts: tuple[str, ...] = ()
    correlation_input: str = ""
    """The input for our id, as the document names it; empty: `correlation_id` if the workflow has it."""
    deadlines: RunDeadlines = DEADLINES
    limits: Limits = LIMITS


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


def detail_of(hunt: Hunt) -> dict[str, Any]:
    """For the ledger."""
    return {
        "workflow": hunt.workflow,
        "ref": hunt.ref,
        "correlation": hunt.correlation,
        "above": hunt.above,
        "actor": hunt.actor,
    }


def hunt_of(detail: Mapping[str, Any]) -> Hunt:
    """From the ledger."""
    return Hunt(
        workflow=str(detail["workflow"]),
        ref=str(detail["ref"]),
        correlation=str(detail.get("correlation", "")),
        above=int(detail.get("above", 0)),
        actor=str(detail.get("actor", "")),
    )
