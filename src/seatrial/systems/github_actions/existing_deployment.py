"""Finds the current deployment and the trial that made it. Deployments use production's names, so this runs before
Seatrial deploys over one or tears it down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.links.forge.protocol import Forge, WorkflowRun
from seatrial.systems.github_actions.deployment_history import DeploymentHistory

GOING_ON = ("in_progress", "queued", "pending", "requested")
"""States of a run that will go on by itself: a run waiting for approval may wait forever."""


MANY = 100
"""Runs in the first request; if they do not decide, all runs are requested."""


@dataclass(frozen=True, slots=True)
class ExistingDeployment:
    """A current deployment, or one in progress."""

    what: str
    """A description for people."""
    trial: str = ""
    """The trial of this project that made it; empty: none did."""
    run: WorkflowRun | None = None

    def refusal(self, repository: str) -> str:
        """Why it is left alone."""
        return (
            f"{repository} has a deployment not made by a trial of this project: {self.what}; it is left as it is."
            " Tear it down yourself, or set `replace_existing: true` if Seatrial may remove it"
        )


async def by_history(
    forge: Forge, record: Mapping[str, Any], teardown: str, history: DeploymentHistory
) -> ExistingDeployment | None:
    """The newest successful or unfinished deployment without a later teardown; None: there is none."""
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
    """Whether a successful teardown came after a deployment; a run that is run again keeps its number."""
    if teardown.attempt == deployed.attempt == 1:
        return teardown.id > deployed.id
    return (teardown.began or teardown.created) >= deployed.updated


def _counts(run: WorkflowRun) -> bool:
    return run.conclusion == "success" if run.over else run.status in GOING_ON


def by_command(printed: str, record: Mapping[str, Any], history: DeploymentHistory) -> ExistingDeployment | None:
    """The output of the user's command: nothing (or an empty JSON value) if there is no deployment."""
    text = printed.strip()
    try:
        empty = not json.loads(text) if text else True
    except ValueError:
        empty = False
    if empty:
        return None
    return ExistingDeployment(text.splitlines()[0][:200], history.trial_in(record, text))
