"""Waiting until something is so, and telling "it did not come" from "we could not see"."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from seatrial.errors import CannotTell, LinkDown, LinkLost, NodeFailed, Overrun, StepFailed
from seatrial.spi import Context

T = TypeVar("T")

GRACE = 1.0
"""Seconds over a deadline in which whoever does the work may say itself, and better, that it took too long."""

LAST_LOOK = 0.5
"""Seconds that a wait has at least, however late the work before it ended."""


class NotYet(Exception):
    """What is waited for is not so yet; the text says what is seen instead."""


async def wait_until(
    ctx: Context,
    look: Callable[[], Awaitable[T | None]],
    *,
    deadline: float,
    what: str,
    evidence: Callable[[], Awaitable[str]] | None = None,
) -> T:
    """Look until there is an answer. When the deadline (seconds) passes: Overrun with what was seen last, or CannotTell
    when the last look could see nothing. StepFailed and NodeFailed of a look end the wait at once."""
    last: Exception = NotYet("it was never seen")
    decided: StepFailed | None = None

    async def once() -> T | None:
        nonlocal last, decided
        try:
            return await look()
        except StepFailed as error:
            decided = error
            raise
        except NodeFailed:
            raise
        except (NotYet, CannotTell) as error:
            last = error
        except TimeoutError as error:
            last = NotYet(str(error) or "no answer in time")
        return None

    try:
        return await ctx.poll(once, deadline=deadline, what=what)
    except StepFailed as error:
        more = await evidence() if evidence else ""
        if error is decided:
            error.evidence = error.evidence or more
            raise
        seen = more or str(getattr(last, "evidence", ""))
        # A node that does not answer is what was seen; every other CannotTell says that nothing could be seen.
        if isinstance(last, CannotTell) and not isinstance(last, LinkDown | LinkLost):
            raise CannotTell(f"{what} could not be told within {deadline:.4g} s: {last}", evidence=seen) from last
        raise Overrun(f"{what} did not come within {deadline:.4g} s: {last}", evidence=seen) from error


@asynccontextmanager
async def limited(seconds: float, what: str) -> AsyncIterator[None]:
    """Overrun, naming what, when the body takes longer than so many seconds."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise Overrun(f"{what} did not come within {seconds:.4g} s") from error


class Deadline:
    """Seconds that several actions share."""

    def __init__(self, seconds: float) -> None:
        self._end = asyncio.get_running_loop().time() + seconds

    def left(self) -> float:
        """Seconds until it passes, and never less than one look needs."""
        return max(self._end - asyncio.get_running_loop().time(), LAST_LOOK)
