"""What is asked for: a workflow, its inputs, and how long each part of it may take."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.links.forge.protocol import EVENT, Forge, WorkflowRun
from seatrial.model.values import Duration

CORRELATION = "correlation_id"
"""The input that takes our id, where the document names no other."""


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
    """Until the API shows the commit that was pushed, and the run that was started."""
    settle: Duration = SETTLE
    """How long another run may still turn up that could be ours as well, where nothing but its age tells."""

    @property
    def whole(self) -> float:
        """All of it, one after another."""
        return self.visible * 2 + self.settle + self.queue + self.run + self.download


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How large artifacts may be: what is larger is not fetched."""

    megabytes: int = 256
    """Of one archive, packed."""
    unpacked_megabytes: int = 1024
    """Of all that one archive holds."""
    files: int = 10000
    """In one archive."""


DEADLINES, LIMITS = RunDeadlines(), Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run that is asked for."""

    workflow: str
    ref: str
    inputs: Mapping[str, object] = field(default_factory=dict)
    artifacts: tuple[str, ...] = ()
    correlation_input: str = ""
    """The document's word for the input that takes our id; empty: `correlation_id` where the workflow has it."""
    deadlines: RunDeadlines = DEADLINES
    limits: Limits = LIMITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunt:
    """By what our run is known among others, where the forge's answer did not say; JSON values, for the ledger."""

    workflow: str
    ref: str
    correlation: str = ""
    """An id that is in the run's name; empty: its name says nothing."""
    above: int = 0
    """The newest run that was there before ours was asked for."""
    actor: str = ""
    """Who asked; empty: not known."""

    async def found(self, forge: Forge) -> list[WorkflowRun]:
        """The runs that could be ours, the newest first."""
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
    """Whether a run's name has this id in it, and not one that only begins or ends like it."""
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
