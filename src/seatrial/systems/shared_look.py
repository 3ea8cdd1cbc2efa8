"""One measuring call at a time, shared by everyone who asks before it begins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

C = TypeVar("C")
T = TypeVar("T")


class SharedLook(Generic[C, T]):
    """Programs of other people may lock, and cost their time: two looks never run at once, and nobody gets a look
    that began before it was asked for."""

    def __init__(self, look: Callable[[C], Awaitable[T]]) -> None:
        self._look = look
        self._turn = asyncio.Lock()
        self._next: asyncio.Future[T] | None = None

    async def __call__(self, ctx: C) -> T:
        """The next look; its error is everyone's."""
        while self._next is not None:
            shared = self._next
            try:
                return await asyncio.shield(shared)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not shared.cancelled() or (task is not None and task.cancelling()):
                    raise
                # Only the caller that led this look was cancelled: lead, or share, another one.
        shared = self._next = asyncio.get_running_loop().create_future()
        try:
            async with self._turn:
                await asyncio.sleep(0)  # who asks at the same moment is heard
                self._next = None
                result = await self._look(ctx)
        except asyncio.CancelledError:
            shared.cancel()
            raise
        except BaseException as error:
            shared.set_exception(error)
            shared.exception()  # nobody else may have asked
            raise
        else:
            shared.set_result(result)
            return result
        finally:
            if self._next is shared:
                self._next = None
