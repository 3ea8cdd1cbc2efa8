"""Concurrent work on many items with one error at the end, and work that outlives a cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeVar

from seatrial.errors import CannotTell, SeatrialError, StepFailed

A = TypeVar("A")
B = TypeVar("B")

NODES_AT_ONCE = 16
"""Nodes to look at or to start at the same time: logins and starts that wait for each other look like silence."""

LAST_CHANCE = 5.0
"""Seconds for cancelled work to end."""


def ensure_wanted() -> None:
    """CancelledError if this task is being cancelled. Something in it may have swallowed that and returned an answer,
    such as an interrupted link: the answer is worthless."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def map_concurrently(act: Callable[[A], Awaitable[B]], things: Iterable[A], *, most: int = 0) -> list[B]:
    """The results in the order of the items. When one raises, the rest is cancelled; of several errors StepFailed is
    raised before any other. `most` limits the number of concurrent calls; 0: no limit."""
    gate: AbstractAsyncContextManager[None] = asyncio.Semaphore(most) if most else nullcontext()

    tasks: list[asyncio.Task[B]] = []
    errors: list[BaseException] = []

    async def turn(thing: A) -> B:
        try:
            async with gate:
                return await act(thing)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  it is raised below
            # No error reaches the group: before Python 3.13 it would cancel this caller, and `ensure_wanted` would say
            # so for ever.
            errors.append(error)
            raise asyncio.CancelledError from None

    def cancel_rest(_: object) -> None:
        for task in tasks if errors else ():
            task.cancel()

    async with asyncio.TaskGroup() as group:
        for thing in things:
            tasks.append(group.create_task(turn(thing)))
            tasks[-1].add_done_callback(cancel_rest)  # not at once: others that fail at the same time are heard
    if errors:
        raise _telling(errors)
    return [task.result() for task in tasks]


def _telling(errors: Sequence[BaseException]) -> BaseException:
    """The error that says most, of groups too."""
    leaves = [leaf for error in errors for leaf in _leaves(error)]
    first = (KeyboardInterrupt, SystemExit, StepFailed)
    return next((leaf for kind in first for leaf in leaves if isinstance(leaf, kind)), leaves[0])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


async def for_each(things: Sequence[A], act: Callable[[A], Awaitable[None]]) -> None:
    """Call `act` for all items concurrently; a failure of one does not stop the others, and the error names every
    failure."""
    if len(things) == 1:
        await act(things[0])
        return
    results = await asyncio.gather(*(act(thing) for thing in things), return_exceptions=True)
    if errors := [result for result in results if isinstance(result, BaseException)]:
        raise _worst(errors)


def _worst(errors: Sequence[BaseException]) -> BaseException:
    """One error for several, with all their messages: failed before unknown."""
    first = min(errors, key=lambda error: not isinstance(error, StepFailed))
    if len(errors) == 1:
        return first
    text = "; ".join(str(error) or type(error).__name__ for error in errors)
    evidence = "\n".join(filter(None, (str(getattr(error, "evidence", "")) for error in errors)))
    if isinstance(first, StepFailed):
        return StepFailed(text, category=first.category, evidence=evidence)
    together = CannotTell(text, evidence=evidence)
    together.category = first.category if isinstance(first, SeatrialError) else together.category
    together.__cause__ = first
    return together


async def finish_despite_cancel(work: Coroutine[Any, Any, A], patience: float) -> A:
    """The result of the work. When the caller is cancelled, the work continues for at most `patience` seconds or until
    the next cancellation; then the cancellation is raised."""
    # A separate task: in a cancelled task, the work's own timeouts could not be told from the cancellation.
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # no caller is left for its error
        await finish(task, patience)
        raise
    return task.result()


async def finish(task: asyncio.Task[Any], patience: float) -> bool:
    """Wait for a task, and cancel it when time is up or the caller is cancelled; returns whether it ended by itself."""
    try:
        done, _ = await asyncio.wait({task}, timeout=patience)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=LAST_CHANCE)
    return bool(done) and not task.cancelled()


async def finish_within(work: Coroutine[Any, Any, A], deadline: float) -> A:
    """Finish this work within a deadline despite cancellations; a cancellation is raised afterwards."""
    task = asyncio.ensure_future(asyncio.wait_for(work, deadline))
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    result = task.result()
    if cancelled:
        raise asyncio.CancelledError
    return result
