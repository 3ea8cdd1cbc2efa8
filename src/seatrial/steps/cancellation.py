"""Letting work end although the step is being cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

LAST_CHANCE = 5.0
"""Seconds that work gets to end after it was cut short itself."""


async def finish_despite_cancel(work: Coroutine[Any, Any, T], patience: float) -> T:
    """The answer of the work. When the caller is cancelled the work goes on for at most `patience` seconds, or until
    the caller is cancelled once more, and then the cancellation is raised."""
    # A task of its own: in a task that is being cancelled the timeouts inside the work would not be told apart.
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await finish(task, patience)
        raise
    return task.result()


async def finish(task: asyncio.Task[Any], patience: float) -> bool:
    """Wait for a task, and cut it short when time is up or the caller is cancelled; whether it ended by itself."""
    try:
        done, _ = await asyncio.wait({task}, timeout=patience)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=LAST_CHANCE)
    return bool(done) and not task.cancelled()
