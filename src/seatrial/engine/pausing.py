"""A pause: a person looks at the system after a step that did not pass. No time limit of a step or suite runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from seatrial.engine.context import TrialContext
from seatrial.engine.node_access import access_commands
from seatrial.engine.trial import Answer, Trial


async def paused(trial: Trial, ctx: TrialContext, step: str, error: str) -> Answer:
    """Ask the person of the run what comes next."""
    assert trial.run.pause is not None
    clock = asyncio.get_running_loop().time
    with _stopped(ctx.limits):
        start = clock()
        ways = await access_commands(ctx) if trial.made_something else {}
        if ways:
            trial.emit("access", nodes=ways)
        trial.emit("paused", step=ctx.step, error=error)
        shown = trial.run.journal.masked(error)
        try:
            answer = await trial.run.pause(trial.suite.name, f"{ctx.step} {step}", shown, ways)
        except BaseException:
            trial.ended = True  # steps of a `finally` ask nobody
            raise
        trial.emit("resumed", step=ctx.step, answer=answer, duration=round(clock() - start, 6))
    return answer


@contextmanager
def _stopped(limits: Sequence[asyncio.Timeout]) -> Iterator[None]:
    """Time limits that continue after it with what was left of them."""
    clock = asyncio.get_running_loop().time
    start = clock()
    left = {limit: when - start for limit in limits if (when := limit.when()) is not None and not limit.expired()}
    for limit in left:
        limit.reschedule(None)
    try:
        yield
    finally:
        for limit, seconds in left.items():
            limit.reschedule(clock() + seconds)
