"""`parallel`."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.effort import examples
from tests.steps.fakes import FakeContext, Say, plan, within

from seatrial.errors import CannotTell, StepFailed, StepStopped
from seatrial.steps.parallel import Parallel


def test_children_run_at_the_same_time(tmp_path: Path) -> None:
    said: list[str] = []

    async def both() -> None:
        first, second = asyncio.Event(), asyncio.Event()

        class Meets(Say):
            async def run(self, ctx: object) -> dict[str, object]:
                mine, other = (first, second) if self.word == "a" else (second, first)
                mine.set()
                await other.wait()
                return {}

        steps = tuple(plan(Meets(said=said, word=word)) for word in "ab")
        assert await Parallel(steps=steps).run(FakeContext(tmp_path)) == {"passed": 2}

    within(both)


def test_all_children_end_and_the_worst_verdict_counts(tmp_path: Path) -> None:
    said: list[str] = []
    steps = (
        plan(Say(said=said, word="a", raises=CannotTell("unclear")), id="a"),
        plan(Say(said=said, word="b", raises=StepFailed("broken", evidence="the log")), id="b"),
        plan(Say(said=said, word="c", after=0.02), id="c"),
    )
    with pytest.raises(StepStopped, match="2 of 3 did not pass: say 'a': unclear; say 'b': broken") as caught:
        within(lambda: Parallel(steps=steps).run(FakeContext(tmp_path)))
    assert sorted(said) == ["a", "b", "c"]
    assert caught.value.failed
    assert caught.value.category == "product"
    assert caught.value.evidence == "the log"


def test_what_needs_a_failed_step_is_skipped_with_the_reason_and_so_is_what_needs_that(tmp_path: Path) -> None:
    ctx, said = FakeContext(tmp_path), list[str]()
    steps = (
        plan(Say(said=said, word="c"), id="c", needs=("b",)),
        plan(Say(said=said, word="b"), id="b", needs=("a",)),
        plan(Say(said=said, word="a", raises=StepFailed("broken")), id="a"),
        plan(Say(said=said, word="d"), id="d"),
    )
    with pytest.raises(StepStopped):
        within(lambda: Parallel(steps=steps).run(ctx))
    assert sorted(said) == ["a", "d"]
    assert ctx.skipped == [("b", "needs a, which failed"), ("c", "needs b, which did not run")]


def test_fail_fast_cancels_the_others_and_skips_what_had_not_begun(tmp_path: Path) -> None:
    ctx, said = FakeContext(tmp_path), list[str]()
    steps = (
        plan(Say(said=said, word="slow", until=asyncio.Event()), id="slow"),
        plan(Say(said=said, word="bad", after=0.02, raises=StepFailed("broken")), id="bad"),
        plan(Say(said=said, word="later"), id="later", needs=("slow",)),
    )
    with pytest.raises(StepStopped, match="1 of 3 did not pass"):
        within(lambda: Parallel(steps=steps, fail_fast=True).run(ctx))
    assert said == ["slow begins", "bad"]
    assert ctx.skipped == [("later", "fail_fast: say 'bad' did not pass")]


def test_a_cancellation_reaches_every_child(tmp_path: Path) -> None:
    said: list[str] = []
    steps = tuple(plan(Say(said=said, word=word, until=asyncio.Event())) for word in "ab")

    async def cancel() -> None:
        task = asyncio.create_task(Parallel(steps=steps).run(FakeContext(tmp_path)))
        while len(said) < 2:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    within(cancel)
    assert said == ["a begins", "b begins"]


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[str, tuple[str, ...]]]:
    """Steps in any order, each needing some of those that come before it in another order: no circles."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 8)))]
    needs = [(name, tuple(draw(st.sets(st.sampled_from(names[:at]))) if at else ())) for at, name in enumerate(names)]
    return draw(st.permutations(needs))


@settings(max_examples=examples(60), deadline=None)
@given(graphs())
def test_every_step_begins_after_all_that_it_needs(needs: list[tuple[str, tuple[str, ...]]]) -> None:
    said: list[str] = []
    steps = tuple(plan(Say(said=said, word=name), id=name, needs=of) for name, of in needs)
    made = Parallel(steps=steps)
    assert not list(made.check_fields())
    within(lambda: made.run(FakeContext(Path())))
    assert sorted(said) == sorted(name for name, _ in needs)
    for name, of in needs:
        assert all(said.index(other) < said.index(name) for other in of)
