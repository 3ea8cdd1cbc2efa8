"""Runs the steps of one trial."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Any

from seatrial import expressions
from seatrial.engine.context import TrialContext
from seatrial.engine.pausing import paused
from seatrial.engine.poll import ONCE, POLITE, Pace, delays, more
from seatrial.engine.trial import Trial
from seatrial.errors import CannotTell, Overrun, SeatrialError, StepFailed, StepStopped
from seatrial.expressions import with_old_names
from seatrial.model.result import Category, CheckResult, Observation, Outcome, Verdict, failed, unknown
from seatrial.model.scenario import CheckPlan, Retry, StepPlan
from seatrial.spi import CheckTraits, StepTraits, traits
from seatrial.spi.check import AsksOthers
from seatrial.spi.concurrency import ensure_wanted, map_concurrently
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
            self._finished(plan, said, Outcome(verdict=Verdict.UNKNOWN, error="interrupted"), start, attempts)
            raise
        except Exception as error:  # the condition could not be evaluated
            outcome = outcome_of(error)
        outcome = _as_expected(plan, outcome)
        decides = plan.expect_failure or (not plan.children and traits(plan.factory, StepTraits).decides)
        if outcome.verdict is Verdict.PASSED and decides:
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
        results = await map_concurrently(lambda plan: self._look(ctx, plan, plan.retry or retry or ONCE, turns), plans)
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
                for pause in delays(retry, ctx.random, _pace(ctx, plan.step or plan.factory)):
                    attempts += 1
                    outcome = await _alone(self._once(ctx, plan))
                    if outcome.verdict is wanted or not more(retry, attempts, self._loop.time() - start + pause):
                        break
                    ctx.log(f"attempt {attempts} of {_name(plan)}: {outcome.error}; again in {pause:g} s", "debug")
                    await asyncio.sleep(pause)
        except TimeoutError as error:
            if not limit.expired():
                raise
            return _late(ctx, seconds or 0.0, outcome if attempts > 1 else None, error), attempts
        return outcome, attempts

    async def _once(self, ctx: TrialContext, plan: StepPlan) -> Outcome:
        try:
            if self._trial.run.journal.broken:
                raise CannotTell(self._trial.run.journal.broken)
            step = plan.step or await self._made(ctx, plan)
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

    async def _made(self, ctx: TrialContext, plan: StepPlan | CheckPlan) -> Any:
        """The step or check with its values filled in."""

        def fill() -> Any:
            if isinstance(plan, CheckPlan):
                _require_values(ctx, plan)
            return self._trial.run.construct(plan.factory, plan.fields, ctx.bind)

        return await ctx.fill(plan.fields, fill)

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

    async def _look(self, ctx: TrialContext, plan: CheckPlan, retry: Retry, turns: asyncio.Semaphore) -> CheckResult:
        """Look until it passes or no attempt is left. A look that is under way when the time is up is cut off: the
        check has to hold within it. The wait for its first turn is not the check's time."""
        attempts, looked, start = 0, 0, 0.0
        observation = unknown("never looked")
        own = ctx.of_check(plan.trust)
        limit = asyncio.timeout(None)
        try:
            async with limit:
                pauses: Iterator[float] | None = None
                while True:
                    async with turns:
                        attempts += 1
                        if attempts == 1:
                            start = self._loop.time()
                            limit.reschedule(None if retry.timeout is None else start + retry.timeout)
                        answer, check = await self._observation(own, plan)
                    ensure_wanted()
                    observation, looked = answer, looked + 1
                    ctx.seen(f"{plan.text}: {observation.why or observation.seen}",
                             measured=observation.verdict is not Verdict.UNKNOWN)  # fmt: skip
                    pauses = pauses or delays(retry, ctx.random, _pace(ctx, check))
                    pause, elapsed = next(pauses), self._loop.time() - start
                    if observation.verdict is Verdict.PASSED or not more(retry, attempts, elapsed + pause):
                        break
                    await asyncio.sleep(pause)
        except TimeoutError:
            if not limit.expired():
                raise
            if not looked and own.last_seen and not own.last_seen_measured:
                observation = unknown(f"no answer within {retry.timeout:g} s; last seen: {own.last_seen}")
            elif not looked:
                observation = failed(why=f"no answer within {retry.timeout:g} s", category=Category.TIMEOUT)
        result = CheckResult(
            check=await ctx.fill(plan.text, lambda: _filled(ctx, plan.text)),
            observation=observation,
            attempts=attempts,
            duration=round(self._loop.time() - start, 6),
            allowed_failure=plan.allow_failure,
        )
        self._emit("check_observed", step=ctx.step, **_check_data(result))
        return result

    async def _observation(self, ctx: TrialContext, plan: CheckPlan) -> tuple[Observation, object]:
        """What it saw, and the check itself; None if that could not be made."""
        check = None
        try:
            check = plan.check or await self._made(ctx, plan)
            observation = await check.observe(ctx)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            outcome = outcome_of(error)
            return Observation(verdict=outcome.verdict, why=outcome.error, category=outcome.category), check
        if not isinstance(observation, Observation):
            why = f"the check {plan.kind!r} returned {type(observation).__name__}, not an Observation"
            return unknown(why), check
        verdict: object = observation.verdict  # a plugin may give anything
        if not isinstance(verdict, Verdict):
            return unknown(f"the check {plan.kind!r} returned the verdict {verdict!r}; allowed: a Verdict"), check
        return observation, check


def _require_values(ctx: TrialContext, plan: CheckPlan) -> None:
    """CannotTell when a value of a check that is filled in now comes out empty, at any depth."""
    may_be_empty = traits(plan.factory, CheckTraits).may_be_empty

    def require(place: str, key: str, given: object) -> None:
        if key in may_be_empty:
            return
        if isinstance(given, Mapping):
            for name, value in given.items():
                require(f"{place}.{name}" if place else str(name), str(name), value)
        elif isinstance(given, list | tuple):
            for value in given:
                require(place, "", value)
        elif not isinstance(given, str) or "$" not in given or not expressions.templated(given):
            return
        elif ctx.bind(given) in (None, "", [], (), {}):
            raise CannotTell(f"`{place}` is empty: {given} has no value now, so there is nothing to compare with")

    require("", "", plan.fields)


def _pace(ctx: TrialContext, asked: object) -> Pace:
    """The pauses between two attempts of a step (or of its class, while it is not made), or two looks of a check."""
    if isinstance(asked, type):
        return POLITE if issubclass(asked, AsksOthers) else ctx.pace
    return POLITE if isinstance(asked, AsksOthers) and asked.asks_others(ctx) else ctx.pace


def _late(ctx: TrialContext, seconds: float, before: Outcome | None, error: TimeoutError) -> Outcome:
    """The outcome of a step that a time limit ended: with the last look of its wait, else with its last attempt. If
    that could not measure, neither can this."""
    last = ctx.last_seen or (before.error if before else "")
    measured = ctx.last_seen_measured if ctx.last_seen else before is None or before.verdict is Verdict.FAILED
    text = f"did not end within {seconds:g} s" + (f"; last seen: {last}" if last else "")
    return outcome_of(Overrun(text, evidence=str(error)) if measured else CannotTell(text, evidence=str(error)))


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
        unclear=error.unclear if isinstance(error, StepFailed) else "",
    )


ACCIDENTS = (Category.TIMEOUT, Category.INFRASTRUCTURE, Category.UNSUPPORTED, Category.CLEAN_UP)
"""Categories of failures that are not the product's own."""


def _as_expected(plan: StepPlan, outcome: Outcome) -> Outcome:
    """A failure of the product is what was expected; a timeout is none, and unknown stays unknown."""
    if not plan.expect_failure or outcome.verdict is Verdict.UNKNOWN:
        return outcome
    if outcome.verdict is Verdict.PASSED:
        return Outcome(verdict=Verdict.FAILED, error="passed, and was expected to fail", category=Category.TEST)
    if outcome.unclear:
        text = f"it failed, and something else could not be measured: {outcome.unclear}"
        return Outcome(verdict=Verdict.UNKNOWN, error=text, evidence=outcome.evidence)
    if outcome.category in ACCIDENTS:
        text = f"a failure of the product was expected, and this is another one: {outcome.error}"
        return Outcome(verdict=Verdict.UNKNOWN, error=text, category=outcome.category, evidence=outcome.evidence)
    return Outcome(verdict=Verdict.PASSED, outputs={**outcome.outputs, "error": outcome.error})


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
