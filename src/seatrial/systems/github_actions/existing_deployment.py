"""Finds the current deployment and the trial that made it. Deployments use production's names, so this runs before
Seatrial deploys over one or tears it down."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.links.forge.protocol import Forge, WorkflowRun
from seatrial.links.forge.runs.order import carries

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
    return ExistingDeployment(text.splitlines()[0][:200], history.trial_in(record, text))
