"""Runs many suites: slots, budgets, and each trial from its first step to its sweep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from seatrial.engine.cleanup import Swept, sweep, sweep_found
from seatrial.engine.context import TrialContext, close_links
from seatrial.engine.diagnostics import DEADLINE, diagnose
from seatrial.engine.entering import ways_in
from seatrial.engine.ids import trial_id
from seatrial.engine.ledger import Entry
from seatrial.engine.notify import notify
from seatrial.engine.runner import Runner, described, outcome_of
from seatrial.engine.trial import Run, Trial
from seatrial.errors import LeaseTaken, OverBudget, Overrun, StepStopped
from seatrial.model.resource import Resource
from seatrial.model.result import Category, Outcome, Verdict
from seatrial.model.scenario import Budget, Plan, Suite

T = TypeVar("T")

SWEEP = 300.0
"""Seconds for the whole sweep of one trial, beside what the slowest of its things says that it needs itself."""

NOTICE = 10.0
"""Seconds for telling whom a suite names."""


class Flotilla:
    """The suites of one invocation and what is free for them."""

    def __init__(self, run: Run, plan: Plan, *, fail_fast: bool = False) -> None:
        self._run = run
        self._budget = plan.budget
        self._fail_fast = fail_fast
        _refuse_over_budget(plan)
        self._trials = [Trial(run, suite, id) for suite, id in zip(plan.suites, _ids(run.id, plan.suites), strict=True)]
        self._running: set[Trial] = set()
        self._changed = asyncio.Event()
        self._stopped = ""
        """Why nothing more is started."""
        if run.keep != "always":  # what every suite keeps standing no other can start from
            for trial in self._trials:
                run.pool.expect(trial.id, trial.suite)

    async def sail(self) -> None:
        """Run all of them, largest first, as many at a time as fit."""
        for trial in self._trials:
            trial.emit("suite_planned", **_planned(trial))
        waiting = []
        for trial in self._trials:
            if trial.suite.skip:
                self._skip(trial, trial.suite.skip)
            else:
                waiting.append(trial)
        # Largest first: what is hardest to place is placed while there is room. The sort keeps the documents' order.
        waiting.sort(key=lambda trial: (trial.suite.nodes, trial.suite.memory_gb), reverse=True)
        try:
            async with asyncio.TaskGroup() as group:
                while waiting and not self._stopped:
                    self._changed.clear()
                    waiting = [trial for trial in waiting if not self._started(group, trial)]
                    if waiting and not self._stopped:
                        await self._changed.wait()
        finally:
            await shielded(clear(self._run), SWEEP + NOTICE)
        for trial in waiting:
            self._skip(trial, self._stopped)

    def _started(self, group: asyncio.TaskGroup, trial: Trial) -> bool:
        """Start it if there is room."""
        if len(self._running) >= self._budget.parallel or not self._fits(trial):
            return False
        self._running.add(trial)
        self._run.pool.reserve(trial.id, trial.suite)
        group.create_task(self._one(trial), name=trial.suite.test_id)
        return True

    def _fits(self, trial: Trial) -> bool:
        standing = self._run.pool.standing_beside(trial.id, trial.suite)
        return fits(trial.suite, [*(trial.suite for trial in self._running), *standing], self._budget)

    def _skip(self, trial: Trial, reason: str) -> None:
        trial.emit("suite_finished", verdict="", status="skipped", reason=reason, duration=0.0, left=0)

    async def _one(self, trial: Trial) -> None:
        try:
            verdict = await Voyage(trial).sail()
            if self._fail_fast and verdict is not Verdict.PASSED:
                self._stopped = self._stopped or f"fail-fast: {trial.suite.test_id} {verdict}"
        finally:
            self._running.discard(trial)
            self._changed.set()


def _ids(run: str, suites: Sequence[Suite]) -> list[str]:
    """The ids of the trials; suites of one name in several documents get different ones."""
    seen: dict[str, int] = {}
    ids = []
    for suite in suites:
        count = seen[suite.test_id] = seen.get(suite.test_id, 0) + 1
        ids.append(trial_id(run, suite.test_id if count == 1 else f"{suite.test_id}#{count}"))
    return ids


def _refuse_over_budget(plan: Plan) -> None:
    """What can never fit would be waited for without end."""
    able = plan.budget.parallel > 0
    never = [suite for suite in plan.suites if not suite.skip and not (able and fits(suite, [], plan.budget))]
    if never:
        of = ", ".join(f"{suite.test_id} ({suite.nodes} nodes, {suite.memory_gb:g} GB)" for suite in never)
        raise OverBudget(f"these suites can never fit into {plan.budget}: {of}")


def fits(suite: Suite, running: Sequence[Suite], budget: Budget) -> bool:
    """Whether a suite has room beside those that run or stand; its own limits were checked when it was planned."""
    if budget.nodes is not None and suite.nodes + sum(one.nodes for one in running) > budget.nodes:
        return False
    if budget.memory_gb is None:  # not summed for nothing: at 1,000 suites abreast that took 60 ms
        return True
    return suite.memory_gb + sum(one.memory_gb for one in running) <= budget.memory_gb


class Voyage:
    """One trial: its steps, then its sweep, whatever happened."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._runner = Runner(trial)
        self._ctx = TrialContext(trial, self._runner)

    async def sail(self) -> Verdict:
        """Run it to the end and say how it ended; a cancellation is handed on after the sweep."""
        trial = self._trial
        clock = asyncio.get_running_loop().time
        start = clock()
        relative = trial.folder.relative_to(trial.run.folder)
        trial.emit("suite_started", folder=str(relative))
        outcome = Outcome(verdict=Verdict.UNKNOWN, error="interrupted", category=Category.INFRASTRUCTURE)
        try:
            outcome = await self._steps()
        finally:
            longest = DEADLINE * 2 + sweep_seconds(trial.run, trial.id) + NOTICE * 2
            await shielded(self._end(outcome, start), longest)
        return outcome.verdict

    async def _end(self, outcome: Outcome, start: float) -> None:
        """Ask the nodes why, sweep, tell the end, notify: all of it whatever breaks on the way, for other trials may
        be under way."""
        trial = self._trial
        if outcome.verdict is not Verdict.PASSED and trial.made_something:
            await diagnose(trial, self._ctx)
        seconds = sweep_seconds(trial.run, trial.id)
        try:
            swept = await asyncio.wait_for(self._give_back(outcome.verdict), seconds)
        except Exception as error:
            swept = self._unswept(error, seconds)
        duration = asyncio.get_running_loop().time() - start
        trial.emit("suite_finished", **_finished(outcome, swept, duration, trial.did_something))
        try:
            await asyncio.wait_for(notify(trial, outcome.verdict, duration), NOTICE)
        except TimeoutError:
            trial.emit("log", level="warning", text=f"the notifications were not through within {NOTICE:g} s")

    def _unswept(self, error: Exception, seconds: float) -> Swept:
        """What a sweep that broke off has left: all that is out still, and never nothing."""
        trial = self._trial
        why = f"the sweep did not end within {seconds:g} s" if isinstance(error, TimeoutError) else f"{error!r}"
        whole = Resource(kind="sweep", name=trial.deployment_id, owner="engine:sweep", run=trial.run.id, trial=trial.id)
        out = [entry.resource for entry in trial.run.pool.own(trial.run.ledger, trial.id)] or [whole]
        swept = Swept(left=[(resource, why) for resource in out])
        trial.emit("cleanup_finished", **told(swept), duration=0.0)
        return swept

    async def _steps(self) -> Outcome:
        suite = self._trial.suite
        limit = asyncio.timeout(suite.timeout)
        try:
            async with limit:
                await self._board()
                await self._runner.steps(self._ctx, suite.steps)
        except StepStopped as stop:
            return outcome_of(stop)
        except TimeoutError as error:
            if not limit.expired():
                return outcome_of(error)
            return outcome_of(Overrun(f"the suite did not end within {suite.timeout:g} s"))
        except Exception as error:
            return outcome_of(error)
        if self._trial.run.journal.broken:
            broken = self._trial.run.journal.broken
            return Outcome(verdict=Verdict.UNKNOWN, error=broken, category=Category.INFRASTRUCTURE)
        return Outcome(verdict=Verdict.PASSED)

    async def _board(self) -> None:
        """Take the exclusive environment, waiting for it as long as the suite said."""
        suite, trial = self._trial.suite, self._trial
        if not suite.exclusive:
            return
        run = trial.run
        resource = Resource(kind="exclusive", name=suite.exclusive, owner="engine:lease", run=run.id, trial=trial.id)
        clock = asyncio.get_running_loop().time
        give_up = clock() + suite.exclusive_wait
        run.ledger.intend(resource)
        trial.made_something = True
        while True:
            try:
                run.leases.lock(suite.exclusive, run.holder(trial.id))
            except LeaseTaken:
                if clock() >= give_up:
                    raise
                await asyncio.sleep(0.05)
                continue
            run.ledger.made(resource)
            return

    async def _give_back(self, verdict: Verdict) -> Swept:
        trial = self._trial
        await close_links(trial)
        run = trial.run
        keep = run.keep == "always" or (run.keep == "failed" and verdict is not Verdict.PASSED)
        ways = await ways_in(trial, self._ctx) if keep and trial.made_something else {}
        entries, trials = run.pool.leave(run.ledger, trial.id, keep=keep)
        if not trial.made_something and not entries:
            return Swept()
        if keep:
            return self._keep(entries, ways)
        trial.emit("cleanup_started", why="the end of the suite")
        clock = asyncio.get_running_loop().time
        start = clock()

        def hurry() -> bool:
            return run.hurried

        swept = await sweep(run.ledger, entries, run.owners, say=trial.emit, hurry=hurry)
        name = trial.suite.provider
        if trials:
            found = {name: trial.provider}
            swept.add(await sweep_found(run.id, trials, found, say=trial.emit, hurry=hurry))
        trial.emit("cleanup_finished", **told(swept), duration=round(clock() - start, 6))
        return swept

    def _keep(self, entries: Sequence[Entry], ways: Mapping[str, str]) -> Swept:
        trial, until = self._trial, time.time() + self._trial.run.keep_seconds
        for entry in entries:
            trial.run.ledger.kept(entry.resource, until)
            way = ways.get(str(entry.resource.detail.get("node") or ""), "") if entry.resource.kind == "node" else ""
            what = {"kind": entry.resource.kind, "name": entry.resource.name, "until": until}
            trial.emit("resource", op="kept", **what, **({"reach": way} if way else {}))
        kept = [f"{entry.resource.kind} {entry.resource.name}" for entry in entries]
        trial.emit("cleanup_finished", given_back=0, kept=kept, left=[], duration=0.0)
        return Swept()


def sweep_seconds(run: Run, trial: str) -> float:
    """How long the sweep of a trial may take: a deployer's own way of taking things away may be a long one."""
    asked = (float(str(entry.resource.detail.get("timeout", 0))) for entry in run.ledger.out(trial))
    return SWEEP + max(asked, default=0.0)


async def clear(run: Run) -> None:
    """Give back the clusters that stood for more than one suite, at the end of the run."""
    entries, owed = run.pool.rest(run.ledger)
    if not owed:
        return

    def say(kind: str, /, **data: object) -> None:
        run.journal.emit(kind, "", data)

    say("cleanup_started", why="the end of the run")

    def hurry() -> bool:
        return run.hurried

    clock = asyncio.get_running_loop().time
    start = clock()
    swept = Swept()
    try:
        async with asyncio.timeout(SWEEP):
            swept.add(await sweep(run.ledger, entries, run.owners, say=say, hurry=hurry))
            for trial, (name, provider) in owed.items():
                swept.add(await sweep_found(run.id, [trial], {name: provider}, say=say, hurry=hurry))
    except Exception as error:
        why = f"the sweep did not end within {SWEEP:g} s" if isinstance(error, TimeoutError) else f"{error!r}"
        out = [entry.resource for trial in owed for entry in run.ledger.out(trial) if entry.op != "kept"]
        swept.left = [(resource, why) for resource in out]
    say("cleanup_finished", **told(swept), duration=round(clock() - start, 6))


async def shielded(work: Coroutine[Any, Any, T], deadline: float) -> T:
    """Finish this work within a deadline whatever is cancelled around it; a cancellation comes through afterwards."""
    task = asyncio.ensure_future(asyncio.wait_for(work, deadline))
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
            if task.cancelled():
                break
        except Exception:
            break
    result = task.result()
    if cancelled:
        raise asyncio.CancelledError
    return result


def told(swept: Swept) -> dict[str, object]:
    """A sweep as `cleanup_finished` tells it."""
    left = [{"kind": r.kind, "name": r.name, "owner": r.owner, "error": error} for r, error in swept.left]
    return {"given_back": swept.given_back, "found": [str(r) for r in swept.found], "kept": [], "left": left}


def _planned(trial: Trial) -> dict[str, object]:
    suite = trial.suite
    return {
        "test_id": suite.test_id,
        "name": suite.name,
        "provider": suite.provider,
        "deployment_id": trial.deployment_id,
        "description": suite.description,
        "document": suite.source.file,
        "line": trial.run.locate(suite.source),
        "parameters": dict(suite.parameters),
        "nodes": suite.nodes,
        "steps": described(suite.steps),
    }


def _finished(outcome: Outcome, swept: Swept, duration: float, did_something: bool) -> dict[str, object]:
    data: dict[str, object] = {
        "verdict": outcome.verdict,
        "status": "completed" if outcome.verdict is Verdict.PASSED else "failed",
        "duration": round(duration, 6),
        "left": len(swept.left),
    }
    if outcome.verdict is not Verdict.PASSED:
        data |= {"category": outcome.category, "error": outcome.error, "evidence": outcome.evidence}
    elif not did_something:
        # Nothing run is not a pass.
        data |= {"verdict": "", "status": "skipped", "reason": "no step was run: all were skipped"}
    elif swept.left:
        data |= {"category": Category.CLEAN_UP, "error": f"{len(swept.left)} things were left behind"}
    return data
