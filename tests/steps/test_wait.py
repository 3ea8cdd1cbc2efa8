"""`wait` and `set`."""

import asyncio
from pathlib import Path

import pytest
from tests.steps.fakes import FakeContext, within

from seatrial.errors import CannotTell, Overrun
from seatrial.model.values import Duration, Expression, Timeout
from seatrial.spi import StepTraits, traits
from seatrial.steps.set import Set
from seatrial.steps.wait import Wait


def test_set_hands_its_values_on_and_says_where_they_go(tmp_path: Path) -> None:
    assert within(lambda: Set(values={"x": 1}).run(FakeContext(tmp_path))) == {"x": 1}
    assert traits(Set, StepTraits).sets_variables


def test_set_and_an_empty_wait_never_give_the_loop_away(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    for thing in (Set(values={}), Wait(for_=Duration(0.0))):
        with pytest.raises(StopIteration):
            thing.run(ctx).send(None)


def test_wait_for_lasts_as_long_as_it_says(tmp_path: Path) -> None:
    async def timed() -> float:
        clock = asyncio.get_running_loop().time
        start = clock()
        await Wait(for_=Duration(0.05)).run(FakeContext(tmp_path))
        return clock() - start

    assert 0.045 <= within(timed) < 2


def test_wait_until_ends_when_it_holds(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    answers = iter([False, CannotTell("not there yet"), True])
    ctx.values = lambda _: next(answers)
    within(lambda: Wait(until=Expression("x")).run(ctx))
    assert next(answers, "asked three times") == "asked three times"


def test_wait_until_that_never_holds_is_an_overrun(tmp_path: Path) -> None:
    with pytest.raises(Overrun, match=r"timed out after 0\.1 s waiting for `x`: it is false"):
        within(lambda: Wait(until=Expression("x"), timeout=Timeout(0.1)).run(FakeContext(tmp_path)))


@pytest.mark.parametrize("value", [7, CannotTell("no such name")])
def test_wait_until_that_has_no_truth_value_is_unknown(tmp_path: Path, value: object) -> None:
    ctx = FakeContext(tmp_path)
    ctx.values = lambda _: value
    with pytest.raises(CannotTell):
        within(lambda: Wait(until=Expression("x"), timeout=Timeout(0.1)).run(ctx))


def test_exactly_one_of_for_and_until_is_given() -> None:
    assert list(Wait().check_fields())
    assert list(Wait(for_=Duration(1), until=Expression("x")).check_fields())
    assert not list(Wait(for_=Duration(0)).check_fields())
