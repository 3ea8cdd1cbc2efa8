"""Removes a deployment by its ledger record alone: ends its run, then runs the teardown workflow.

The same code serves the step `destroy`, the end of a suite, and `clean` after SIGKILL; a second call finds the work
done.
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
from seatrial.links.forge.runs.cleanup import DELETED, ended
from seatrial.links.forge.runs.dispatch import ready, start
from seatrial.links.forge.runs.following import run_folder
from seatrial.links.forge.runs.order import Order, RunDeadlines, carries, short
from seatrial.links.forge.runs.outcome import judge, until_over
from seatrial.links.forge.runs.repository import open_forge
from seatrial.model.values import Duration
from seatrial.systems.github_actions.existing_deployment import DeploymentHistory, undoes


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
    since = await forge.runs(told["workflow"], event="", above=ours.id)
    gone = [run for run in since if run.conclusion == "success" and run.created >= ours.updated]
    done = next((run for run in gone if _like_ours(run, record, trial)), None)
    if done is not None:
        log.say(f"it is already torn down: {done}")
        return
    if not record.get("replace_existing"):
        await _refuse_others(forge, record, ours, gone, DeploymentHistory(Path(str(record["project"]))), log)
    going = next((run for run in since if not run.over and carries(run.title, trial)), None)
    order = _order(record, late.fill(told["inputs"], environment, log.hidden.append))
    if going is None:
        prepared = await ready(forge, order, f"{trial}-{secrets.token_hex(4)}")
        going = await start(forge, prepared, log.say)
    over = await until_over(forge, going, order.deadlines, log.say)
    folder = run_folder(Path(str(record["artifacts"])), order.workflow, over)
    await judge(forge, over, order.workflow, folder / "logs", log.masked)


def _like_ours(run: WorkflowRun, record: Mapping[str, Any], trial: str) -> bool:
    """Whether a successful teardown removed this deployment: the inputs of someone else's teardown are unknown."""
    return carries(run.title, trial) or (not record["teardown"]["inputs"] and run.branch in ("", short(record["ref"])))


async def _refuse_others(
    forge: Forge,
    record: Mapping[str, Any],
    ours: WorkflowRun,
    gone: Sequence[WorkflowRun],
    history: DeploymentHistory,
    log: _Log,
) -> None:
    """LeftBehind when someone else deployed later: that deployment is not Seatrial's to remove."""
    workflow = str(record["workflow"])
    again = [run for run in await forge.runs(workflow, event="") if run.attempt > 1 and run.id < ours.id]
    again = [run for run in again if ours.updated and run.began >= ours.updated]
    later = [*await forge.runs(workflow, event="", above=ours.id), *again]
    for run in later:
        stands = not run.over or (run.conclusion == "success" and not any(undoes(one, run) for one in gone))
        if stands and not history.trial_of(record, run):
            raise LeftBehind(
                f"{run} deployed over this run's deployment ({ours}), and no trial of this project made it: it was not "
                "torn down. Tear it down yourself, or set `replace_existing: true`"
            )
    log.say(f"tearing down the deployment of {ours}")


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
        self._file.unlink(missing_ok=True)

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
