"""Waiting for a condition, and telling "timed out" from "could not measure"."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from seatrial.errors import CannotTell, LinkDown, LinkLost, NeverTold, NodeFailed, Overrun, StepFailed
from seatrial.spi import Context, DefaultsDeadlines, SetsDeadlines
from seatrial.spi.concurrency import ensure_wanted

T = TypeVar("T")

GRACE = 1.0
"""Seconds past a deadline for the worker to report its own, more precise timeout."""

SETTLE = 600.0
"""Seconds to wait for the effect of finished work, at least, unless the deadline is earlier."""

SETTLE_BESIDE = 120.0
"""The same after work of a system with default deadlines of its own, which are long."""

PROGRESS = 5.0
"""Seconds between two lines of the log about a wait, at least."""

LAST_LOOK = 0.5
"""Minimum time of a wait in seconds, however late the work before it ended."""


class NotYet(Exception):
    """The condition is not met yet; the text describes the state seen."""


async def wait_until(
    ctx: Context,
    look: Callable[[], Awaitable[T | None]],
    *,
    deadline: float,
    what: str,
    evidence: Callable[[], Awaitable[str]] | None = None,
) -> T:
    """Look until there is an answer. When the deadline (seconds) passes: Overrun with the last state seen, or
    CannotTell if the last look failed. StepFailed, NodeFailed and NeverTold of a look end the wait at once."""
    last: Exception = CannotTell("no look at it ended by then")
    decided: StepFailed | None = None
    clock = asyncio.get_running_loop().time
    told, told_at = "", clock()

    async def once() -> T | None:
        nonlocal last, decided, told, told_at
        try:
            return await look()
        except StepFailed as error:
            decided = error
            raise
        except (NodeFailed, NeverTold):
            raise
        except (NotYet, CannotTell) as error:
            ensure_wanted()
            last = error
        except TimeoutError as error:
            ensure_wanted()
            last = NotYet(str(error) or "no answer in time")
        ctx.seen(str(last), measured=not _failed_to_look(last))
        if str(last) != told and clock() - told_at >= PROGRESS:
            told, told_at = str(last), clock()
            ctx.log(f"waiting for {what}: {last}")
        return None

    try:
        return await ctx.poll(once, deadline=deadline, what=what)
    except StepFailed as error:
        more = await evidence() if evidence else ""
        if error is decided:
            error.evidence = error.evidence or more
            raise
        seen = more or str(getattr(last, "evidence", ""))
        if _failed_to_look(last):
            raise CannotTell(f"{what} could not be determined within {deadline:.4g} s: {last}", evidence=seen) from last
        raise Overrun(f"timed out after {deadline:.4g} s waiting for {what}: {last}", evidence=seen) from error


def _failed_to_look(error: Exception) -> bool:
    """No answer from a node is a state seen; every other CannotTell means that the look failed."""
    return isinstance(error, CannotTell) and not isinstance(error, LinkDown | LinkLost)


class Deadline:
    """The suite's seconds for a kind of work (`stop`, `start`, …), shared by several actions."""

    def __init__(self, ctx: Context, work: str) -> None:
        self._ctx = ctx
        self.seconds = ctx.deadline(work)
        self._begin = asyncio.get_running_loop().time()
        self._end = self._begin + self.seconds
        own = ctx.system.deadlines if isinstance(ctx.system, SetsDeadlines) else {}
        default = ctx.system.default_deadlines if isinstance(ctx.system, DefaultsDeadlines) else {}
        self._chosen = work in ctx.suite.deadlines or work in own
        self._settle = SETTLE_BESIDE if work in default else SETTLE

    @asynccontextmanager
    async def limit(self, what: str) -> AsyncIterator[None]:
        """Overrun with the given name if the body takes longer than all its seconds; CannotTell if its last look could
        not measure."""
        limit = asyncio.timeout(self.seconds + GRACE)
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            text = f"timed out after {self.seconds + GRACE:.4g} s waiting for {what}"
            if unmeasured := self._ctx.unmeasured:
                raise CannotTell(f"{text}; last seen: {unmeasured}") from error
            raise Overrun(text) from error

    def left(self) -> float:
        """Seconds until it passes, and never less than one look needs."""
        return max(self._end - asyncio.get_running_loop().time(), LAST_LOOK)

    def patience(self) -> float:
        """Seconds to wait for the effect of the finished work: all that are left, if somebody chose the deadline. The
        default allows for the slowest work: then as long as the work took, and at least two minutes, or SETTLE for the
        default of a provider."""
        if self._chosen:
            return self.left()
        return min(self.left(), max(self._settle, asyncio.get_running_loop().time() - self._begin))
