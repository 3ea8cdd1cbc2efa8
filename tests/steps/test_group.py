"""`group`."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.steps.fakes import FakeContext, Say, plan, within

from seatrial.errors import CannotTell, StepFailed, StepStopped
from seatrial.model.scenario import StepPlan
from seatrial.spi import concurrency
from seatrial.steps.group import Group


def group(said: list[str], *, fails: Exception | None = None, **more: object) -> Group:
    steps = (plan(Say(said=said, word="a")), plan(Say(said=said, word="b", raises=fails)))
    return Group(steps=steps, **more)  # type: ignore[arg-type]


def says(said: list[str], *words: str, raises: Exception | None = None) -> tuple[StepPlan, ...]:
    return tuple(plan(Say(said=said, word=word, raises=raises), id=word) for word in words)


def test_a_group_that_passes_skips_its_rollback_and_runs_finally(tmp_path: Path) -> None:
    ctx, said = FakeContext(tmp_path), list[str]()
    within(lambda: group(said, rollback=says(said, "undo"), finally_=says(said, "last")).run(ctx))
    assert said == ["a", "b", "last"]
    assert ctx.skipped == [("undo", "the group passed")]


def test_a_group_that_fails_rolls_back_in_reverse_and_its_own_failure_counts(tmp_path: Path) -> None:
    said: list[str] = []
    made = group(said, fails=StepFailed("b broke"), rollback=says(said, "undo1", "undo2"), finally_=says(said, "last"))
    with pytest.raises(StepStopped, match="b broke") as caught:
        within(lambda: made.run(FakeContext(tmp_path)))
    assert said == ["a", "b", "undo2", "undo1", "last"]
    assert caught.value.failed


def test_what_fails_after_the_failure_is_added_and_does_not_keep_the_rest(tmp_path: Path) -> None:
    said: list[str] = []
    broken = says(said, "undo1", "undo2", raises=StepFailed("cannot undo"))
    made = group(said, fails=CannotTell("b unclear"), rollback=broken, finally_=says(said, "last"))
    with pytest.raises(StepStopped, match="b unclear; then rollback: cannot undo; rollback: cannot undo") as caught:
        within(lambda: made.run(FakeContext(tmp_path)))
    assert said[-1] == "last"
    assert not caught.value.failed


def test_a_failing_finally_fails_a_group_that_passed(tmp_path: Path) -> None:
    said: list[str] = []
    made = group(said, finally_=says(said, "last", raises=StepFailed("not tidy")))
    with pytest.raises(StepStopped, match="finally: not tidy") as caught:
        within(lambda: made.run(FakeContext(tmp_path)))
    assert caught.value.failed


def cancelled(made: Group, ctx: Any, said: list[str], *, when: str, times: int = 1) -> None:
    async def cancel() -> None:
        task = asyncio.create_task(made.run(ctx))
        for word in [when, "last begins"][:times]:
            while word not in said:
                await asyncio.sleep(0.001)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    within(cancel)


def test_a_cancelled_group_still_runs_rollback_and_finally_to_their_ends(tmp_path: Path) -> None:
    said: list[str] = []
    hanging = plan(Say(said=said, word="work", until=asyncio.Event()))
    slow = plan(Say(said=said, word="last", after=0.05))
    made = Group(steps=(hanging,), rollback=says(said, "undo"), finally_=(slow, *says(said, "very last")))
    cancelled(made, FakeContext(tmp_path), said, when="work begins")
    assert said == ["work begins", "undo", "last", "very last"]


def test_a_group_that_is_cancelled_in_its_finally_finishes_it(tmp_path: Path) -> None:
    said: list[str] = []
    slow = plan(Say(said=said, word="last", after=0.05))
    cancelled(group(said, finally_=(slow, *says(said, "very last"))), FakeContext(tmp_path), said, when="last")
    assert said == ["a", "b", "last", "very last"]


def test_a_second_cancellation_cuts_a_finally_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "LAST_CHANCE", 0.5)
    said: list[str] = []
    work = plan(Say(said=said, word="work", until=asyncio.Event()))
    hanging = plan(Say(said=said, word="last", until=asyncio.Event()))
    cancelled(Group(steps=(work,), finally_=(hanging,)), FakeContext(tmp_path), said, when="work begins", times=2)
    assert said == ["work begins", "last begins"]


def test_a_timeout_inside_a_finally_of_a_cancelled_group_works(tmp_path: Path) -> None:
    said: list[str] = []

    class Limited(Say):
        async def run(self, ctx: object) -> dict[str, object]:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await asyncio.Event().wait()
            said.append("timed out")
            return {}

    work = plan(Say(said=said, word="work", until=asyncio.Event()))
    made = Group(steps=(work,), finally_=(plan(Limited(said=said, word="x")),))
    cancelled(made, FakeContext(tmp_path), said, when="work begins")
    assert said == ["work begins", "timed out"]


def test_an_empty_group_is_refused() -> None:
    assert [key for key, _ in Group(steps=()).check_fields()] == ["steps"]


@pytest.mark.parametrize("fails", [None, StepFailed("b broke", unclear="c unclear")])
def test_what_does_not_pass_at_the_end_is_no_expected_failure(tmp_path: Path, fails: StepFailed | None) -> None:
    said: list[str] = []
    made = group(said, fails=fails, finally_=says(said, "last", raises=StepFailed("full")))
    with pytest.raises(StepStopped) as caught:
        within(lambda: made.run(FakeContext(tmp_path)))
    assert caught.value.failed
    assert "finally: full" in caught.value.unclear
