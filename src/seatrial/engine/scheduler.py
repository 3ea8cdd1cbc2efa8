"""Schedules suites within slots and budgets, the largest first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from seatrial.engine.ids import trial_id
from seatrial.engine.runner import described
from seatrial.engine.trial import Run, Trial
from seatrial.engine.trial_runner import NOTICE, SWEEP, TrialRunner
from seatrial.errors import OverBudget
from seatrial.model.result import Verdict
from seatrial.model.scenario import Budget, Plan, Suite
from seatrial.model.written import as_written
from seatrial.spi.concurrency import finish_within

T = TypeVar("T")


class SuiteScheduler:
    """The suites of one invocation and the free budget."""

    def __init__(
        self, run: Run, plan: Plan, *, fail_fast: bool = False, trials: Sequence[Trial] | None = None
    ) -> None:  # fmt: skip
        """`trials`: those of kept clusters, one for each suite."""
        self._run = run
        self._budget = plan.budget
        self._fail_fast = fail_fast
        refuse_over_budget(plan)
        ids = zip(plan.suites, _ids(run.id, plan.suites), strict=True)
        self._trials = list(trials) if trials is not None else [Trial(run, suite, id) for suite, id in ids]
        run.trials = self._trials
        self._running: set[Trial] = set()
        self._resting = 0
        """How many of them only wait for what ends by itself."""
        self._changed = asyncio.Event()
        self._stopped = ""
        """Why no more suites start."""
        if run.keep != "always":  # clusters kept by every suite are not available to others
            for trial in self._trials:
                run.pool.expect(trial.id, trial.suite)

    async def run(self) -> None:
        """Run all suites, the largest first, as many at a time as fit."""
        for trial in self._trials:
            trial.emit("suite_planned", **_planned(trial))
        waiting = []
        for trial in self._trials:
            if trial.suite.skip:
                self._skip(trial, trial.suite.skip)
            else:
                waiting.append(trial)
        # The largest first: place the hardest while there is room. The sort keeps the documents' order.
        waiting.sort(key=lambda trial: (trial.suite.nodes, trial.suite.memory_gb), reverse=True)
        try:
            async with asyncio.TaskGroup() as group:
                while waiting and not self._stopped:
                    self._changed.clear()
                    waiting = [trial for trial in waiting if not self._started(group, trial)]
                    if waiting and not self._stopped:
                        await self._changed.wait()
        finally:
            await finish_within(clear(self._run), SWEEP + NOTICE)
            await finish_within(self._run.close(), NOTICE)
        for trial in waiting:
            self._skip(trial, self._stopped)

    def _started(self, group: asyncio.TaskGroup, trial: Trial) -> bool:
        """Start it if there is room."""
        if len(self._running) - self._resting >= self._budget.parallel or not self._fits(trial):
            return False
        self._running.add(trial)
        trial.rests = self._rest
        self._run.pool.reserve(trial.id, trial.suite)
        group.create_task(self._one(trial), name=trial.suite.test_id)
        return True

    def _fits(self, trial: Trial) -> bool:
        limits = self._budget.nodes, self._budget.memory_gb
        if limits == (None, None) and not trial.suite.node_limits:
            return True  # without the sums below, which for 1,000 suites at a time are half a million steps
        standing = self._run.pool.standing_beside(trial.id, trial.suite)
        return fits(trial.suite, [*(trial.suite for trial in self._running), *standing], self._budget)

    def _rest(self, change: int) -> None:
        self._resting += change
        self._changed.set()

    def _skip(self, trial: Trial, reason: str) -> None:
        trial.emit("suite_finished", verdict="", status="skipped", reason=reason, duration=0.0, left=0)

    async def _one(self, trial: Trial) -> None:
        try:
            verdict = await TrialRunner(trial).run()
            if self._fail_fast and verdict is not Verdict.PASSED:
                self._stopped = self._stopped or f"fail-fast: {trial.suite.test_id} {verdict}"
        finally:
            self._running.discard(trial)
            self._changed.set()


def _ids(run: str, suites: Sequence[Suite]) -> list[str]:
    """The ids of the trials; suites of the same name in several documents get different ones."""
    seen: dict[str, int] = {}
    ids = []
    for suite in suites:
        count = seen[suite.test_id] = seen.get(suite.test_id, 0) + 1
        ids.append(trial_id(run, suite.test_id if count == 1 else f"{suite.test_id}#{count}"))
    return ids


def refuse_over_budget(plan: Plan) -> None:
    """OverBudget for suites too large for the whole budget: they would wait forever."""
    able = plan.budget.parallel > 0
    never = [suite for suite in plan.suites if not suite.skip and not (able and fits(suite, [], plan.budget))]
    if never:
        of = ", ".join(f"{suite.test_id} ({suite.nodes} nodes, {suite.memory_gb:g} GB)" for suite in never)
        raise OverBudget(f"these suites can never fit into {plan.budget}: {of}")


def fits(suite: Suite, running: Sequence[Suite], budget: Budget) -> bool:
    """Whether a suite fits beside running suites and parked clusters."""
    if budget.nodes is not None and suite.nodes + sum(one.nodes for one in running) > budget.nodes:
        return False
    for limit in suite.node_limits:
        if suite.nodes + sum(one.nodes for one in running if limit in one.node_limits) > limit.nodes:
            return False
    if budget.memory_gb is None:  # skip the sum without limits: with 1,000 parallel suites it took 60 ms
        return True
    return suite.memory_gb + sum(one.memory_gb for one in running) <= budget.memory_gb


async def clear(run: Run) -> None:
    """Remove the reused clusters at the end of the run."""
    entries, owed = run.pool.rest(run.ledger)
    if not owed:
        return

    def say(kind: str, /, **data: object) -> None:
        run.journal.emit(kind, "", data)

    say("cleanup_started", why="the end of the run")

    clock = asyncio.get_running_loop().time
    start = clock()
    sweep = run.sweep(say)
    try:
        async with asyncio.timeout(SWEEP):
            await sweep.remove_entries(run.ledger, entries, run.owners)
            for trial, (name, provider) in owed.items():
                await sweep.remove_found(run.id, [trial], {name: provider})
    except Exception as error:
        out = [entry.resource for trial in owed for entry in run.ledger.out(trial) if entry.op != "kept"]
        sweep.interrupt(error, SWEEP, out)
    say("cleanup_finished", **sweep.event(clock() - start))


def _planned(trial: Trial) -> dict[str, object]:
    suite = trial.suite
    return {
        "test_id": suite.test_id,
        "name": suite.name,
        "provider": suite.named_provider,
        "deployment_id": trial.deployment_id,
        "description": suite.description,
        "document": suite.source.file,
        "line": trial.run.locate(suite.source),
        "parameters": as_written(dict(suite.parameters)),
        "nodes": suite.nodes,
        "steps": described(suite.steps),
    }
