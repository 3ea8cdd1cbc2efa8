"""Runs the steps of one trial."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from seatrial.engine.context import TrialContext
from seatrial.engine.poll import ONCE, delays, more
from seatrial.engine.trial import Trial
from seatrial.errors import CannotTell, Overrun, SeatrialError, StepFailed, StepStopped
from seatrial.expressions import with_old_names
from seatrial.model.result import Category, CheckResult, Observation, Outcome, Verdict, unknown
from seatrial.model.scenario import CheckPlan, Retry, StepPlan
from seatrial.spi import StepTraits, traits
from seatrial.spi.concurrency import map_concurrently
from seatrial.spi.context import is_true

NAME = 200
"""Maximum characters of a check's name."""

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
                raise StepStopped(message, failed=failed, category=outcome.category, evidence=outcome.evidence)

    def skipped(self, parent: TrialContext, plan: StepPlan, reason: str) -> None:
        """Report a skipped step."""
        said = _said(parent.step, plan)
        self._emit("step_finished", **said, status="skipped", verdict="", duration=0.0, reason=reason)

    async def child(self, parent: TrialContext, plan: StepPlan) -> Outcome:
        """Run one step to its end; an allowed failure is not handed on."""
        ctx = parent.at(_path(parent.step, plan), plan.more)
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
            self._finished(plan, said, Outcome(verdict=Verdict.UNKNOWN, error="interrupted"), start, attempts)
            raise
        except Exception as error:  # the condition could not be evaluated
            outcome = outcome_of(error)
        outcome = _as_expected(plan, outcome)
        if plan.id:
            self._trial.outputs[plan.id] = with_old_names(plan.kind, outcome.outputs)
        self._finished(plan, said, outcome, start, attempts)
        return STEP_PASSED if plan.allow_failure else outcome

    async def observe(
        self, ctx: TrialContext, plans: Sequence[CheckPlan], retry: Retry | None
    ) -> Sequence[CheckResult]:
        """Observe checks at the same time."""
        return await map_concurrently(lambda plan: self._look(ctx, plan, plan.retry or retry or ONCE), plans)

    async def _attempts(self, ctx: TrialContext, plan: StepPlan) -> tuple[Outcome, int]:
        """Try until it passes or no attempt is left; the step's `timeout` covers all attempts."""
        attempts = 0
        start = self._loop.time()
        outcome = Outcome(verdict=Verdict.UNKNOWN, error="not tried")
        retry = plan.retry or ONCE
        wanted = Verdict.FAILED if plan.expect_failure else Verdict.PASSED
        limit = asyncio.timeout(plan.timeout)
        try:
            async with limit:
                for pause in delays(retry, ctx.random):
                    attempts += 1
                    outcome = await _alone(self._once(ctx, plan))
                    if outcome.verdict is wanted or not more(retry, attempts, self._loop.time() - start + pause):
                        break
                    ctx.log(f"attempt {attempts} of {_name(plan)}: {outcome.error}; again in {pause:g} s", "debug")
                    await asyncio.sleep(pause)
        except TimeoutError as error:
            if not limit.expired():
                raise
            last = f"; the last attempt: {outcome.error}" if attempts > 1 else ""
            return outcome_of(Overrun(f"did not end within {plan.timeout:g} s{last}", evidence=str(error))), attempts
        return outcome, attempts

    async def _once(self, ctx: TrialContext, plan: StepPlan) -> Outcome:
        try:
            if self._trial.run.journal.broken:
                raise CannotTell(self._trial.run.journal.broken)
            step = plan.step or self._trial.run.construct(plan.factory, plan.fields, ctx.bind)
            if not plan.children:
                self._trial.did_something = True
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

    async def _look(self, ctx: TrialContext, plan: CheckPlan, retry: Retry) -> CheckResult:
        start = self._loop.time()
        attempts = 0
        observation = unknown("never looked")
        for pause in delays(retry, ctx.random):
            attempts += 1
            observation = await self._observation(ctx, plan)
            elapsed = self._loop.time() - start
            if observation.verdict is Verdict.PASSED or not more(retry, attempts, elapsed + pause):
                break
            await asyncio.sleep(pause)
        result = CheckResult(
            check=_filled(ctx, plan.text),
            observation=observation,
            attempts=attempts,
            duration=round(self._loop.time() - start, 6),
            allowed_failure=plan.allow_failure,
        )
        self._emit("check_observed", step=ctx.step, **_check_data(result))
        return result

    async def _observation(self, ctx: TrialContext, plan: CheckPlan) -> Observation:
        try:
            check = plan.check or self._trial.run.construct(plan.factory, plan.fields, ctx.bind)
            observation = await check.observe(ctx)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            outcome = outcome_of(error)
            return Observation(verdict=outcome.verdict, why=outcome.error, category=outcome.category)
        if not isinstance(observation, Observation):
            return unknown(f"the check {plan.kind!r} returned {type(observation).__name__}, not an Observation")
        return observation


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


def outcome_of(error: BaseException) -> Outcome:
    """The verdict of an exception: StepFailed means failed, everything else unknown."""
    if isinstance(error, BaseExceptionGroup):
        outcomes = [outcome_of(inner) for inner in error.exceptions]
        return next((outcome for outcome in outcomes if outcome.verdict is Verdict.FAILED), outcomes[0])
    if not isinstance(error, SeatrialError | TimeoutError):
        trace = "".join(traceback.format_exception(error, limit=-6))[-3000:]
        message = f"{type(error).__name__}: {error}"
        return Outcome(verdict=Verdict.UNKNOWN, error=message, category=Category.INFRASTRUCTURE, evidence=trace)
    failed = isinstance(error, StepFailed) or (isinstance(error, StepStopped) and error.failed)
    return Outcome(
        verdict=Verdict.FAILED if failed else Verdict.UNKNOWN,
        error=str(error) if isinstance(error, SeatrialError) else str(error) or "no answer in time",
        category=error.category if isinstance(error, SeatrialError) else Category.TIMEOUT,
        evidence=str(getattr(error, "evidence", "")),
    )


def _as_expected(plan: StepPlan, outcome: Outcome) -> Outcome:
    """An expected failure passes if the product failed; unknown stays unknown."""
    if not plan.expect_failure or outcome.verdict is Verdict.UNKNOWN:
        return outcome
    if outcome.verdict is Verdict.FAILED:
        return Outcome(verdict=Verdict.PASSED, outputs={**outcome.outputs, "error": outcome.error})
    return Outcome(verdict=Verdict.FAILED, error="passed, and was expected to fail", category=Category.TEST)


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


def _filled(ctx: TrialContext, text: str) -> str:
    """The name of a check with values filled in and secrets masked; an unavailable value stays as written."""
    if "${{" not in text:
        return text
    try:
        name = ctx.masked(str(ctx.bind(text)))
    except SeatrialError:  # the check itself reports the error
        return text
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"


def _check_data(result: CheckResult) -> dict[str, object]:
    observation = result.observation
    category = observation.category
    if not category and observation.verdict is not Verdict.PASSED:
        category = Category.PRODUCT if observation.verdict is Verdict.FAILED else Category.INFRASTRUCTURE
    return {
        "check": result.check,
        "verdict": observation.verdict,
        "passed": observation.verdict is Verdict.PASSED,
        "seen": observation.seen,
        "expected": observation.expected,
        "why": observation.why,
        "category": category,
        "attempts": result.attempts,
        "duration": result.duration,
        "allowed_failure": result.allowed_failure,
    }


def described(plans: Sequence[StepPlan], parent: str = "") -> list[dict[str, object]]:
    """The tree of steps for `suite_planned`."""
    steps = []
    for plan in plans:
        step = _said(parent, plan)
        if plan.children:
            step["steps"] = described(plan.children, str(step["step"]))
        steps.append(step)
    return steps
