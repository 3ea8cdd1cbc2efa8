"""Checks that are told of changes: looked at again at once, without polling; and the reason at the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from seatrial.errors import CannotTell
from seatrial.model.result import Observation, Verdict, failed, passed
from seatrial.model.scenario import Retry
from seatrial.testing import FakeRun, check_plan, doing, flow, virtual_time


class Door:
    """Something that opens, and says so."""

    def __init__(self) -> None:
        self.open = False
        self.looks = 0
        self.closed = 0
        self.opened = asyncio.Event()
        self.noticed = 0.0

    async def close(self) -> None:
        self.closed += 1


@dataclass(frozen=True)
class IsOpen:
    """The door is open."""

    door: ClassVar[Door]

    async def observe(self, ctx: Any) -> Observation:
        self.door.looks += 1
        if self.door.open:
            self.door.noticed = asyncio.get_running_loop().time()
            return passed("open", "open")
        ctx.look_again_when(self.door.opened.wait)
        return failed("closed", "open")

    async def explain(self, ctx: Any, observation: Observation) -> Observation:
        return replace(observation, why="the key is lost")


def rehearse(tmp_path, step):
    """Run one step; its assertions hold."""
    with virtual_time() as clock:
        run = FakeRun(tmp_path, flow(doing(step)))
        clock.run(run.run())
    (finished,) = run.of("step_finished")
    assert finished.data["verdict"] == "passed", finished.data.get("error")


def look(tmp_path, retry, *, opens_after=None, kind=IsOpen):
    seen: list[Any] = []

    async def step(ctx):
        kind.door = door = Door()

        async def opening():
            await asyncio.sleep(opens_after)
            door.open = True
            door.opened.set()

        async with asyncio.TaskGroup() as group:
            if opens_after is not None:
                group.create_task(opening())

            (result,) = await ctx.observe([check_plan(kind())], retry)
        seen.extend((result, door))

    rehearse(tmp_path, step)
    return seen


def test_a_change_causes_the_next_look_at_once_and_nothing_else_does(tmp_path):
    result, door = look(tmp_path, Retry(timeout=100), opens_after=50)
    assert result.verdict is Verdict.PASSED
    assert door.looks == 2
    assert 50 <= result.duration <= 50.2
    assert result.attempts == 2


def test_a_change_between_two_attempts_is_noticed_before_the_second(tmp_path):
    result, door = look(tmp_path, Retry(max_attempts=3, delay=30), opens_after=10)
    assert result.verdict is Verdict.PASSED
    assert result.duration < 10.2
    assert (result.attempts, door.looks) == (1, 2)


def test_without_a_change_the_attempts_are_as_ever(tmp_path):
    result, door = look(tmp_path, Retry(max_attempts=3, delay=30))
    assert (result.verdict, result.attempts, door.looks) == (Verdict.FAILED, 3, 3)
    assert result.duration == 60


def test_the_time_limit_ends_a_wait_for_a_change(tmp_path):
    result, door = look(tmp_path, Retry(timeout=20))
    assert (result.verdict, result.duration, door.looks) == (Verdict.FAILED, 20, 1)


@pytest.mark.parametrize("retry", [Retry(max_attempts=1), Retry(timeout=5)])
def test_a_check_that_did_not_pass_says_why(tmp_path, retry):
    result, _ = look(tmp_path, retry)
    assert result.observation.why == "the key is lost"


@dataclass(frozen=True)
class Liar(IsOpen):
    """A check that explains a failure away."""

    async def explain(self, ctx: Any, observation: Observation) -> Observation:
        return passed("open")


@dataclass(frozen=True)
class Clueless(IsOpen):
    """A check that cannot find out why."""

    async def explain(self, ctx: Any, observation: Observation) -> Observation:
        raise CannotTell("no events")


@pytest.mark.parametrize("kind", [Liar, Clueless])
def test_an_explanation_never_changes_a_failure_into_a_pass(tmp_path, kind):
    result, _ = look(tmp_path, Retry(max_attempts=1), kind=kind)
    assert result.verdict is Verdict.FAILED
    assert result.observation.seen == "closed"


def test_a_kept_connection_is_opened_once_and_closed_at_the_end_of_the_trial(tmp_path):
    doors: list[Door] = []

    async def open_door():
        await asyncio.sleep(1)
        doors.append(Door())
        return doors[-1]

    async def step(ctx):
        first, second = await asyncio.gather(ctx.keep("door", open_door), ctx.keep("door", open_door))
        assert first is second
        assert first.closed == 0

    rehearse(tmp_path, step)
    assert [door.closed for door in doors] == [1]


def test_a_connection_that_could_not_be_opened_is_tried_again(tmp_path):
    tries: list[int] = []

    async def open_door():
        tries.append(1)
        if len(tries) == 1:
            raise CannotTell("jammed")
        return Door()

    async def step(ctx):
        with pytest.raises(CannotTell, match="jammed"):
            await ctx.keep("door", open_door)
        await ctx.keep("door", open_door)

    rehearse(tmp_path, step)
    assert len(tries) == 2
