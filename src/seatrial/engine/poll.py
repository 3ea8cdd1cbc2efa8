"""Polling: adaptive, so that a wait notices within 100 ms, or as a document's `retry` says."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from seatrial.errors import Overrun
from seatrial.model.scenario import Retry

T = TypeVar("T")

Pace = tuple[float, float]
"""Seconds: the first pause and the longest."""

ADAPTIVE: Pace = (0.01, 0.06)
"""Between looks at Seatrial's own nodes: below 100 ms, because a poll takes time too."""

POLITE: Pace = (1.0, 10.0)
"""Between looks at programs and servers of other people."""

ONCE = Retry(max_attempts=1)


def delays(retry: Retry, chance: random.Random, pace: Pace = ADAPTIVE) -> Iterator[float]:
    """The endless sequence of pauses between attempts; `pace`: the first and the longest without a delay in `retry`."""
    delay = pace[0] if retry.delay is None else retry.delay
    while True:
        yield delay * (1 - retry.jitter * chance.random())
        if retry.delay is None:
            delay = min(delay * 1.5, pace[1])
        elif retry.backoff == "exponential":
            delay *= 2


def more(retry: Retry, attempts: int, elapsed: float) -> bool:
    """Whether another attempt may begin `elapsed` seconds after the first one did."""
    if retry.max_attempts is not None and attempts >= retry.max_attempts:
        return False
    if retry.timeout is not None:
        return elapsed < retry.timeout
    return retry.max_attempts is not None


async def first_change(changes: Sequence[Callable[[], Awaitable[object]]], seconds: float) -> bool:
    """Wait for the first of these changes, at most so long; whether one came. Without any it is a pause."""
    if not changes:
        await asyncio.sleep(seconds)
        return False
    waits = [asyncio.ensure_future(change()) for change in changes]
    try:
        limit = None if seconds == math.inf else max(seconds, 0.0)
        done, _ = await asyncio.wait(waits, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def poll(
    look: Callable[[], Awaitable[T | None]], *, deadline: float, what: str, chance: random.Random,
    retry: Retry | None = None, pace: Pace = ADAPTIVE,
) -> T:  # fmt: skip
    """Poll until the answer is not None; Overrun with the text `what` after `deadline` seconds, even if a poll hangs.

    The limits of `retry` apply too.
    """
    limit = asyncio.timeout(deadline)
    limited = retry if retry is not None and (retry.max_attempts, retry.timeout) != (None, None) else None
    clock = asyncio.get_running_loop().time
    start, looks = clock(), 0
    try:
        async with limit:
            for pause in delays(retry or Retry(), chance, pace):
                answer = await look()
                looks += 1
                if answer is not None:
                    return answer
                if limited is not None and not more(limited, looks, clock() - start + pause):
                    raise Overrun(f"{what}: not seen in {looks} polls, {clock() - start:.3g} s")
                await asyncio.sleep(pause)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise Overrun(f"timed out after {deadline:.4g} s waiting for {what}") from error
    raise AssertionError("delays never end")
