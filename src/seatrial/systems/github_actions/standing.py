"""Which deployment stands, and whether a trial of ours made it: production's names are used, so this is asked before
anything is deployed over it or torn down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.links.forge import Forge, WorkflowRun
from seatrial.systems.github_actions.book import Book

GOING_ON = ("in_progress", "queued", "pending", "requested")
"""States of a run that will do something by itself: one that waits for an approval may wait for ever."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A deployment that stands, or is being made."""

    what: str
    """For people."""
    trial: str = ""
    """The trial of ours that made it; empty: none did."""
    run: WorkflowRun | None = None

    def refusal(self, repository: str) -> str:
        """Why nothing is done to it."""
        return (
            f"a deployment of {repository} stands that no trial of this project made: {self.what}; it is left as it is."
            " Tear it down yourself, or say `replace_existing: true` if it may go"
        )


async def by_history(forge: Forge, record: Mapping[str, Any], teardown: str, book: Book) -> Standing | None:
    """The newest deployment that succeeded, or goes on, and was not torn down since; None: nothing stands."""
    deployed = [run for run in await forge.runs(str(record["workflow"]), event="") if _counts(run)]
    if not deployed:
        return None
    gone = [run.id for run in await forge.runs(teardown, event="") if run.conclusion == "success"]
    newest = deployed[0]
    if newest.over and max(gone, default=0) > newest.id:
        return None
    trial = book.trial_of(record, newest)
    state = f"deployed at {newest.updated}" if newest.over else f"being deployed ({newest.status})"
    by = f", started by {newest.actor}" if newest.actor else ""
    return Standing(f"{record['workflow']} {newest}, {state}{by}, event {newest.event}", trial, newest)


def _counts(run: WorkflowRun) -> bool:
    return run.conclusion == "success" if run.over else run.status in GOING_ON


def by_command(printed: str, record: Mapping[str, Any], book: Book) -> Standing | None:
    """What a command of the user's printed: nothing (or an empty JSON value) where no deployment stands."""
    text = printed.strip()
    try:
        empty = not json.loads(text) if text else True
    except ValueError:
        empty = False
    if empty:
        return None
    return Standing(text.splitlines()[0][:200], book.trial_in(record, text))
