"""The current deployment: by the history of both workflows, or by the user's command."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seatrial.errors import CannotTell, LeaseTaken
from seatrial.links.forge.protocol import Forge, WorkflowRun
from seatrial.links.output import beginning
from seatrial.systems.github_actions.environments import DEPLOY, TEARDOWN, Environment
from seatrial.systems.github_actions.history import DeploymentHistory, id_in

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
    """The trial that made it; empty: none did."""
    run: WorkflowRun | None = None
    elsewhere: bool = False
    """Only the name of its run tells the trial: another machine's, which may be active."""
    unsure: str = ""
    """It may be another environment's, or may be torn down: what to do about it."""

    def refuse(self, repository: str, allowed_after: float) -> None:
        """Raise the reason to leave it alone: LeaseTaken, or CannotTell if the history does not tell."""
        if self.elsewhere:
            raise LeaseTaken(
                f"{repository} has a deployment of the trial {self.trial}, which this machine does not know and which "
                f"may be active: {self.what}; it is left as it is. It counts as abandoned {allowed_after:g} s after it "
                "was made (`abandoned_after`); or tear it down yourself"
            )
        if self.unsure:
            raise CannotTell(
                f"the history of {repository} does not tell whether a deployment not made by a trial of this project "
                f"is in the way: {self.what}: {self.unsure}"
            )
        raise LeaseTaken(
            f"{repository} has a deployment not made by a trial of this project: {self.what}; it is left as it is."
            " Tear it down yourself, or set `replace_existing: true` if Seatrial may remove it"
        )


async def by_history(
    forge: Forge,
    record: Mapping[str, Any],
    teardown: str,
    history: DeploymentHistory,
    environment: Environment,
    *,
    abandoned_after: float = 0.0,
) -> ExistingDeployment | None:
    """The newest successful or active deployment of this environment without a later teardown of it, or a foreign one
    that may be; None: there is none."""
    runs = await forge.runs(str(record["workflow"]), event="")
    gone = await forge.runs(teardown, event="") if any(map(_counts, runs)) else ()
    look = _Look(record, history, environment, time.time() + forge.ahead - abandoned_after)
    found = look.newest(runs, gone)
    if len(runs) >= MANY and (found is None or found.trial) and not look.decided:
        runs = await forge.runs(str(record["workflow"]), event="", above=0)
        found = look.newest(runs, await forge.runs(teardown, event="", above=0))
    return found


class _Look:
    """A look at the history of both workflows."""

    def __init__(
        self, record: Mapping[str, Any], history: DeploymentHistory, environment: Environment, abandoned: float
    ) -> None:
        self._record = record
        self._history = history
        self._environment = environment
        self._abandoned = abandoned
        self.decided = False
        """Older runs cannot change the answer."""

    def newest(self, runs: Sequence[WorkflowRun], teardowns: Sequence[WorkflowRun]) -> ExistingDeployment | None:
        """By these runs of both workflows, the newest first."""
        gone = [run for run in teardowns if run.conclusion == "success"]
        ours: ExistingDeployment | None = None
        for run in filter(_counts, runs):
            same = self._same(run, DEPLOY)
            undone = run.over and self.undone(run, same, gone)
            if same is False:
                continue
            if undone:
                if self._environment.alone:
                    self.decided = True  # this teardown came after all older ones too
                    break
                continue
            found = self._found(run, sure=same is True and undone is False)
            if found.trial and not found.elsewhere and found.unsure:
                ours = ours or found  # an older one may be another's
                continue
            self.decided = True
            return found
        return ours

    def undone(self, deployed: WorkflowRun, same: bool | None, gone: Sequence[WorkflowRun]) -> bool | None:
        """Whether one of these teardowns removed a deployment; None: it may have. A teardown of another environment
        undoes nothing."""
        known = [self._same(run, TEARDOWN) for run in gone if undoes(run, deployed)]
        if same and any(known):
            return True
        return None if any(one is not False for one in known) else False

    def _same(self, run: WorkflowRun, part: str) -> bool | None:
        return self._environment.same(run, part, self._history, self._record)

    def _found(self, run: WorkflowRun, *, sure: bool) -> ExistingDeployment:
        trial, elsewhere = self._history.trial_of(self._record, run), False
        if not trial and (id := id_in(run.title)):
            trial, elsewhere = id.trial, not (run.over and _moment(run.updated) < self._abandoned)
        state = f"deployed at {run.updated}" if run.over else f"being deployed ({run.status})"
        by = f", started by {run.actor}" if run.actor else ""
        what = f"{self._record['workflow']} {run}, {state}{by}, event {run.event}"
        return ExistingDeployment(what, trial, run, elsewhere, "" if sure else self._environment.remedy())


def undoes(teardown: WorkflowRun, deployed: WorkflowRun) -> bool:
    """Whether a successful teardown came after a deployment; a run that is run again keeps its number."""
    if teardown.attempt == deployed.attempt == 1:
        return teardown.id > deployed.id
    return (teardown.began or teardown.created) >= deployed.updated


def _counts(run: WorkflowRun) -> bool:
    return run.conclusion == "success" if run.over else run.status in GOING_ON


def _moment(text: str) -> float:
    """Seconds since 1970; infinite if it cannot be read."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return float("inf")


def by_command(printed: str, record: Mapping[str, Any], history: DeploymentHistory) -> ExistingDeployment | None:
    """The output of the user's command: nothing (or an empty JSON value) if there is no deployment."""
    text = printed.strip()
    try:
        empty = not json.loads(text) if text else True
    except ValueError:
        empty = False
    if empty:
        return None
    return ExistingDeployment(beginning(text.splitlines()[0], 200), history.trial_in(record, text))
