"""Doing the same to many at the same time, at most so many at once, and failing with one plain error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from seatrial.errors import StepFailed

A = TypeVar("A")
B = TypeVar("B")


async def map_concurrently(act: Callable[[A], Awaitable[B]], things: Iterable[A], *, most: int = 0) -> list[B]:
    """The answers in the order of the things. When some raise, the rest is cancelled and the most telling error raised:
    StepFailed before any other. `most` limits how many run at once; 0: all."""
    gate = asyncio.Semaphore(most) if most else None

    async def one(thing: A) -> B:
        if gate is None:
            return await act(thing)
        async with gate:
            return await act(thing)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(thing)) for thing in things]
    except BaseExceptionGroup as errors:
        raise _telling(errors) from errors
    return [task.result() for task in tasks]


def _telling(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    leaves: list[BaseException] = []
    queue: list[BaseException] = [errors]
    while queue:
        error = queue.pop(0)
        if isinstance(error, BaseExceptionGroup):
            queue.extend(error.exceptions)
        else:
            leaves.append(error)
    for kind in (KeyboardInterrupt, SystemExit, StepFailed):
        for leaf in leaves:
            if isinstance(leaf, kind):
                return leaf
    return leaves[0]
