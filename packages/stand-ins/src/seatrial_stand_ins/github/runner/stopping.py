"""How a job is told to end, and what of it may still run then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Literal

from seatrial_stand_ins.github.runner.calls import ActionFailed

Ending = Literal["done", "cancelled", "timeout"]


class Stop:
    """One job's: `asked` when it is to end, `forced` when its time for that is over too."""

    def __init__(self, patience: float) -> None:
        self.asked = asyncio.Event()
        self.forced = asyncio.Event()
        self.why = ""
        self._patience = patience
        self._timers: list[asyncio.TimerHandle] = []

    def ask(self, why: str) -> None:
        """The job is to end."""
        if not self.asked.is_set():
            self.why = why
            self.asked.set()
            self.later(self._patience, self.forced.set)

    def later(self, seconds: float, what: Callable[..., object], *arguments: Any) -> None:
        """Call it then, unless the job has ended."""
        self._timers.append(asyncio.get_running_loop().call_later(seconds, what, *arguments))

    def close(self) -> None:
        """The job has ended."""
        for timer in self._timers:
            timer.cancel()

    async def guard(
        self, work: Coroutine[Any, Any, None], *, timeout: float | None, stays: Callable[[], bool]
    ) -> Ending:
        """Do the work unless the job is to end meanwhile; `stays` says whether it goes on all the same."""
        loop = asyncio.get_running_loop()
        until = None if timeout is None else loop.time() + timeout
        task = asyncio.ensure_future(work)
        # What begins when the job is ending already is meant to.
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
                # A step that fails while it is stopped is stopped; anything else is a fault of ours.
                if not task.cancelled() and (error := task.exception()) and not isinstance(error, ActionFailed):
                    raise error
