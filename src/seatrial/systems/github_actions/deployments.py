"""Removes a deployment by its ledger record alone: ends its run, then runs the teardown workflow with its own inputs.

The same code serves the step `destroy`, the end of a suite, and `clean` after SIGKILL; a second call finds the work
done, and somebody else's later deployment is left alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seatrial.errors import LeftBehind
from seatrial.expressions import late
from seatrial.links.forge.protocol import Forge, WorkflowRun
from seatrial.links.forge.runs.dispatch import ready, start
from seatrial.links.forge.runs.following import DELETED, ended, run_folder
from seatrial.links.forge.runs.order import Order, RunDeadlines, carries, short
from seatrial.links.forge.runs.outcome import judge, until_over
from seatrial.links.forge.runs.repository import open_forge
from seatrial.model.values import Duration
from seatrial.systems.github_actions.environments import DEPLOY, TEARDOWN, Environment
from seatrial.systems.github_actions.history import DeploymentHistory, RunId
from seatrial.systems.github_actions.standing import undoes


async def take_away(record: Mapping[str, Any], trial: str, environment: Mapping[str, str]) -> None:
    """Undo a deployment; nothing happens if nothing was started, or it is already torn down. StepFailed and its kin
    when the teardown fails; LeftBehind when someone else's deployment replaced it."""
    hidden: list[str] = []
    token = late.fill(str(record.get("token") or ""), environment, hidden.append)
    log = _Log(Path(str(record["log"])), hidden)
    patience = float(record["timeout"])
    async with open_forge(record, token, environment, log.say, patience=patience) as (forge, found):
        hidden.append(found)
        runs = await ended(forge, record)
        did = [run for run in runs if await _did_something(forge, run)]
        if not runs:
            log.say("nothing was started, so there is nothing to tear down")
        elif not did:
            for run in runs:
                log.say(f"{run} ended as {run.conclusion} before any of its jobs began: there is nothing to tear down")
        else:
            newest = max(did, key=lambda run: run.id)
            ours = replace(newest, updated=max(run.updated for run in did))
            await _torn_down(forge, record, ours, trial, environment, log)


async def _did_something(forge: Forge, run: WorkflowRun) -> bool:
    """Whether any of its jobs had a runner: a run without one has deployed nothing."""
    if run.conclusion in ("success", "failure", "timed_out", DELETED) or run.attempt > 1:
        return True  # the server lists jobs of the last attempt only
    return any(job.runner or job.steps for job in await forge.jobs(run.id) if job.conclusion != "skipped")


async def _torn_down(
    forge: Forge, record: Mapping[str, Any], ours: WorkflowRun, trial: str, environment: Mapping[str, str], log: _Log
) -> None:
    told: Mapping[str, Any] = record["teardown"]
    look = _Look(record, trial)
    since = await forge.runs(told["workflow"], event="", above=ours.id)
    gone = [run for run in since if run.conclusion == "success" and run.created >= ours.updated]
    done = next(filter(look.removed_ours, gone), None)
    if done is not None:
        log.say(f"it is already torn down: {done}")
        return
    if not record.get("replace_existing"):
        await _refuse_others(forge, ours, gone, look)
    log.say(f"tearing down the deployment of {ours}")
    going = next((run for run in since if not run.over and look.begun_by_us(run)), None)
    order = _order(record, late.fill(told["inputs"], environment, log.hidden.append))
    if going is None:
        id = RunId(trial, look.environment.digest).fresh(secrets.randbits(32))
        going = await start(forge, await ready(forge, order, id), log.say)
        look.history.write({**record, "workflow": order.workflow, "correlation": id, "run": going.id}, trial)
    over = await until_over(forge, going, order.deadlines, log.say)
    folder = run_folder(Path(str(record["artifacts"])), order.workflow, over)
    await judge(forge, over, order.workflow, folder / "logs", log.masked)


class _Look:
    """Judges other runs by a deployment's record."""

    def __init__(self, record: Mapping[str, Any], trial: str) -> None:
        self.record = record
        self.history = DeploymentHistory(Path(str(record["project"])))
        known = record.get("environment") or {"alone": not record["teardown"]["inputs"]}  # before it was recorded
        self.environment = Environment(**known)
        self._id = f"{trial}-{self.environment.digest}"

    def begun_by_us(self, run: WorkflowRun) -> bool:
        """Whether it is a teardown of this trial, of the same environment."""
        return carries(run.title, self._id)

    def removed_ours(self, run: WorkflowRun) -> bool:
        """Whether a later successful teardown removed this deployment, surely: another environment's did not, nor did
        one with unknown inputs."""
        if self.begun_by_us(run):
            return True
        return run.branch in ("", short(self.record["ref"])) and self._same(run, TEARDOWN) is True

    def may_replace(self, run: WorkflowRun, gone: Sequence[WorkflowRun]) -> bool:
        """Whether a later run of the deploy workflow, not by a trial of this project, may be in its place."""
        same = self._same(run, DEPLOY)
        if same is False or (run.over and run.conclusion != "success") or self.history.trial_of(self.record, run):
            return False
        undone = same and any(undoes(teardown, run) and self._same(teardown, TEARDOWN) for teardown in gone)
        return not (run.over and undone)

    def _same(self, run: WorkflowRun, part: str) -> bool | None:
        return self.environment.same(run, part, self.history, self.record)


async def _refuse_others(forge: Forge, ours: WorkflowRun, gone: Sequence[WorkflowRun], look: _Look) -> None:
    """LeftBehind when someone else deployed later: that deployment is not Seatrial's to remove."""
    workflow = str(look.record["workflow"])
    again = [run for run in await forge.runs(workflow, event="") if run.attempt > 1 and run.id < ours.id]
    again = [run for run in again if ours.updated and run.began >= ours.updated]
    for run in [*await forge.runs(workflow, event="", above=ours.id), *again]:
        if look.may_replace(run, gone):
            known = look.environment.same(run, DEPLOY, look.history, look.record)
            raise LeftBehind(
                f"{run} deployed over this run's deployment ({ours}), and no trial of this project made it: it was not "
                "torn down. Tear it down yourself, or set `replace_existing: true`"
                if known
                else f"{run} may have deployed over this run's deployment ({ours}), which was not torn down: "
                f"{look.environment.remedy()}; tear it down yourself"
            )


def _order(record: Mapping[str, Any], inputs: Mapping[str, Any]) -> Order:
    """The teardown as planned when the deployment was requested."""
    told: Mapping[str, Any] = record["teardown"]
    deadlines = {name: Duration(float(seconds)) for name, seconds in told["deadlines"].items()}
    return Order(**{**told, "ref": str(record["ref"]), "inputs": inputs, "deadlines": RunDeadlines(**deadlines)})


class _Log:
    """The output of the teardown, kept with the suite's other files."""

    def __init__(self, file: Path, hidden: list[str]) -> None:
        self._file = file
        self.hidden = hidden
        self._file.unlink(missing_ok=True)  # of an attempt before this one

    def masked(self, text: str) -> str:
        """The text without the secrets used here."""
        for secret in self.hidden:
            if len(secret) > 2:
                text = text.replace(secret, "***")
        return text

    def say(self, text: str) -> None:
        """Add a line, if the folder still exists."""
        if self._file.parent.is_dir():
            with self._file.open("a", encoding="utf-8", errors="backslashreplace") as log:
                log.write(self.masked(text) + "\n")
