"""The one loop: order, verdicts, retries, timeouts, expectations."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from seatrial.engine.outcomes import outcome_of
from seatrial.errors import CannotTell, NotSupported, Overrun, StepFailed, StepStopped
from seatrial.model.result import Observation, Verdict, failed, passed
from seatrial.model.scenario import Retry, StepPlan
from seatrial.testing import FakeRun, check_plan, doing, flow, looking, step_plan, virtual_time


@dataclass(frozen=True)
class Series:
    """Children one after another."""

    steps: tuple[StepPlan, ...]

    async def run(self, ctx):
        await ctx.run(self.steps)


@dataclass(frozen=True)
class Together:
    """Children at the same time."""

    steps: tuple[StepPlan, ...]

    async def run(self, ctx):
        async with asyncio.TaskGroup() as group:
            for child in self.steps:
                group.create_task(ctx.run([child]))


@dataclass(frozen=True)
class Observes:
    checks: tuple
    retry: Retry | None = None
    most: int = 32

    async def run(self, ctx):
        results = await ctx.observe(self.checks, self.retry, most=self.most)
        bad = [result for result in results if result.verdict is not Verdict.PASSED]
        if bad:
            raise StepFailed(", ".join(result.check for result in bad))


async def fine(ctx):
    pass


async def wrong(ctx):
    raise StepFailed("the product is wrong", evidence="a log")


async def broken(ctx):
    raise RuntimeError("our tool broke")


async def long(ctx):
    await asyncio.sleep(50)


async def wrong_later(ctx):
    await asyncio.sleep(10)
    raise StepFailed("the product is wrong")


def after(count, error):
    """A step that passes at the attempt after so many."""
    left = [count]

    async def step(ctx):
        if left[0]:
            left[0] -= 1
            raise error
        return {"attempts": count + 1}

    return step


def run_suite(tmp_path, *steps, **more):
    with virtual_time() as clock:
        rehearsal: Any = FakeRun(tmp_path, flow(*steps), **more)
        clock.run(rehearsal.run())
        rehearsal.duration = clock.now
    return rehearsal


def ended(rehearsal):
    return {
        event.data["step"]: (event.data["status"], str(event.data["verdict"]))
        for event in rehearsal.of("step_finished")
    }


def test_events_come_in_the_order_of_the_document_with_nested_paths(tmp_path):
    nested = step_plan(Series((doing(fine), step_plan(Series((doing(fine),))), doing(fine))))
    assert run_suite(tmp_path, doing(fine), nested, doing(fine)).order() == [
        "suite_started",
        *("step_started 1", "step_finished 1"),
        *("step_started 2", "step_started 2.1", "step_finished 2.1", "step_started 2.2", "step_started 2.2.1"),
        *("step_finished 2.2.1", "step_finished 2.2", "step_started 2.3", "step_finished 2.3", "step_finished 2"),
        *("step_started 3", "step_finished 3"),
        "suite_finished",
    ]


def test_the_first_failure_stops_the_suite_and_the_rest_is_skipped(tmp_path):
    run = run_suite(tmp_path, doing(fine), doing(wrong), doing(fine), doing(broken))
    assert ended(run) == {
        "1": ("completed", "passed"),
        "2": ("failed", "failed"),
        "3": ("skipped", ""),
        "4": ("skipped", ""),
    }
    assert run.of("step_finished", step="3")[0].data["reason"] == "step wrong failed"
    assert run.verdict() == "failed"
    told = run.of("suite_finished")[0].data
    assert (told["category"], told["evidence"], told["error"]) == ("product", "a log", "wrong: the product is wrong")


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("wrap", [Series, Together])
@pytest.mark.parametrize("step, verdict", [(wrong, "failed"), (broken, "unknown"), (fine, "passed")])
def test_a_verdict_reaches_the_suite_through_any_depth(tmp_path, depth, wrap, step, verdict):
    plan = doing(step)
    for _ in range(depth):
        plan = step_plan(wrap((doing(fine), plan)))
    run = run_suite(tmp_path, plan)
    assert run.verdict() == verdict
    top = run.of("step_finished", step="1")[0].data
    assert top["verdict"] == verdict
    if verdict == "failed":
        assert (top["category"], top["evidence"]) == ("product", "a log")


def test_of_several_that_fail_at_once_the_product_outweighs_our_tools(tmp_path):
    assert run_suite(tmp_path, step_plan(Together((doing(broken), doing(wrong), doing(long))))).verdict() == "failed"


def test_those_cut_off_by_a_sibling_are_told_as_interrupted(tmp_path):
    run = run_suite(tmp_path, step_plan(Together((doing(long), doing(wrong)))))
    told = run.of("step_finished", step="1.1")[0].data
    assert (told["status"], told["verdict"], told["error"]) == ("failed", "unknown", "interrupted")


async def well(ctx):
    return passed("well")


async def not_yet(ctx):
    return failed(why="2 of 3 are ready")


async def silent(ctx):
    ctx.seen("the server has not answered yet", measured=False)
    await asyncio.sleep(500)


def test_an_interrupted_step_names_the_checks_that_were_open_with_their_last_readings(tmp_path):
    checks = (looking(well, text="quick"), looking(not_yet, text="slow"), looking(silent, text="mute"))
    observes = step_plan(Observes(checks, Retry(timeout=100)))
    run = run_suite(tmp_path, step_plan(Together((observes, doing(wrong_later)))))
    told = run.of("step_finished", step="1.1")[0].data
    said = (
        "interrupted; still open: slow: last seen: 2 of 3 are ready; mute: last seen: the server has not answered yet"
    )
    assert (told["verdict"], told["error"]) == ("unknown", said)
    results = {event.data["check"]: event.data for event in run.of("check_observed")}
    assert {name: str(one["verdict"]) for name, one in results.items()} == {
        "quick": "passed", "slow": "unknown", "mute": "unknown",
    }  # fmt: skip
    assert results["slow"]["why"] == "interrupted; last seen: 2 of 3 are ready"


def test_a_time_limit_names_the_checks_that_were_open_and_one_failure_outweighs_what_could_not_be_measured(tmp_path):
    checks = (looking(not_yet, text="slow"), looking(silent, text="mute"))
    run = run_suite(tmp_path, step_plan(Observes(checks, Retry(timeout=100)), timeout=20))
    told = run.of("step_finished")[0].data
    assert (told["verdict"], told["category"]) == ("failed", "timeout")
    assert "did not end within 20 s; still open: slow: last seen: 2 of 3 are ready; mute: " in told["error"]
    run = run_suite(tmp_path / "mute", step_plan(Observes(checks[1:], Retry(timeout=100)), timeout=20))
    assert run.of("step_finished")[0].data["verdict"] == "unknown"


@pytest.mark.parametrize("step", [wrong, broken])
def test_an_allowed_failure_decides_nothing_and_is_told(tmp_path, step):
    run = run_suite(tmp_path, step_plan(Series((doing(step, allow_failure=True), doing(fine)))))
    assert run.verdict() == "passed"
    told = run.of("step_finished", step="1.1")[0].data
    assert told["status"] == "failed"
    assert told["allowed"] is True
    assert run.of("step_finished", step="1.2")


@pytest.mark.parametrize(
    "step, verdict",
    [(wrong, "passed"), (fine, "failed"), (broken, "unknown"), (long, "unknown")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_step_that_must_fail(tmp_path, step, verdict):
    run = run_suite(tmp_path, doing(step, expect_failure=True, timeout=5, id="x"))
    assert run.verdict() == verdict
    if step is fine:
        assert run.of("suite_finished")[0].data["category"] == "test"


def test_a_step_that_must_fail_is_tried_until_it_does(tmp_path):
    left = [2]

    async def dies(ctx):
        if not left[0]:
            raise StepFailed("dead")
        left[0] -= 1

    run = run_suite(tmp_path, doing(dies, expect_failure=True, retry=Retry(max_attempts=5, delay=1), id="x"))
    assert run.verdict() == "passed"
    assert run.of("step_finished", step="1")[0].data["attempts"] == 3


def test_expected_and_allowed_together_let_the_suite_go_on(tmp_path):
    run = run_suite(tmp_path, doing(fine, expect_failure=True, allow_failure=True), doing(fine))
    assert ended(run) == {"1": ("failed", "failed"), "2": ("completed", "passed")}
    assert run.verdict() == "passed"


@pytest.mark.parametrize("error", [StepFailed("no"), StepFailed(""), CannotTell(""), RuntimeError()])
def test_retries_go_on_until_it_passes_whatever_the_error_says(tmp_path, error):
    run = run_suite(tmp_path, doing(after(2, error), retry=Retry(max_attempts=3, delay=10)))
    assert run.verdict() == "passed"
    assert run.of("step_finished")[0].data["attempts"] == 3
    assert run.duration == pytest.approx(20)


def test_a_retried_step_that_never_passed_is_failed(tmp_path):
    run = run_suite(tmp_path, doing(wrong, retry=Retry(max_attempts=3, delay=1, backoff="exponential")))
    assert run.verdict() == "failed"
    assert run.of("step_finished")[0].data["attempts"] == 3
    assert run.duration == pytest.approx(3)


def test_no_attempt_begins_after_the_retrys_timeout(tmp_path):
    began = []

    async def notes(ctx):
        began.append(asyncio.get_running_loop().time())
        raise StepFailed("no")

    run_suite(tmp_path, doing(notes, retry=Retry(timeout=10, delay=4)))
    assert began == pytest.approx([0, 4, 8])


def test_a_timeout_is_over_all_attempts_and_says_what_the_last_one_said(tmp_path):
    run = run_suite(tmp_path, doing(wrong, retry=Retry(max_attempts=100, delay=3), timeout=10))
    told = run.of("step_finished")[0].data
    assert (told["verdict"], told["category"]) == ("failed", "timeout")
    assert "did not end within 10 s; last seen: the product is wrong" in told["error"]
    assert run.duration == pytest.approx(10)


def test_a_childs_timeout_is_the_childs_and_a_parents_is_the_parents(tmp_path):
    run = run_suite(tmp_path, step_plan(Series((doing(long, timeout=5, allow_failure=True), doing(long))), timeout=20))
    assert "within 5 s" in run.of("step_finished", step="1.1")[0].data["error"]
    assert run.of("step_finished", step="1.2")[0].data["error"] == "interrupted"
    assert "within 20 s" in run.of("step_finished", step="1")[0].data["error"]
    assert run.duration == pytest.approx(20)


def test_a_timeout_inside_a_step_is_unknown_and_not_the_products_fault(tmp_path):
    async def asks(ctx):
        async with asyncio.timeout(1):
            await asyncio.sleep(5)

    run = run_suite(tmp_path, doing(asks, timeout=10))
    told = run.of("step_finished")[0].data
    assert (told["verdict"], told["category"]) == ("unknown", "timeout")


async def _swallows(ctx):
    try:
        await asyncio.sleep(50)
    except asyncio.CancelledError:
        return


async def _turns(ctx):
    try:
        await asyncio.sleep(50)
    except asyncio.CancelledError:
        raise RuntimeError("something else") from None


@pytest.mark.parametrize("step", [_swallows, _turns])
def test_a_step_that_swallows_its_cancellation_has_still_overrun(tmp_path, step):
    run = run_suite(tmp_path, doing(step, timeout=5, retry=Retry(max_attempts=9, delay=1)), doing(fine))
    assert "within 5 s" in run.of("step_finished", step="1")[0].data["error"]
    assert run.verdict() == "failed"
    assert run.duration == pytest.approx(5)


@pytest.mark.parametrize("step", [_swallows, _turns])
def test_a_check_or_step_that_swallows_its_cancellation_does_not_keep_the_suite(tmp_path, step):
    with virtual_time() as clock:
        run = FakeRun(tmp_path, flow(doing(step), doing(long), timeout=7))
        clock.run(run.run())
        assert clock.now == pytest.approx(7)
    assert run.of("suite_finished")[0].data["category"] == "timeout"
    assert not run.of("step_started", step="2")


def test_a_plugin_that_calls_exit_is_unknown_and_never_green(tmp_path):
    async def exits(ctx):
        raise SystemExit(0)

    assert run_suite(tmp_path, doing(exits), doing(fine)).verdict() == "unknown"
    assert run_suite(tmp_path, step_plan(Observes((looking(exits), looking(exits))))).verdict() == "failed"


def test_outputs_reach_later_steps_and_failed_steps_leave_none(tmp_path):
    seen = {}

    async def gives(ctx):
        return {"ip": "10.0.0.1", "long": "x" * 5000}

    async def takes(ctx):
        seen.update(ctx.names()["steps"])

    run = run_suite(tmp_path, doing(gives, id="a"), doing(wrong, id="b", allow_failure=True), doing(takes))
    assert seen["a"]["outputs"] == {"ip": "10.0.0.1", "long": "x" * 5000}
    assert seen["b"]["outputs"] == {}
    assert len(run.of("step_finished", step="1")[0].data["outputs"]["long"]) < 2100


def test_a_step_that_returns_no_mapping_is_unknown(tmp_path):
    async def gives(ctx):
        return True

    assert run_suite(tmp_path, doing(gives)).verdict() == "unknown"


def test_a_condition_that_does_not_hold_skips_and_one_that_is_no_truth_is_unknown(tmp_path):
    run = run_suite(tmp_path, doing(wrong, condition="false"), doing(fine, condition="true"))
    assert run.verdict() == "passed"
    assert ended(run)["1"] == ("skipped", "")
    assert run_suite(tmp_path, doing(fine, condition="parameters.none")).verdict() == "unknown"


# Checks


def test_checks_are_observed_at_the_same_time_each_with_its_own_retry(tmp_path):
    def slow(passes_after):
        left = [passes_after]

        async def look(ctx):
            await asyncio.sleep(10)
            left[0] -= 1
            return passed(1) if left[0] < 0 else failed(0, 1, "not yet")

        return look

    checks = (looking(slow(0), text="a"), looking(slow(2), text="b", retry=Retry(max_attempts=3, delay=5)))
    run = run_suite(tmp_path, step_plan(Observes(checks, Retry(max_attempts=1))))
    assert run.verdict() == "passed"
    assert {e.data["check"]: e.data["attempts"] for e in run.of("check_observed")} == {"a": 1, "b": 3}
    assert run.duration == pytest.approx(40)


@pytest.mark.parametrize(("most", "seconds"), [(32, 20), (8, 50)])
def test_so_many_checks_look_at_the_same_time_and_the_wait_for_a_turn_is_not_their_time(tmp_path, most, seconds):
    looking_now, highest = 0, 0

    async def look(ctx):
        nonlocal looking_now, highest
        looking_now += 1
        highest = max(highest, looking_now)
        await asyncio.sleep(10)
        looking_now -= 1
        return passed(1)

    checks = tuple(looking(look, text=f"c{n}", retry=Retry(timeout=11)) for n in range(40))
    run = run_suite(tmp_path, step_plan(Observes(checks, most=most)))
    assert run.verdict() == "passed"
    assert {(e.data["attempts"], e.data["duration"]) for e in run.of("check_observed")} == {(1, 10)}
    assert (highest, run.duration) == (most, pytest.approx(seconds))


def test_a_check_that_pauses_leaves_its_turn_to_another(tmp_path):
    async def never(ctx):
        return failed(0, 1, "not yet")

    async def now(ctx):
        return passed(1)

    waiting = looking(never, text="waits", retry=Retry(max_attempts=3, delay=60))
    run = run_suite(tmp_path, step_plan(Observes((waiting, looking(now, text="quick")), most=1)))
    assert [e.data["check"] for e in run.of("check_observed")] == ["quick", "waits"]


def test_a_check_that_breaks_is_unknown_and_one_that_raises_stepfailed_is_failed(tmp_path):
    async def breaks(ctx):
        raise OSError("no such tool")

    async def says(ctx):
        return "yes"

    checks = (looking(breaks, text="a"), looking(wrong, text="b"), looking(says, text="c"))
    run = run_suite(tmp_path, step_plan(Observes(checks)))
    told = {e.data["check"]: (str(e.data["verdict"]), e.data["category"]) for e in run.of("check_observed")}
    assert told == {"a": ("unknown", "infrastructure"), "b": ("failed", "product"), "c": ("unknown", "infrastructure")}


def test_a_ready_check_object_is_looked_at(tmp_path):
    @dataclass(frozen=True)
    class Fine:
        async def observe(self, ctx):
            return Observation(verdict=Verdict.PASSED, seen=1)

    assert run_suite(tmp_path, step_plan(Observes((check_plan(Fine()),)))).verdict() == "passed"


# Exceptions and their verdicts


@pytest.mark.parametrize(
    "error, verdict, category",
    [
        (StepFailed("x"), "failed", "product"),
        (StepFailed("x", category="test"), "failed", "test"),
        (Overrun("x"), "failed", "timeout"),
        (CannotTell("x"), "unknown", "infrastructure"),
        (NotSupported("x"), "unknown", "unsupported"),
        (TimeoutError(), "unknown", "timeout"),
        (OSError(28, "No space"), "unknown", "infrastructure"),
        (AssertionError("x"), "unknown", "infrastructure"),
        (StepStopped("x", failed=True, category="test"), "failed", "test"),
        (StepStopped("x", failed=False, category="timeout"), "unknown", "timeout"),
        (ExceptionGroup("g", [OSError("a"), ExceptionGroup("h", [StepFailed("b")])]), "failed", "product"),
        (ExceptionGroup("g", [OSError("a"), TimeoutError("b")]), "unknown", "infrastructure"),
    ],
)
def test_only_stepfailed_says_that_the_product_did_wrong(error, verdict, category):
    outcome = outcome_of(error)
    assert (outcome.verdict, outcome.category) == (verdict, category)
    assert outcome.error


@pytest.mark.parametrize("wrap", [Series, Together])
def test_a_cancellation_from_inside_a_step_is_unknown_and_never_green(tmp_path, wrap):
    async def stray(ctx):
        task = asyncio.ensure_future(asyncio.sleep(50))
        asyncio.get_running_loop().call_later(1, task.cancel)
        await task

    assert run_suite(tmp_path, step_plan(wrap((doing(stray), doing(fine))))).verdict() == "unknown"
    assert run_suite(tmp_path, step_plan(Observes((looking(stray), looking(stray))))).verdict() == "unknown"


def test_a_check_is_named_by_the_values_in_it_and_a_secret_is_masked(tmp_path):
    async def fine(ctx):
        return passed()

    async def test(ctx):
        ctx.secret("tide-at-0412")
        texts = [
            "tcp:${{ suite.name }}:1",
            "http ${{ vars.nobody }}",
            "plain",
            "file ${{ suite.name }}" + "x" * 300,
            "sql tide-at-0412 ${{ suite.name }}",
        ]
        plans = [check_plan(looking(fine), text=text) for text in texts]
        return {"names": [result.check for result in await ctx.observe(plans)]}

    (done,) = run_suite(tmp_path, doing(test)).of("step_finished")
    names = done.data["outputs"]["names"]
    assert names[:3] == ["tcp:flow:1", "http ${{ vars.nobody }}", "plain"]
    assert names[3].startswith("file flowxxx")
    assert len(names[3]) == 200
    assert "tide" not in names[4]
    assert names[4].endswith(" flow")


@dataclass(frozen=True)
class Asks:
    """A check that is never content, of a program that may be other people's."""

    others: bool

    def asks_others(self, ctx):
        return self.others

    async def observe(self, ctx):
        return failed(0, 1, "not yet")


@pytest.mark.parametrize(("others", "most"), [(True, 8), (False, 600)])
def test_what_is_other_peoples_is_asked_at_a_second_that_grows_to_ten(tmp_path, others, most):
    asks = check_plan(Asks(others), text="asks", retry=Retry(timeout=30))
    run = run_suite(tmp_path, step_plan(Observes((asks,))))
    (looked,) = run.of("check_observed")
    assert looked.data["verdict"] == "failed"
    assert most / 2 < looked.data["attempts"] <= most


def test_a_delay_in_the_document_is_obeyed_for_other_peoples_programs_too(tmp_path):
    asks = check_plan(Asks(True), text="asks", retry=Retry(timeout=30, delay=0.25))
    run = run_suite(tmp_path, step_plan(Observes((asks,))))
    assert run.of("check_observed")[0].data["attempts"] == 120
