"""ResourceBudget: never more than there is, nobody waits without end, and what is cancelled gives its share back."""

from __future__ import annotations

import asyncio
import random

import pytest

from seatrial.preflight.system import ResourceBudget
from seatrial.testing import virtual_time


@pytest.mark.parametrize("seed", range(30))
def test_many_that_come_and_go_and_are_cancelled_never_hold_more_than_there_is(seed: int) -> None:
    chance = random.Random(seed)
    limits = chance.randint(1, 4), chance.choice([None, 2.0, 3.5]), chance.choice([None, 1.0, 4.0])
    room = ResourceBudget(*limits)
    held: list[tuple[float, float]] = []
    ended = []

    async def one(at: int, cpus: float, memory: float, seconds: float) -> None:
        async with room.take(cpus, memory):
            # What is larger than the whole gets the whole.
            share = min(cpus, limits[1] or cpus), min(memory, limits[2] or memory)
            held.append(share)
            assert len(held) <= limits[0]
            assert limits[1] is None or sum(each[0] for each in held) <= limits[1] + 1e-6
            assert limits[2] is None or sum(each[1] for each in held) <= limits[2] + 1e-6
            try:
                await asyncio.sleep(seconds)
            finally:
                held.remove(share)
        ended.append(at)

    async def all_of_them() -> None:
        tasks = [
            asyncio.create_task(one(at, chance.uniform(0.1, 5), chance.uniform(0, 6), chance.uniform(0, 2)))
            for at in range(40)
        ]
        cancelled = chance.sample(tasks, 10)
        for task in cancelled:
            await asyncio.sleep(chance.uniform(0, 0.3))
            task.cancel()
        done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 1000)
        assert all(one is None or isinstance(one, asyncio.CancelledError) for one in done), done
        assert held == []
        # All of it is free again.
        async with asyncio.timeout(1), room.take(limits[1] or 1.0, limits[2] or 0.0):
            pass

    with virtual_time() as time:
        time.run(all_of_them())
    assert len(ended) >= 30


def test_one_that_is_cancelled_in_the_moment_of_its_turn_gives_it_on() -> None:
    async def scene() -> None:
        room = ResourceBudget(1)
        first = room.take()
        await first.__aenter__()

        async def wait() -> None:
            async with room.take():
                pass

        second, third = asyncio.create_task(wait()), asyncio.create_task(wait())
        await asyncio.sleep(0)
        await first.__aexit__(None, None, None)  # the second has its turn, and has not noticed yet
        second.cancel()
        async with asyncio.timeout(1):
            await third

    asyncio.run(scene())
