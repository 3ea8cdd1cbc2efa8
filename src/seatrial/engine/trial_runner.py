"""Runs one trial from its first step to its sweep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from seatrial.engine import kept_trials
from seatrial.engine.cleanup import Sweep
from seatrial.engine.contamination import PATIENCE, Contamination
from seatrial.engine.context import TrialContext
from seatrial.engine.diagnostics import DEADLINE, diagnose
from seatrial.engine.ledger import Entry
from seatrial.engine.masked_files import protect
from seatrial.engine.node_access import access_commands
from seatrial.engine.notifications import notify
from seatrial.engine.outcomes import outcome_of
from seatrial.engine.runner import STEP_PASSED, Runner
from seatrial.engine.trial import Trial
from seatrial.errors import CannotTell, LeaseTaken, Overrun, SeatrialError
from seatrial.model.resource import Resource
from seatrial.model.result import Category, Outcome, Verdict
from seatrial.spi.concurrency import finish_within

SWEEP = 300.0
"""Seconds for the whole sweep of one trial, beside the longest limit among its resources."""

NOTICE = 10.0
"""Seconds for the notifications of a suite."""


class TrialRunner:
    """One trial: its steps, then its sweep, whatever happened."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._runner = Runner(trial)
        self._ctx = TrialContext(trial, self._runner)

    async def run(self) -> Verdict:
        """Run it to the end and return the result; a cancellation is handed on after the sweep."""
        trial = self._trial
        clock = asyncio.get_running_loop().time
        start = clock()
        trial.emit("suite_started", folder=str(trial.folder.relative_to(trial.run.folder)))
        outcome = Outcome(verdict=Verdict.UNKNOWN, error="interrupted", category=Category.INFRASTRUCTURE)
        try:
            outcome = await self._steps()
        finally:
            longest = DEADLINE * 2 + sweep_seconds(trial) + NOTICE * 2 + PATIENCE * 3 * len(trial.auditors)
            outcome = await finish_within(self._end(outcome, start), longest)
        return outcome.verdict

    async def _end(self, outcome: Outcome, start: float) -> Outcome:
        """Collect diagnostics, sweep, look for contamination, report the end, notify. Each part runs even if another
        fails: other trials may be running. The outcome is the last one."""
        trial, run = self._trial, self._trial.run
        if outcome.verdict is not Verdict.PASSED and trial.made_something:
            await diagnose(trial, self._ctx)
        contamination = Contamination(trial, self._ctx)
        await contamination.look(before_sweep=True)
        seconds = sweep_seconds(trial)
        sweep = run.sweep(trial.emit)
        trial.swept = True
        try:
            await asyncio.wait_for(self._give_back(outcome.verdict, sweep), seconds)
        except Exception as error:
            out = [entry.resource for entry in run.pool.own(run.ledger, trial.id)]
            whole = Resource(kind="sweep", name=trial.deployment_id, owner="engine:sweep", run=run.id, trial=trial.id)
            sweep.interrupt(error, seconds, out or [whole])  # never an empty list
            trial.emit("cleanup_finished", **sweep.event())
        await contamination.look(before_sweep=False)
        await contamination.close()
        outcome = contamination.judged(outcome)
        await self._return_services()
        await self._protect()
        duration = asyncio.get_running_loop().time() - start
        trial.emit("suite_finished", **_finished(outcome, len(sweep.left), duration, trial))
        try:
            await asyncio.wait_for(notify(trial, outcome.verdict, duration), NOTICE)
        except TimeoutError:
            trial.emit("log", level="warning", text=f"the notifications did not finish within {NOTICE:g} s")
        return outcome

    async def _protect(self) -> None:
        """Mask the secrets in the files of the suite. A remaining deployment keeps its own: its removal needs them."""
        trial, run = self._trial, self._trial.run
        if not trial.folder.is_dir():
            return
        state = trial.state_folder
        spared = (state, trial.deploy_dir) if run.ledger.out(trial.id) else (state,)
        for trouble in await asyncio.to_thread(protect, trial.folder, run.journal.masks, spared):
            trial.emit("log", level="warning", text=f"secrets may remain in {trouble}")

    async def _steps(self) -> Outcome:
        suite = self._trial.suite
        limit = asyncio.timeout(suite.timeout)
        try:
            async with limit:
                self._ctx.limits = (limit,)
                self._trial.make()
                await self._acquire_exclusive()
                await self._lease_services()
                await self._runner.steps(self._ctx, suite.steps)
        except Exception as error:
            late = isinstance(error, TimeoutError) and limit.expired()
            error = Overrun(f"the suite did not end within {suite.timeout:g} s") if late else error
            return await self._doubted(outcome_of(error))
        if self._trial.missed is not None:  # a person went past it: what they saw and changed is no pass
            return self._trial.missed
        broken = self._trial.run.journal.broken
        return outcome_of(CannotTell(broken)) if broken else await self._doubted(STEP_PASSED)

    async def _doubted(self, outcome: Outcome) -> Outcome:
        """The outcome, unless a shared service was lost meanwhile: then nobody can tell what it was."""
        passed = outcome.verdict is Verdict.PASSED
        doubts = [await one.doubt(passed=passed) for one in self._trial.services.values()]
        if not (doubt := next(filter(None, doubts), "")):
            return outcome
        before = "every step passed" if passed else outcome.error
        return outcome_of(CannotTell(f"a shared service was lost during the suite: {doubt}; besides, {before}"))

    async def _lease_services(self) -> None:
        """Take a lease of every shared service of the suite; a service is started for the first one."""
        trial, run = self._trial, self._trial.run
        if not trial.suite.services:
            return
        from seatrial.engine.services.client import lease

        for plan in trial.suite.services:
            made = await lease(
                plan, run.holder(trial.id), environment=run.environment, secrets=run.secrets,
                needs={name: one.seen for name, one in trial.services.items()},
            )  # fmt: skip
            made.warn = self._warn
            trial.services[plan.name] = made
            self._ctx.log(f"uses the service {plan.name}: {made.seen['url'] or 'healthy'}")

    def _warn(self, text: str) -> None:
        self._trial.emit("log", level="warning", text=text)

    async def _return_services(self) -> None:
        """End the leases; the services live on until nobody uses them."""
        leases = list(self._trial.services.values())
        for one in leases:
            try:
                await one.close()
            except (SeatrialError, OSError) as error:
                self._warn(f"what is left of the service {one.name} was not removed: {error}")

    async def _acquire_exclusive(self) -> None:
        """Take the exclusive environment, waiting as long as the suite allows."""
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
                run.leases.lock(suite.exclusive, {**run.holder(trial.id), "reason": suite.exclusive_reason})
            except LeaseTaken:
                if clock() >= give_up:
                    raise
                await asyncio.sleep(0.05)
                continue
            run.ledger.made(resource)
            return

    async def _give_back(self, verdict: Verdict, sweep: Sweep) -> None:
        trial, run = self._trial, self._trial.run
        await trial.close_links()
        keep = run.keep == "always" or (run.keep == "failed" and verdict is not Verdict.PASSED)
        ways = await access_commands(self._ctx) if keep and trial.made_something else {}
        if ways:
            trial.emit("access", nodes=ways)
        if keep and trial.made_something:
            try:
                kept_trials.save(trial, self._ctx)
            except Exception as error:
                what = f"steps cannot run again on this cluster: {type(error).__name__}: {error}"
                trial.emit("log", level="warning", text=what)
        entries, trials = run.pool.leave(run.ledger, trial.id, keep=keep)
        if not trial.made_something and not entries:
            return
        if keep:
            # A person looks at the cluster as the product left it.
            faults = [entry for entry in entries if entry.resource.kind == "fault"]
            await sweep.remove_entries(run.ledger, faults, run.owners)
            self._keep([entry for entry in entries if entry not in faults or entry in run.ledger.out(trial.id)], ways)
            return
        trial.emit("cleanup_started", why="the end of the suite")
        clock = asyncio.get_running_loop().time
        start = clock()
        await sweep.remove_entries(run.ledger, entries, run.owners)
        if trials:
            await sweep.remove_found(run.id, trials, {trial.suite.provider: trial.provider})
        trial.emit("cleanup_finished", **sweep.event(clock() - start))

    def _keep(self, entries: Sequence[Entry], ways: Mapping[str, str]) -> None:
        trial, until = self._trial, time.time() + self._trial.run.keep_seconds
        for entry in entries:
            trial.run.ledger.kept(entry.resource, until)
            way = ways.get(str(entry.resource.detail.get("node") or ""), "") if entry.resource.kind == "node" else ""
            what = {"kind": entry.resource.kind, "name": entry.resource.name, "until": until}
            trial.emit("resource", op="kept", **what, **({"reach": way} if way else {}))
        kept = [f"{entry.resource.kind} {entry.resource.name}" for entry in entries]
        trial.emit("cleanup_finished", given_back=0, kept=kept, left=[], duration=0.0)


def sweep_seconds(trial: Trial) -> float:
    """Time limit for the sweep of a trial: a deployer's own removal may be slow."""
    asked = (float(str(entry.resource.detail.get("timeout", 0))) for entry in trial.run.ledger.out(trial.id))
    return SWEEP + sum(asked)  # deployments are removed one after another


def _finished(outcome: Outcome, left: int, duration: float, trial: Trial) -> dict[str, object]:
    data: dict[str, object] = {
        "verdict": outcome.verdict,
        "status": "completed" if outcome.verdict is Verdict.PASSED else "failed",
        "duration": round(duration, 6),
        "left": left,
    }
    if outcome.verdict is not Verdict.PASSED:
        data |= {"category": outcome.category, "error": outcome.error, "evidence": outcome.evidence}
    elif not trial.decided:
        # Nothing measured, no pass.
        ran = "nothing that decides was measured: a passed check or step that may not fail is needed"
        reason = ran if trial.did_something else "no step ran: all were skipped"
        data |= {"verdict": "", "status": "skipped", "reason": reason}
    if left and outcome.verdict is Verdict.PASSED:
        told = "1 resource was" if left == 1 else f"{left} resources were"
        data |= {"category": Category.CLEAN_UP, "error": f"{told} left behind"}
    return data
