"""`step`: run steps of a document again, on the cluster that a run kept."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seatrial.app.planning import plan_documents
from seatrial.app.project import Project, find
from seatrial.app.report import Events
from seatrial.app.run import KeptRun, run_plan
from seatrial.app.run_options import RunOptions, RunReport
from seatrial.engine import kept_trials
from seatrial.engine.ledger import Entry, Ledger
from seatrial.engine.trial import Run, Trial
from seatrial.errors import UsageError, nearest
from seatrial.model.scenario import Location, StepPlan, Suite

SHORTEST = 600.0
"""Seconds that a cluster stays at least after its steps."""

_RANGE = re.compile(r"(\d+)(\.\.(\d*))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOptions:
    """The options of `step`."""

    run: str
    steps: tuple[str, ...]
    """`4`, `4..`, `4..6`, or the id of a step."""
    suite: str = ""
    options: RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSuite:
    """A suite whose cluster was kept."""

    trial: str
    planned: Mapping[str, Any]
    home: Path
    """The folder of the suite in the run's."""
    until: float

    @property
    def name(self) -> str:
        return str(self.planned["name"])


def main(options: StepOptions) -> int:
    """Run the steps and return the exit code."""
    return asyncio.run(step_again(options)).exit_code


async def step_again(options: StepOptions) -> RunReport:
    """Run steps on a kept cluster, which stays afterwards unless the options say otherwise."""
    project = find(options.options.project)
    home = project.run_folder(options.run)
    run_id = next((event.run for event in Events(home)), home.name)
    ledger = _held(project, run_id)
    try:
        kept = _chosen(home, run_id, ledger.out(), options.suite)
        known = kept_trials.load(kept.home / "state")
        if known is None:
            raise UsageError(
                f"steps cannot run again on the cluster of {kept.name}: its system cannot continue in another process\n"
                f"    look at it: seatrial shell {run_id} NODE"
            )
        on = next((event.data["options"] for event in Events(home) if event.kind == "run_started"), {})
        registry = project.registry(options.options.plugins)
        left = max(kept.until - time.time(), SHORTEST)
        run_options = replace(options.options, keep_seconds=left)
        parameters = {f"parameters.{name}": value for name, value in known["parameters"].items()}
        provider = str(on.get("on") or "") if isinstance(on, dict) else ""
        compiled = replace(run_options, on=provider, overrides=parameters, keep=None)
        plan = plan_documents([_document(kept, project)], compiled, project=project, registry=registry)
        suite = _same(plan.suites, kept)
        chosen = selected(suite.steps, options.steps)
        resume = _resume(suite, known["memory"])
        # What was exclusive for the kept cluster still is: its lease was kept too.
        suite = replace(suite, name=kept.name, steps=(resume, *chosen), exclusive="", reuse="none", skip="")
    except BaseException:
        ledger.close()
        raise

    def trial_of(run: Run, suite: Suite) -> Trial:
        deployment = str(kept.planned["deployment_id"])
        trial = Trial(run, suite, kept.trial, deployment_id=deployment, home=kept.home)
        kept_trials.take_up(trial, known)
        return trial

    again = KeptRun(id=run_id, home=home, ledger=ledger, trial=trial_of)
    return await run_plan(replace(plan, suites=(suite,)), run_options, project=project, registry=registry, kept=again)


def selected(steps: Sequence[StepPlan], words: Sequence[str]) -> list[StepPlan]:
    """The steps that these words name, in the order of the document; UsageError for those that made the cluster."""
    numbers: set[int] = set()
    for word in words:
        numbers |= _numbers(steps, word)
    last = max((at for at, step in enumerate(steps, 1) if _makes(step)), default=0)
    for number in sorted(numbers):
        step = steps[number - 1]
        if _makes(step):
            begin = f"begin at {last + 1}" if last < len(steps) else "there is no step behind it"
            raise UsageError(f"step {number} ({step.kind}) made the cluster, which stands already: {begin}")
    return [steps[number - 1] for number in sorted(numbers)]


def _numbers(steps: Sequence[StepPlan], word: str) -> set[int]:
    if match := _RANGE.fullmatch(word):
        first = int(match[1])
        last = first if match[2] is None else int(match[3] or len(steps))
        if not 1 <= first <= last <= len(steps):
            raise UsageError(f"no step {word!r}: the suite has the steps 1 to {len(steps)}; write 4, 4.. or 4..6")
        return set(range(first, last + 1))
    ids = {step.id: at for at, step in enumerate(steps, 1) if step.id}
    if word not in ids:
        raise UsageError(f"no step {word!r}: write a number, 4.. or 4..6, or an id; {nearest(word, ids, what='ids')}")
    return {ids[word]}


def _makes(step: StepPlan) -> bool:
    return step.kind in ("init", "deploy") or any(map(_makes, step.children))


def _held(project: Project, run_id: str) -> Ledger:
    """The ledger of the run; UsageError if it keeps nothing, or is at work."""
    if not (project.ledger_folder / f"{run_id}.jsonl").exists():
        raise UsageError(f"run {run_id} keeps nothing\n    keep its nodes: seatrial run --keep failed")
    try:
        return Ledger.open(project.ledger_folder, run_id)
    except BlockingIOError:
        raise UsageError(f"run {run_id} is at work, or another `seatrial step` on it: wait for its end") from None


def _chosen(home: Path, run_id: str, out: Sequence[Entry], wanted: str) -> KeptSuite:
    until = {entry.resource.trial: entry.until for entry in out if entry.op == "kept"}
    planned = {event.trial: event.data for event in Events(home) if event.kind == "suite_planned"}
    folders = {event.trial: str(event.data["folder"]) for event in Events(home) if event.kind == "suite_started"}
    kept = [
        KeptSuite(trial=trial, planned=planned[trial], home=home / folders[trial], until=until[trial])
        for trial in planned
        if trial in until and trial in folders
    ]
    names = [suite.name for suite in kept]
    if not kept:
        raise UsageError(f"run {run_id} keeps no cluster; what it left behind: seatrial clean {run_id}")
    if not wanted and len(kept) > 1:
        raise UsageError(f"run {run_id} keeps {len(kept)} clusters: choose one with --suite {'|'.join(names)}")
    chosen = next((suite for suite in kept if wanted in ("", suite.name)), None)
    if chosen is None:
        raise UsageError(f"run {run_id} keeps no cluster of {wanted!r}; {nearest(wanted, names, what='suites')}")
    return chosen


def _document(kept: KeptSuite, project: Project) -> Path:
    """Its document, from where the run began, or from the project's folder."""
    written = Path(str(kept.planned["document"]))
    return next((path for path in (written, project.folder / written) if os.path.lexists(path)), written)


def _same(suites: Sequence[Suite], kept: KeptSuite) -> Suite:
    """The suite of the document today: a row of a matrix has the parameters of the kept one, and no suffix."""
    fit = [suite for suite in suites if kept.name == suite.name or kept.name.startswith(f"{suite.name}-")]
    if not fit:
        names = nearest(kept.name, [suite.name for suite in suites], what="suites")
        raise UsageError(f"{kept.planned['document']} has no suite {kept.name!r} any more; {names}")
    return max(fit, key=lambda suite: len(suite.name))


def _resume(suite: Suite, memory: Mapping[str, Any]) -> StepPlan:
    """The step before all others, number 0."""
    source = Location(file=suite.source.file, path=("steps", -1))
    step, about = kept_trials.ResumeStep(memory), "take up the kept cluster"
    return StepPlan(
        kind="resume", factory=kept_trials.ResumeStep, fields={}, step=step, source=source, description=about
    )
