"""Looking again and again: adaptively, so that a wait notices within 100 ms, or as a document's `retry` says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from seatrial.errors import Overrun
from seatrial.model.scenario import Retry

T = TypeVar("T")

SHORTEST, LONGEST = 0.01, 0.06
"""Seconds between adaptive looks: it begins with the first and never gets longer than the second, for the look itself
takes its part of the 100 ms."""

ONCE = Retry(max_attempts=1)


def delays(retry: Retry, chance: random.Random) -> Iterator[float]:
    """The pauses between attempts, one after another, for ever."""
    delay = SHORTEST if retry.delay is None else retry.delay
    while True:
        yield delay * (1 - retry.jitter * chance.random())
        if retry.delay is None:
            delay = min(delay * 1.5, LONGEST)
        elif retry.backoff == "exponential":
            delay *= 2


def more(retry: Retry, attempts: int, elapsed: float) -> bool:
    """Whether another attempt may begin `elapsed` seconds after the first one did."""
    if retry.max_attempts is not None and attempts >= retry.max_attempts:
        return False
    if retry.timeout is not None:
        return elapsed < retry.timeout
    return retry.max_attempts is not None


async def poll(
    look: Callable[[], Awaitable[T | None]],
    *,
    deadline: float,
    what: str,
    chance: random.Random,
    retry: Retry | None = None,
) -> T:
    """Look until the answer is not None; Overrun naming `what` after `deadline` seconds, also when a look hangs.

    Limits of `retry`, where it has any, hold besides.
    """
    limit = asyncio.timeout(deadline)
    limited = retry if retry is not None and (retry.max_attempts, retry.timeout) != (None, None) else None
    clock = asyncio.get_running_loop().time
    start, looks = clock(), 0
    try:
        async with limit:
            for pause in delays(retry or Retry(), chance):
                answer = await look()
                looks += 1
                if answer is not None:
                    return answer
                if limited is not None and not more(limited, looks, clock() - start + pause):
                    raise Overrun(f"{what} did not come in {looks} looks, {clock() - start:.3g} s")
                await asyncio.sleep(pause)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise Overrun(f"{what} did not come within {deadline:.4g} s") from error
    raise AssertionError("delays never end")
