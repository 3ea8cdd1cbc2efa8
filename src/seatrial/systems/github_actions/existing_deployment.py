"""Which deployment stands, and whether a trial of ours made it: production's names are used, so this is asked before
anything is deployed over it or torn down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.links.forge.protocol import Forge, WorkflowRun
from seatrial.systems.github_actions.deployment_history import DeploymentHistory

GOING_ON = ("in_progress", "queued", "pending", "requested")
"""States of a run that will do something by itself: one that waits for an approval may wait for ever."""


MANY = 100
"""Runs that are asked for at first; where none of them says what stands, all are."""


@dataclass(frozen=True, slots=True)
class ExistingDeployment:
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


async def by_history(
    forge: Forge, record: Mapping[str, Any], teardown: str, history: DeploymentHistory
) -> ExistingDeployment | None:
    """The newest deployment that succeeded, or goes on, and was not torn down since; None: nothing stands."""
    runs = await forge.runs(str(record["workflow"]), event="")
    if len(runs) >= MANY and not any(map(_counts, runs)):
        runs = await forge.runs(str(record["workflow"]), event="", above=0)
    deployed = [run for run in runs if _counts(run)]
    if not deployed:
        return None
    gone = [run for run in await forge.runs(teardown, event="") if run.conclusion == "success"]
    newest = next((run for run in deployed if not run.over or not any(undoes(one, run) for one in gone)), None)
    if newest is None:
        return None
    trial = history.trial_of(record, newest)
    state = f"deployed at {newest.updated}" if newest.over else f"being deployed ({newest.status})"
    by = f", started by {newest.actor}" if newest.actor else ""
    return ExistingDeployment(f"{record['workflow']} {newest}, {state}{by}, event {newest.event}", trial, newest)


def undoes(teardown: WorkflowRun, deployed: WorkflowRun) -> bool:
    """Whether a teardown that succeeded came after a deployment; one that was run again keeps its number."""
    if teardown.attempt == deployed.attempt == 1:
        return teardown.id > deployed.id
    return (teardown.began or teardown.created) >= deployed.updated


def _counts(run: WorkflowRun) -> bool:
    return run.conclusion == "success" if run.over else run.status in GOING_ON


def by_command(printed: str, record: Mapping[str, Any], history: DeploymentHistory) -> ExistingDeployment | None:
    """What a command of the user's printed: nothing (or an empty JSON value) where no deployment stands."""
    text = printed.strip()
    try:
        empty = not json.loads(text) if text else True
    except ValueError:
        empty = False
    if empty:
        return None
    return ExistingDeployment(text.splitlines()[0][:200], history.trial_in(record, text))
