"""Looks of checks: again and again until one passes or no attempt is left."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any, cast

from seatrial import expressions
from seatrial.engine.context import TrialContext
from seatrial.engine.outcomes import outcome_of
from seatrial.engine.poll import ADAPTIVE, POLITE, Pace, delays, first_change, more
from seatrial.engine.trial import Trial
from seatrial.errors import CannotTell, SeatrialError
from seatrial.model.result import Category, CheckResult, Observation, Verdict, failed, unknown
from seatrial.model.scenario import CheckPlan, Retry, StepPlan
from seatrial.spi import CheckTraits, traits
from seatrial.spi.check import EXPLAIN, AsksOthers, ExplainsFailure
from seatrial.spi.concurrency import ensure_wanted

NAME = 200
"""Maximum characters of a check's name."""


async def look(trial: Trial, ctx: TrialContext, plan: CheckPlan, retry: Retry, turns: asyncio.Semaphore) -> CheckResult:
    """Look until it passes or no attempt is left. A look that is under way when the time is up is cut off: the
    check has to hold within it. The wait for its first turn is not the check's time. A check that is interrupted has
    its last reading as its result."""
    clock = asyncio.get_running_loop().time
    own, begun = ctx.of_check(plan.trust), clock()
    ctx.open_checks[own] = plan
    try:
        result = await _looked(trial, ctx, own, plan, retry, turns)
    except asyncio.CancelledError:
        why = f"interrupted; {own.last_look_of(plan)}"
        cut = CheckResult(
            check=_filled(ctx, plan.text), observation=unknown(why), attempts=1,
            duration=round(clock() - begun, 6), allowed_failure=plan.allow_failure,
        )  # fmt: skip
        trial.emit("check_observed", step=ctx.step, **_check_data(cut))
        raise
    del ctx.open_checks[own]
    trial.emit("check_observed", step=ctx.step, **_check_data(result))
    return result


async def _looked(
    trial: Trial, ctx: TrialContext, own: TrialContext, plan: CheckPlan, retry: Retry, turns: asyncio.Semaphore
) -> CheckResult:
    clock = asyncio.get_running_loop().time
    attempts, looked, start = 1, 0, 0.0
    observation, check = unknown("never looked"), None
    limit = asyncio.timeout(None)
    pauses: Iterator[float] | None = None
    next_attempt: float | None = None
    try:
        async with limit:
            while True:
                own.changes.clear()
                async with turns:
                    if not looked:
                        start = clock()
                        limit.reschedule(None if retry.timeout is None else start + retry.timeout)
                    answer, check = await _observation(trial, own, plan)
                ensure_wanted()
                observation, looked = answer, looked + 1
                own.seen(f"{plan.text}: {observation.why or observation.seen}",
                         measured=observation.verdict is not Verdict.UNKNOWN)  # fmt: skip
                if observation.verdict is Verdict.PASSED:
                    break
                pauses = pauses or delays(retry, ctx.random, pace(ctx, check))
                if next_attempt is None:
                    pause, now = next(pauses), clock()
                    if not more(retry, attempts, now - start + pause):
                        break
                    told = own.changes and retry.delay is None and retry.max_attempts is None
                    next_attempt = math.inf if told else now + pause
                if await _changed(own, next_attempt):
                    attempts += next_attempt == math.inf
                else:
                    attempts, next_attempt = attempts + 1, None
    except TimeoutError:
        if not limit.expired():
            raise
        if not looked and own.last_seen and not own.last_seen_measured:
            observation = unknown(f"no answer within {retry.timeout:g} s; last seen: {own.last_seen}")
        elif not looked:
            observation = failed(why=f"no answer within {retry.timeout:g} s", category=Category.TIMEOUT)
    if looked and observation.verdict is not Verdict.PASSED and isinstance(check, ExplainsFailure):
        observation = await _explained(own, check, observation)
    return CheckResult(
        check=await ctx.fill(plan.text, lambda: _filled(ctx, plan.text)),
        observation=observation,
        attempts=attempts,
        duration=round(clock() - start, 6),
        allowed_failure=plan.allow_failure,
    )


async def _observation(trial: Trial, ctx: TrialContext, plan: CheckPlan) -> tuple[Observation, object]:
    """What it saw, and the check itself; None if that could not be made."""
    check = None
    try:
        check = plan.check or await made(trial, ctx, plan)
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


async def made(trial: Trial, ctx: TrialContext, plan: StepPlan | CheckPlan) -> Any:
    """The step or check with its values filled in."""

    def fill() -> Any:
        if isinstance(plan, CheckPlan):
            _require_values(ctx, plan)
        return trial.run.construct(plan.factory, plan.fields, ctx.bind)

    return await ctx.fill(plan.fields, fill)


async def _changed(ctx: TrialContext, until: float) -> bool:
    """Wait for a change that an API reports to a check, until a time; whether it came. Changes that come together have
    one look."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    if not await first_change(ctx.changes, until - begun):
        return False
    await asyncio.sleep(max(0.0, begun + ADAPTIVE[1] - loop.time()))
    return True


async def _explained(ctx: TrialContext, check: ExplainsFailure, observation: Observation) -> Observation:
    """The observation with the reason that the check finds out now."""
    try:
        async with asyncio.timeout(EXPLAIN):
            better = await check.explain(ctx, observation)
    except Exception as error:  # the reason is missing, and the verdict stays
        ctx.log(f"no reason found for the verdict: {type(error).__name__}: {error}", "debug")
        return observation
    return better if better.verdict is not Verdict.PASSED else observation


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


def pace(ctx: TrialContext, asked: object) -> Pace:
    """The pauses between two attempts of a step (or of its class, while it is not made), or two looks of a check."""
    kind = asked if isinstance(asked, type) else type(asked)
    if not _may_ask_others(kind):
        return ctx.pace
    return POLITE if asked is kind or cast("AsksOthers", asked).asks_others(ctx) else ctx.pace


@functools.cache
def _may_ask_others(kind: type[Any]) -> bool:
    return issubclass(kind, AsksOthers)  # slow for a protocol


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
