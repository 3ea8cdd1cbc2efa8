"""Runs the steps of one trial."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from seatrial.engine.context import TrialContext
from seatrial.engine.looking import look, made, pace
from seatrial.engine.outcomes import as_expected, interrupted, late, outcome_of
from seatrial.engine.pausing import paused
from seatrial.engine.poll import ONCE, delays, more
from seatrial.engine.trial import Command, Trial
from seatrial.errors import CannotTell, StepStopped
from seatrial.expressions import with_old_names
from seatrial.model.result import Category, CheckResult, Outcome, Verdict
from seatrial.model.scenario import CheckPlan, Retry, StepPlan
from seatrial.spi import StepTraits, traits
from seatrial.spi.concurrency import map_concurrently
from seatrial.spi.context import is_true

COMMANDS = ("custom_command",)
"""Steps with a program of the document's author."""

OUTPUT = 2000
"""Characters of an output in its event."""

STEP_PASSED = Outcome(verdict=Verdict.PASSED)


class Runner:
    """Emits events, runs steps, and stops at the first verdict other than passed."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._emit = trial.emit
        self._loop = asyncio.get_running_loop()

    async def steps(self, parent: TrialContext, plans: Sequence[StepPlan]) -> None:
        """Run steps in order; StepStopped at the first decisive failure, with the rest skipped."""
        for index, plan in enumerate(plans):
            outcome = await self.child(parent, plan)
            if outcome.verdict is not Verdict.PASSED:
                failed = outcome.verdict is Verdict.FAILED
                reason = f"step {_name(plan)} {'failed' if failed else 'could not be judged'}"
                for rest in plans[index + 1 :]:
                    self.skipped(parent, rest, reason)
                message = f"{_name(plan)}: {outcome.error}"
                raise StepStopped(
                    message,
                    failed=failed,
                    category=outcome.category,
                    evidence=outcome.evidence,
                    unclear=outcome.unclear,
                )

    def skipped(self, parent: TrialContext, plan: StepPlan, reason: str) -> None:
        """Report a skipped step."""
        said = _said(parent.step, plan)
        self._emit("step_finished", **said, status="skipped", verdict="", duration=0.0, reason=reason)

    async def child(self, parent: TrialContext, plan: StepPlan) -> Outcome:
        """Run one step to its end; an allowed failure is not handed on. A person may be asked after another one."""
        trial = self._trial
        while True:
            outcome = await self._child(parent, plan)
            if outcome.verdict is Verdict.PASSED or trial.run.pause is None or trial.ended or not parent.may_pause:
                return outcome
            trial.missed = trial.missed or outcome
            answer = await paused(trial, parent.at(_path(parent.step, plan)), _name(plan), outcome.error)
            if answer == "continue":
                return STEP_PASSED
            if answer == "end":
                trial.ended = True
                return outcome

    async def _child(self, parent: TrialContext, plan: StepPlan) -> Outcome:
        ctx = parent.at(_path(parent.step, plan), plan.more, may_fail=plan.allow_failure)
        ctx.may_pause &= not (plan.allow_failure or plan.expect_failure or plan.retry)
        said = _said(parent.step, plan)
        start = self._loop.time()
        attempts = 0
        try:
            if plan.condition and not await is_true(ctx, plan.condition):
                self.skipped(parent, plan, f"the condition {plan.condition!r} is not met")
                return STEP_PASSED
            self._emit("step_started", **said, attempt=1)
            outcome, attempts = await self._attempts(ctx, plan)
        except asyncio.CancelledError:
            self._finished(plan, said, interrupted(ctx), start, attempts)
            raise
        except Exception as error:  # the condition could not be evaluated
            outcome = outcome_of(error)
        outcome = as_expected(plan, outcome)
        decides = plan.expect_failure or (not plan.children and traits(plan.factory, StepTraits).decides)
        if outcome.verdict is Verdict.PASSED and decides and not ctx.tidies:
            self._decided(ctx)
        if plan.id:
            self._trial.outputs[plan.id] = with_old_names(plan.kind, outcome.outputs)
        self._finished(plan, said, outcome, start, attempts)
        return STEP_PASSED if plan.allow_failure else outcome

    async def observe(
        self, ctx: TrialContext, plans: Sequence[CheckPlan], retry: Retry | None, most: int
    ) -> Sequence[CheckResult]:
        """Observe checks at the same time; at most `most` of them look at a time."""
        turns = asyncio.Semaphore(most)
        ctx.open_checks.clear()  # those of an earlier attempt
        results = await map_concurrently(
            lambda plan: look(self._trial, ctx, plan, plan.retry or retry or ONCE, turns), plans
        )
        if any(one.verdict is Verdict.PASSED and not one.allowed_failure for one in results):
            self._decided(ctx)
        return results

    def _decided(self, ctx: TrialContext) -> None:
        """Something was measured that the verdict of the suite rests on: not in a step that may fail."""
        self._trial.decided = self._trial.decided or not ctx.may_fail

    async def _attempts(self, ctx: TrialContext, plan: StepPlan) -> tuple[Outcome, int]:
        """Try until it passes or no attempt is left; both time limits, the step's and its retry's, cover all attempts,
        also the one under way."""
        attempts = 0
        start = self._loop.time()
        outcome = Outcome(verdict=Verdict.UNKNOWN, error="not tried")
        retry = plan.retry or ONCE
        wanted = Verdict.FAILED if plan.expect_failure else Verdict.PASSED
        seconds = min((one for one in (plan.timeout, retry.timeout) if one is not None), default=None)
        limit = asyncio.timeout(seconds)
        ctx.limits += (limit,)
        try:
            async with limit:
                for pause in delays(retry, ctx.random, pace(ctx, plan.step or plan.factory)):
                    attempts += 1
                    outcome = await _alone(self._once(ctx, plan))
                    if outcome.verdict is wanted or not more(retry, attempts, self._loop.time() - start + pause):
                        break
                    ctx.log(f"attempt {attempts} of {_name(plan)}: {outcome.error}; again in {pause:g} s", "debug")
                    await asyncio.sleep(pause)
        except TimeoutError as error:
            if not limit.expired():
                raise
            return late(ctx, seconds or 0.0, outcome if attempts > 1 else None, error), attempts
        return outcome, attempts

    async def _once(self, ctx: TrialContext, plan: StepPlan) -> Outcome:
        try:
            if self._trial.run.journal.broken:
                raise CannotTell(self._trial.run.journal.broken)
            step = plan.step or await made(self._trial, ctx, plan)
            if not plan.children:
                self._trial.did_something = True
            with self._noted(ctx, plan):
                outputs = dict(await step.run(ctx) or {})
            if traits(plan.factory, StepTraits).sets_variables:
                self._trial.variables.update(outputs)
            for name, expression in plan.outputs.items():
                outputs[name] = await ctx.evaluate(expression, outputs=with_old_names(plan.kind, outputs))
            return Outcome(verdict=Verdict.PASSED, outputs=outputs) if outputs else STEP_PASSED
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            return outcome_of(error)

    @contextmanager
    def _noted(self, ctx: TrialContext, plan: StepPlan) -> Iterator[None]:
        """Remember when a program of the document's author ran."""
        trial = self._trial
        if not trial.auditors or not (plan.kind in COMMANDS or trial.run.registry.plugin_of("step", plan.kind)):
            yield
            return
        command = Command(step=ctx.step, kind=plan.kind, start=trial.run.journal.now())
        trial.commands.append(command)
        try:
            yield
        finally:
            command.end = trial.run.journal.now()

    def _finished(
        self, plan: StepPlan, said: Mapping[str, object], outcome: Outcome, start: float, attempts: int
    ) -> None:
        passed = outcome.verdict is Verdict.PASSED
        data: dict[str, object] = {
            **said,
            "status": "completed" if passed else "failed",
            "verdict": outcome.verdict,
            "duration": round(self._loop.time() - start, 6),
        }
        if not passed:
            data |= {"error": outcome.error, "category": outcome.category or Category.INFRASTRUCTURE}
            data |= {"evidence": outcome.evidence, "allowed": plan.allow_failure}
            data |= {"document": plan.source.file, "line": self._trial.run.locate(plan.source)}
        if attempts > 1:
            data["attempts"] = attempts
        if outcome.outputs:
            data["outputs"] = {name: self._cut(value) for name, value in outcome.outputs.items()}
        self._emit("step_finished", **data)

    def _cut(self, value: object) -> object:
        """An output for the journal."""
        if not isinstance(value, str) or len(value) <= OUTPUT:
            return value
        value = self._trial.run.journal.masked(value)
        return value[:OUTPUT] + f"… ({len(value) - OUTPUT} more characters)" if len(value) > OUTPUT else value


async def _alone(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Run it in a task of its own and always wait for its end.

    A cancellation from outside ends the trial even if the step swallows it or turns it into an error. A cancellation
    from inside the step does not cancel the trial, and must not count as success in a group of tasks.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        # Like asyncio.wait for one task, at half its price.
        over: asyncio.Future[None] = loop.create_future()
        task.add_done_callback(lambda _, over=over: over.done() or over.set_result(None))  # type: ignore[misc]
        try:
            await over
        except asyncio.CancelledError as error:
            cancelled = error
            task.cancel()
    if cancelled is not None:
        if not task.cancelled():
            task.exception()
        raise cancelled
    if task.cancelled():
        return outcome_of(CannotTell("the step was cancelled by something inside it"))
    return task.result()


def _path(parent: str, plan: StepPlan) -> str:
    """The path of a step: `3.1` is the first child of the third; children of `rollback` and `finally` are marked."""
    block, number = ("", 0, *plan.source.path)[-2:]
    place = str(int(number) + 1)
    if not parent:
        return place
    return f"{parent}.{block}{place}" if block in ("rollback", "finally") else f"{parent}.{place}"


def _said(parent: str, plan: StepPlan) -> dict[str, object]:
    said: dict[str, object] = {"step": _path(parent, plan), "type": plan.kind}
    if plan.id not in ("", plan.kind):  # a step without an id uses its kind
        said["id"] = plan.id
    if plan.description:
        said["description"] = plan.description
    return said


def _name(plan: StepPlan) -> str:
    return f"{plan.kind} {plan.id!r}" if plan.id not in ("", plan.kind) else plan.kind


def described(plans: Sequence[StepPlan], parent: str = "") -> list[dict[str, object]]:
    """The tree of steps for `suite_planned`."""
    steps = []
    for plan in plans:
        step = _said(parent, plan)
        if plan.children:
            step["steps"] = described(plan.children, str(step["step"]))
        steps.append(step)
    return steps
