"""The fold tells the truth about finished runs, and about logs that were cut anywhere."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.effort import examples
from tests.reports.story import Story, frozen, suite

from seatrial.model.event import Event
from seatrial.model.fold import Fold

FROZEN = frozen()


def folded(events: Any, *, live: bool = False) -> Fold:
    fold = Fold(live=live)
    for event in events:
        fold.on(event)
    return fold


def rows(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for step in steps for one in (step, *rows(step["steps"]))]


def test_results_have_the_promised_shape() -> None:
    results = folded(FROZEN).results()
    assert {"run_id", "success", "verdict", "duration", "totals", "results"} <= set(results)
    assert results["totals"] == {"passed": 2, "failed": 1, "unknown": 1, "skipped": 1, "pending": 0}
    for row in results["results"]:
        promised = {"deployment_id", "success", "duration", "workflow_steps", "verdict", "category", "evidence"}
        assert promised | {"provenance", "test_id", "trial_id", "status", "reason", "left_behind"} <= set(row)
        assert set(row["provenance"]) == {"document", "line", "provider", "parameters", "seatrial", "host"}
        for step in rows(row["workflow_steps"]):
            assert {"step_type", "description", "status", "duration", "error", "validation_results"} <= set(step)
            assert step["status"] in ("pending", "running", "completed", "failed", "skipped")
    json.dumps(results)


def test_a_check_keeps_what_was_seen_and_expected() -> None:
    failed = folded(FROZEN).results()["results"][1]["workflow_steps"][5]["validation_results"][1]
    assert failed["check"] == "data_integrity"
    assert (failed["passed"], failed["verdict"], failed["attempts"]) == (False, "failed", 3)
    assert failed["seen"]["lost"] == {"n13": ["87", "88"]}
    assert failed["expected"] == "every acknowledged record on every healthy node"
    assert (failed["category"], failed["duration"], failed["allowed_failure"]) == ("product", 0.6, False)


def test_the_frozen_run_is_red_with_exit_code_1() -> None:
    fold = folded(FROZEN)
    assert (fold.verdict(), fold.exit_code(), fold.results()["success"]) == ("failed", 1, False)


def test_a_run_where_all_passed_is_green() -> None:
    fold = folded(suite().done().events)
    assert (fold.verdict(), fold.exit_code(), fold.results()["success"]) == ("passed", 0, True)
    assert fold.suite("t1")["success"] is True


def test_every_planned_suite_has_a_pending_row_at_once() -> None:
    fold = folded(Story().plan("t1").plan("t2").events)
    assert [row["status"] for row in fold.results()["results"]] == ["pending", "pending"]
    assert fold.totals["pending"] == 2
    assert [step["status"] for step in fold.suite("t1")["workflow_steps"]] == ["pending", "pending"]
    assert fold.exit_code() == 3


def test_a_run_that_is_not_finished_is_never_green() -> None:
    assert folded(suite().events).exit_code() == 3
    assert folded(suite("failed").events).exit_code() == 1


@pytest.mark.parametrize(
    ("events", "code"),
    [
        (suite("failed").done("failed", 1), 1),
        (suite("unknown").done("unknown", 3), 3),
        (suite("failed").done("failed", 1, "SIGINT"), 130),
        (suite().done("passed", 0, "SIGTERM"), 143),
        (suite().done("passed", 0, "SIGHUP"), 129),
        (suite().done("passed", 4, left=1), 4),
        (suite("failed").done("failed", 1, left=1), 1),
        (suite("unknown").done("unknown", 3, left=1), 3),
        (suite().plan("t2").over("", "t2", status="skipped").done(), 0),
        (suite().plan("t2").done(), 3),
        (Story().plan().over("", status="skipped", reason="no").done("unknown", 5), 5),
        (Story().tell("run_started").done("unknown", 5), 5),
        (suite().done("unknown", 3), 3),
        (Story(), 3),
    ],
)
def test_of_several_exit_codes_the_gravest_counts(events: Story, code: int) -> None:
    fold = folded(events.events)
    assert fold.exit_code() == code
    assert fold.results()["success"] is (code == 0)


def test_a_failed_suite_outweighs_an_unknown_one() -> None:
    story = suite("unknown").plan("t2").begin("t2").over("failed", "t2").done("failed", 1)
    assert folded(story.events).exit_code() == 1


def test_what_is_left_behind_is_red_though_the_verdict_is_passed() -> None:
    left = [{"kind": "node", "name": "n11", "owner": "provider:local", "error": "busy"}]
    story = Story().plan().begin().tell("cleanup_finished", "t1", given_back=1, kept=[], left=left)
    fold = folded(story.over("passed", left=1, category="clean-up").done("passed", 4, left=1).events)
    row = fold.suite("t1")
    assert (row["verdict"], row["success"], row["category"]) == ("passed", False, "clean-up")
    assert row["left_behind"] == left
    assert fold.exit_code() == 4


def test_something_left_is_told_once_though_resource_and_cleanup_both_say_it() -> None:
    left: dict[str, Any] = {"kind": "node", "name": "n11", "owner": "provider:local", "error": "busy"}
    story = Story().plan().begin().tell("resource", "t1", op="left", **left)
    story.tell("cleanup_finished", "t1", given_back=0, kept=[], left=[left]).over(left=1)
    assert len(folded(story.events).suite("t1")["left_behind"]) == 1


def test_a_later_clean_takes_what_it_gave_back_off_the_list_and_the_run_stays_red() -> None:
    left: dict[str, Any] = {"kind": "node", "name": "n11", "owner": "provider:local"}
    story = Story().plan().begin().tell("resource", "t1", op="left", **left).over(left=1).done("passed", 4, left=1)
    fold = folded(story.tell("resource", "", op="given_back", **left).events)
    assert fold.suite("t1")["left_behind"] == []
    assert fold.exit_code() == 4


def test_a_step_that_never_ended_is_told_as_interrupted() -> None:
    fold = folded(Story().plan().begin().start("1").tell("log", "t1", level="info", text="…", after=4).events)
    row = fold.suite("t1")
    step = row["workflow_steps"][0]
    assert (step["status"], step["verdict"], step["interrupted"], step["duration"]) == ("running", "unknown", True, 4.0)
    assert (row["status"], row["verdict"], row["interrupted"], row["success"]) == ("running", "unknown", True, False)
    assert fold.totals == {"passed": 0, "failed": 0, "unknown": 1, "skipped": 0, "pending": 0}
    assert row["workflow_steps"][1]["status"] == "pending"


def test_a_living_run_is_running_and_not_interrupted() -> None:
    fold = folded(Story().plan().begin().start("1").events, live=True)
    row = fold.suite("t1")
    assert "interrupted" not in row
    assert "interrupted" not in row["workflow_steps"][0]
    assert fold.totals["pending"] == 1


@pytest.mark.parametrize("live", [True, False])
def test_a_clean_that_ends_a_dead_run_ends_its_suites_and_steps(live: bool) -> None:
    story = Story().plan().begin().start("1").done("unknown", 3, "SIGKILL")
    fold = folded(story.events, live=live)
    row = fold.suite("t1")
    assert [step["status"] for step in row["workflow_steps"]] == ["failed", "skipped"]
    assert (row["status"], row["verdict"], row["interrupted"]) == ("failed", "unknown", True)
    assert row["workflow_steps"][0]["verdict"] == "unknown"
    assert fold.totals["unknown"] == 1
    assert fold.exit_code() == 3


def test_a_log_cut_after_a_failed_step_still_says_that_the_product_failed() -> None:
    story = Story().plan().begin().start("1").end("1", "failed", error="exit code 1", category="product")
    fold = folded(story.events)
    assert (fold.suite("t1")["verdict"], fold.suite("t1")["category"], fold.exit_code()) == ("failed", "product", 1)


def test_a_failure_that_is_allowed_does_not_decide() -> None:
    story = Story().plan().begin().start("1").end("1", "failed", allowed=True)
    fold = folded(story.events)
    assert fold.suite("t1")["verdict"] == "unknown"
    assert fold.suite("t1")["workflow_steps"][0]["allowed_failure"] is True


REPEAT = [{"step": "1", "type": "repeat", "steps": [{"step": "1.1", "type": "wait"}, {"step": "1.2", "type": "set"}]}]


def test_rounds_of_repeated_children_are_rows_of_their_own() -> None:
    story = Story().plan(steps=REPEAT).begin().start("1")
    for round_ in (1, 2):
        story.start(f"1#{round_}.1").end(f"1#{round_}.1").start(f"1#{round_}.2").end(f"1#{round_}.2")
    children = folded(story.end("1").over().done().events).suite("t1")["workflow_steps"][0]["steps"]
    assert [(child["step"], child["round"]) for child in children] == [
        ("1#1.1", "1"),
        ("1#1.2", "1"),
        ("1#2.1", "2"),
        ("1#2.2", "2"),
    ]
    assert {child["status"] for child in children} == {"completed"}


def test_a_round_that_was_cut_shows_what_it_still_had_to_do() -> None:
    story = Story().plan(steps=REPEAT).begin().start("1").start("1#1.1")
    children = folded(story.events).suite("t1")["workflow_steps"][0]["steps"]
    assert [(child["step"], child["status"]) for child in children] == [("1#1.1", "running"), ("1#1.2", "pending")]
    assert children[1]["step_type"] == "set"


def test_rounds_within_rounds_are_nested() -> None:
    inner = {"step": "1.1", "type": "repeat", "steps": [{"step": "1.1.1", "type": "wait"}]}
    story = Story().plan(steps=[{"step": "1", "type": "repeat", "steps": [inner]}]).begin().start("1")
    story.start("1#1.1").start("1#1.1#1.1").end("1#1.1#1.1").start("1#1.1#2.1")
    outer = folded(story.events).suite("t1")["workflow_steps"][0]["steps"]
    assert [row["step"] for row in outer] == ["1#1.1"]
    assert [row["step"] for row in outer[0]["steps"]] == ["1#1.1#1.1", "1#1.1#2.1"]


def test_a_group_that_is_tried_again_starts_over_with_its_children() -> None:
    group = [
        {"step": "1", "type": "group", "steps": [{"step": "1.1", "type": "wait"}, {"step": "1.2", "type": "wait"}]}
    ]
    story = Story().plan(steps=group).begin().start("1").start("1.1").check("1.1", "http", "failed")
    story.end("1.1", "failed", error="first").start("1.1").check("1.1", "http")
    child = folded(story.events).suite("t1")["workflow_steps"][0]["steps"][0]
    assert (child["status"], child["error"]) == ("running", "")
    assert [check["verdict"] for check in child["validation_results"]] == ["passed"]


def test_children_that_never_began_are_skipped_when_their_parent_ends() -> None:
    group = [
        {"step": "1", "type": "group", "steps": [{"step": "1.1", "type": "wait"}, {"step": "1.2", "type": "wait"}]}
    ]
    story = Story().plan(steps=group).begin().start("1").start("1.1").end("1", "failed")
    children = folded(story.events).suite("t1")["workflow_steps"][0]["steps"]
    assert [(child["status"], child["verdict"]) for child in children] == [("failed", "unknown"), ("skipped", "")]
    assert children[1]["reason"]


def test_closing_says_how_the_run_would_end_now() -> None:
    fold = folded(suite().events)
    assert fold.closing() == ("passed", 0)
    assert fold.closing(trouble=True) == ("unknown", 3)
    assert fold.closing("SIGTERM") == ("unknown", 143)
    assert folded(suite("failed").events).closing(trouble=True) == ("failed", 1)


@settings(max_examples=examples(120), deadline=None)
@given(st.integers(0, len(FROZEN)), st.booleans())
def test_a_log_cut_anywhere_folds_into_true_results(cut: int, live: bool) -> None:
    fold = folded(FROZEN[:cut], live=live)
    results = fold.results()
    assert sum(fold.totals.values()) == len(results["results"])
    if cut < len(FROZEN):
        assert not results["success"]
        assert results["exit_code"] in (1, 3)
    finished = {event.trial for event in FROZEN[:cut] if event.kind == "suite_finished"}
    for row in results["results"]:
        if row["trial_id"] not in finished:
            assert not row["success"]
            assert row["status"] in ("pending", "running")
            assert row["verdict"] != "passed"
            for step in rows(row["workflow_steps"]):
                assert step["status"] != "running" or step["verdict"] == "unknown"
                assert step["status"] != "running" or bool(step.get("interrupted")) is not live


@settings(max_examples=examples(120), deadline=None)
@given(st.lists(st.sampled_from(FROZEN), max_size=60), st.booleans())
def test_a_log_with_holes_and_in_any_order_is_never_green_by_mistake(events: list[Event], live: bool) -> None:
    fold = folded(events, live=live)
    results = fold.results()
    assert sum(fold.totals.values()) == len(results["results"])
    assert min(fold.totals.values()) >= 0
    assert not results["success"]
    json.dumps(results)


def test_20000_events_fold_in_a_quarter_of_a_second() -> None:
    story = Story()
    steps = [(str(number), "wait") for number in range(1, 51)]
    for index in range(100):
        trial = f"t{index}"
        story.plan(trial, steps).begin(trial)
        for number in range(1, 51):
            step = str(number)
            story.start(step, trial).check(step, "tcp", trial=trial).tell("node", trial, node="n11", state="running")
            story.end(step, trial=trial)
        story.over(trial=trial)
    assert len(story.events) > 20_000
    spent = []
    for _ in range(3):
        begin = time.process_time()
        fold = folded(story.done().events)
        fold.results()
        spent.append(time.process_time() - begin)
    assert min(spent) < 0.25


def soak(rounds: int, failed: tuple[int, ...] = ()) -> Story:
    story = Story().plan(steps=REPEAT).begin().start("1")
    for number in range(1, rounds + 1):
        verdict, allowed = ("failed", True) if number in failed else ("passed", False)
        story.start(f"1#{number}.1").end(f"1#{number}.1", verdict, allowed=allowed).start(f"1#{number}.2").end(
            f"1#{number}.2"
        )
    return story


def test_of_many_rounds_the_first_the_last_and_those_that_did_not_pass_stay() -> None:
    results = folded(soak(12_000, failed=(500,)).end("1").over().done().events).results()
    (repeat,) = results["results"][0]["workflow_steps"]
    rounds = sorted({int(row["round"]) for row in repeat["steps"]})
    assert len(repeat["steps"]) < 20_100
    assert repeat["rounds_left_out"] == 12_000 - len(rounds)
    assert rounds[:101] == [*range(1, 101), 500]
    assert rounds[101:] == list(range(rounds[101], 12_001))
    assert [row["step"] for row in repeat["steps"][-2:]] == ["1#12000.1", "1#12000.2"]


def test_a_new_attempt_of_a_step_with_rounds_that_were_left_out_begins_with_none() -> None:
    story = soak(12_000).start("1", attempt=2)
    (repeat,) = folded(story.events).results()["results"][0]["workflow_steps"]
    assert [row["step"] for row in repeat["steps"]] == ["1.1", "1.2"]
    story.start("1#1.1").end("1#1.1")
    (repeat,) = folded(story.events).results()["results"][0]["workflow_steps"]
    assert [(row["step"], row["status"]) for row in repeat["steps"]] == [("1#1.1", "completed"), ("1#1.2", "pending")]


@pytest.mark.slow
def test_rounds_cost_the_same_however_many_there_were() -> None:
    def seconds(rounds: int) -> float:
        events = soak(rounds).events
        return min(_timed(events) for _ in range(5))

    few, many = seconds(2_000), seconds(32_000)
    assert many / few < 80, (few, many)  # linear: 16; quadratic: 256


def _timed(events: Any) -> float:
    began = time.process_time()
    folded(events)
    return time.process_time() - began
