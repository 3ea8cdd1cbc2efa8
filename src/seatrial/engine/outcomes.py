"""Outcomes of steps: the verdict of an exception, of a time limit, and of a failure that was expected."""

from __future__ import annotations

import traceback

from seatrial.engine.context import TrialContext
from seatrial.errors import CannotTell, Overrun, SeatrialError, StepFailed, StepStopped
from seatrial.model.result import ACCIDENTS, Category, Outcome, Verdict
from seatrial.model.scenario import StepPlan


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
        unclear=error.unclear if isinstance(error, StepFailed | StepStopped) else "",
    )


def as_expected(plan: StepPlan, outcome: Outcome) -> Outcome:
    """A failure of the product is what was expected; a timeout is none, and unknown stays unknown."""
    if not plan.expect_failure or outcome.verdict is Verdict.UNKNOWN:
        return outcome
    if outcome.verdict is Verdict.PASSED:
        return Outcome(verdict=Verdict.FAILED, error="passed, and was expected to fail", category=Category.TEST)
    if outcome.category in ACCIDENTS:
        text = f"a failure of the product was expected, and this is another one: {outcome.error}"
        return Outcome(verdict=Verdict.UNKNOWN, error=text, category=outcome.category, evidence=outcome.evidence)
    if outcome.unclear:
        text = f"it failed, and something else did not pass: {outcome.unclear}"
        return Outcome(verdict=Verdict.UNKNOWN, error=text, evidence=outcome.evidence)
    return Outcome(verdict=Verdict.PASSED, outputs={**outcome.outputs, "error": outcome.error})


def interrupted(ctx: TrialContext) -> Outcome:
    """The outcome of a step that a signal, or the end of a step around it, ended."""
    last, _ = ctx.last_look()
    return Outcome(verdict=Verdict.UNKNOWN, error=f"interrupted; {last}" if last else "interrupted")


def late(ctx: TrialContext, seconds: float, before: Outcome | None, error: TimeoutError) -> Outcome:
    """The outcome of a step that a time limit ended: with the last look of its wait, else with its last attempt. If
    that could not measure, neither can this."""
    last, measured = ctx.last_look()
    if not last:
        last = f"last seen: {before.error}" if before and before.error else ""
        measured = before is None or before.verdict is Verdict.FAILED
    text = f"did not end within {seconds:g} s" + (f"; {last}" if last else "")
    return outcome_of(Overrun(text, evidence=str(error)) if measured else CannotTell(text, evidence=str(error)))
