"""`repeat`."""

import asyncio
from pathlib import Path

import pytest
from tests.steps.fakes import FakeContext, Say, plan, within

from seatrial.errors import CannotTell, Overrun, StepFailed, StepStopped
from seatrial.model.scenario import StepPlan
from seatrial.model.values import Duration, Expression
from seatrial.steps.repeat import Repeat


def saying(said: list[str], raises: Exception | None = None) -> tuple[StepPlan, ...]:
    return (plan(Say(said=said, word="x", raises=raises)),)


def test_times_makes_so_many_rounds_each_with_its_label(tmp_path: Path) -> None:
    ctx, said = FakeContext(tmp_path), list[str]()
    outputs = within(lambda: Repeat(steps=saying(said), times=3).run(ctx))
    assert said == ["x"] * 3
    assert ctx.labels == ["#1 {'round': 1}", "#2 {'round': 2}", "#3 {'round': 3}"]
    assert outputs["rounds"] == 3


def test_until_is_asked_after_each_round(tmp_path: Path) -> None:
    ctx, said = FakeContext(tmp_path), list[str]()
    ctx.values = lambda _: len(said) == 2
    assert within(lambda: Repeat(steps=saying(said), until=Expression("x"), times=5).run(ctx))["rounds"] == 2


def test_until_that_another_bound_comes_before_is_an_overrun(tmp_path: Path) -> None:
    with pytest.raises(Overrun, match="`x` is still false after 3 rounds"):
        within(lambda: Repeat(steps=saying([]), until=Expression("x"), times=3).run(FakeContext(tmp_path)))


def test_for_begins_no_round_after_its_time(tmp_path: Path) -> None:
    said: list[str] = []
    outputs = within(
        lambda: Repeat(steps=saying(said), for_=Duration(0.1), delay=Duration(0.03)).run(FakeContext(tmp_path))
    )
    assert 2 <= outputs["rounds"] <= 4
    assert outputs["duration"] >= 0.1


def test_a_round_that_fails_ends_it_and_is_named(tmp_path: Path) -> None:
    steps = saying([], StepFailed("lost a write"))
    with pytest.raises(StepStopped, match="round 1: lost a write") as caught:
        within(lambda: Repeat(steps=steps, times=3).run(FakeContext(tmp_path)))
    assert caught.value.failed


def test_rounds_that_never_wait_do_not_keep_a_timeout_out(tmp_path: Path) -> None:
    async def limited() -> None:
        async with asyncio.timeout(0.05):
            await Repeat(steps=saying([]), until=Expression("x")).run(FakeContext(tmp_path))

    with pytest.raises(TimeoutError):
        within(limited)


def test_an_until_that_is_no_truth_value_is_unknown(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.values = lambda _: "yes"
    with pytest.raises(CannotTell, match="expected true or false"):
        within(lambda: Repeat(steps=saying([]), until=Expression("x")).run(ctx))


def test_a_repeat_without_an_end_is_refused() -> None:
    assert [key for key, _ in Repeat(steps=saying([])).check_fields()] == [""]
    assert [key for key, _ in Repeat(steps=saying([]), times=0).check_fields()] == ["times"]
    assert not list(Repeat(steps=saying([]), for_=Duration(1.0)).check_fields())
