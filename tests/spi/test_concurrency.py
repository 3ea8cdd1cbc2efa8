"""Concurrent work on many items."""

from __future__ import annotations

import asyncio

import pytest

from seatrial.errors import CannotTell, StepFailed
from seatrial.spi.concurrency import ensure_wanted, map_concurrently

pytestmark = pytest.mark.anyio


async def refuse(number: int) -> None:
    if number == 2:
        raise StepFailed("two")
    raise CannotTell("not two")


async def refuse_later(number: int) -> None:
    await asyncio.sleep(0)
    await refuse(number)


@pytest.mark.parametrize("act", [refuse, refuse_later])
async def test_an_error_of_one_item_does_not_look_like_a_cancellation_of_the_caller(act: object) -> None:
    with pytest.raises(StepFailed, match="two"):
        await map_concurrently(act, range(3))  # type: ignore[arg-type]
    ensure_wanted()
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_when_one_raises_the_rest_is_cancelled() -> None:
    ended = []

    async def act(number: int) -> None:
        try:
            await (asyncio.sleep(0) if number == 1 else asyncio.Event().wait())
        finally:
            ended.append(number)
        raise CannotTell("it is over")

    with pytest.raises(CannotTell, match="it is over"):
        await map_concurrently(act, range(3))
    assert sorted(ended) == [0, 1, 2]


async def test_a_cancellation_of_the_caller_reaches_all() -> None:
    started = asyncio.Event()

    async def act(number: int) -> None:
        started.set()
        await asyncio.Event().wait()

    work = asyncio.create_task(map_concurrently(act, range(3)))
    await started.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
