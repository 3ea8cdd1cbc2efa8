"""An event loop with a jumping clock: when every task waits, it jumps to the next timer, so long waits cost nothing."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop with a clock of its own, in seconds from 0.

    It waits for sockets and threads (`run_in_executor`) in real time. The clock does not know processes of the host, so
    timers would run ahead of them. RuntimeError if every task waits and nothing can wake it.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._threads = 0
        super().__init__(_Jumping(self._idle))

    def time(self) -> float:
        """Seconds since the loop began."""
        return self._now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """As asyncio's; time stands still while the thread works."""
        self._threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._returned)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        """As asyncio's, which ends its threads in one more thread."""
        self._threads += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self._threads -= 1

    def _returned(self, _: asyncio.Future[Any]) -> None:
        self._threads -= 1

    def _idle(self, timeout: float | None) -> bool:
        """Jump over a pause; False if it must wait for something outside in real time."""
        if self._threads:
            return False
        if timeout is None:
            raise RuntimeError("every task waits, and nothing can wake one")
        self._now += timeout
        return True


class _Jumping(selectors.DefaultSelector):
    """A selector without blocking while the loop can jump instead."""

    def __init__(self, idle: Callable[[float | None], bool]) -> None:
        super().__init__()
        self._idle = idle

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0 or (timeout is not None and timeout < 0):
            return ready
        if self._idle(timeout):
            return []
        return super().select(timeout)


@dataclass(frozen=True, slots=True)
class VirtualTime:
    """Runs coroutines on one virtual loop, one after another."""

    runner: asyncio.Runner

    @property
    def now(self) -> float:
        return self.runner.get_loop().time()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)


@contextmanager
def virtual_time() -> Iterator[VirtualTime]:
    """Within it, `run` a coroutine without real waits."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        yield VirtualTime(runner)
