"""Deployments: finds the current one and the trial that made it, and removes one by its ledger record alone.

Deployments use production's names, so the current one is looked for before Seatrial deploys over it or tears it down.
The same code of the removal (end the run, then run the teardown workflow) serves the step `destroy`, the end of a
suite, and `clean` after SIGKILL; a second call finds the work done.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from seatrial.links.output import beginning
from seatrial.model.values import Duration

GOING_ON = ("in_progress", "queued", "pending", "requested")
"""States of a run that will go on by itself: a run waiting for approval may wait forever."""

MANY = 100
"""Runs in the first request; if they do not decide, all runs are requested."""


class DeploymentHistory:
    """The list of deployments requested by a project's trials, in `.seatrial/history`: it identifies a deployment as
    the project's own even if the machine of that trial died."""

    def __init__(self, project: Path) -> None:
        self._file = project / ".seatrial" / "history" / "deployments.jsonl"

    def write(self, record: Mapping[str, Any], trial: str) -> None:
        """A deployment about to be requested, or one with a known run."""
        words = ("forge", "api_url", "repository", "workflow", "correlation", "run")
        line = json.dumps({**{word: record.get(word, "") for word in words}, "trial": trial}) + "\n"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, line.encode())
            os.fsync(fd)
        finally:
            os.close(fd)

    def trial_of(self, record: Mapping[str, Any], run: WorkflowRun) -> str:
        """The trial that requested this run of the record's repository; empty: none of this project."""
        for one in self._all(record):
            if one.get("run") == run.id or (one.get("correlation") and carries(run.title, str(one["correlation"]))):
                return str(one.get("trial") or "")
        return ""

    def trial_in(self, record: Mapping[str, Any], text: str) -> str:
        """The trial named in a text by its id, correlation or run; empty: none of this project."""
        for one in self._all(record):
            named = [str(one[word]) for word in ("trial", "correlation", "run") if one.get(word)]
            if any(carries(text, name) for name in named):
                return str(one.get("trial") or "")
        return ""

    def _all(self, record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Records of this repository, the newest first, without an incomplete line cut by a crash."""
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        for line in reversed(lines):
            try:
                one = json.loads(line)
                same = all(str(one[word]).lower() == str(record[word]).lower() for word in ("api_url", "repository"))
            except (ValueError, KeyError, TypeError):
                continue
            if same:
                yield one


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
    return ExistingDeployment(beginning(text.splitlines()[0], 200), history.trial_in(record, text))


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
