"""Stopping a job, and the steps still allowed to run then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Literal

from seatrial_stand_ins.github.runner.calls import ActionFailed

Ending = Literal["done", "cancelled", "timeout"]


class Stop:
    """Of one job: `asked` to end it, `forced` when its time to end is over too."""

    def __init__(self, patience: float) -> None:
        self.asked = asyncio.Event()
        self.forced = asyncio.Event()
        self.why = ""
        self._patience = patience
        self._timers: list[asyncio.TimerHandle] = []

    def ask(self, why: str) -> None:
        """Ask the job to end."""
        if not self.asked.is_set():
            self.why = why
            self.asked.set()
            self.later(self._patience, self.forced.set)

    def later(self, seconds: float, what: Callable[..., object], *arguments: Any) -> None:
        """Call it after `seconds`, unless the job has ended."""
        self._timers.append(asyncio.get_running_loop().call_later(seconds, what, *arguments))

    def close(self) -> None:
        """The job has ended."""
        for timer in self._timers:
            timer.cancel()

    async def guard(
        self, work: Coroutine[Any, Any, None], *, timeout: float | None, stays: Callable[[], bool]
    ) -> Ending:
        """Do the work unless the job is to end meanwhile; `stays` says whether it continues anyway."""
        loop = asyncio.get_running_loop()
        until = None if timeout is None else loop.time() + timeout
        task = asyncio.ensure_future(work)
        # Work begun while the job is ending is meant to run then.
        signals = [self.forced] if self.asked.is_set() else [self.asked, self.forced]
        try:
            for one in signals:
                left = None if until is None else max(until - loop.time(), 0)
                waiting = asyncio.ensure_future(one.wait())
                try:
                    await asyncio.wait({task, waiting}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiting.cancel()
                if task.done():
                    task.result()
                    return "done"
                if not one.is_set():
                    return "timeout"
                if one is self.forced or not stays():
                    return "cancelled"
            return "cancelled"
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
                # A stopped step may fail; any other exception is a bug of this runner.
                if not task.cancelled() and (error := task.exception()) and not isinstance(error, ActionFailed):
                    raise error
