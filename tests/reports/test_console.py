"""The console's lines: plain, complete, and honest."""

from __future__ import annotations

import io
import re

import pytest
from tests.reports.story import Story, frozen, suite

from seatrial.reports.console import Console
from seatrial.reports.document import render


def lines(story: Story, **options: object) -> list[str]:
    return render("console", story.events, options=options).splitlines()


def test_without_being_asked_there_is_no_control_character() -> None:
    text = render("console", frozen())
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text) == []


def test_colours_come_only_when_asked_and_change_no_word() -> None:
    plain, coloured = render("console", frozen()), render("console", frozen(), options={"colour": True})
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_escapes_in_what_others_wrote_never_reach_the_terminal() -> None:
    nasty = "\x1b[2J\x1b]0;title\x07evil\x08\u202e"
    story = Story().plan(name=nasty).begin().start("1").check("1", nasty, "failed", seen=nasty, why=nasty)
    story.end("1", "failed", error=nasty, evidence=nasty).tell("log", "t1", level="error", text=nasty)
    text = "\n".join(lines(story.over("failed", error=nasty).done("failed", 1)))
    assert "\x1b" not in text
    assert "\x08" not in text
    assert "\u202e" not in text
    assert "evil" in text


def test_every_failure_says_what_was_seen_and_expected_and_how_often_it_looked() -> None:
    text = render("console", frozen())
    assert 'seen: {"acknowledged": 120' in text
    assert "expected: every acknowledged record on every healthy node" in text
    assert "attempts: 3 in 0.6s" in text
    assert "why: n11 refused our key (publickey)" in text


def test_an_ascii_terminal_gets_ascii_marks_and_the_same_words() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    report = Console(out)
    for event in [*frozen()]:
        report.on(event)
    report.on(Story().tell("log", level="error", text="größer ✓").events[0])
    report.close()
    out.seek(0)
    text = out.read()
    assert "x validate  Nothing was lost  FAILED" in text
    assert "RESULT: FAILED" in text


@pytest.mark.parametrize(
    ("story", "result"),
    [
        (suite().done(), "RESULT: PASSED   1 passed   Total: 9.0s"),
        (suite("failed").done("failed", 1), "RESULT: FAILED   1 failed   Total: 9.0s"),
        (suite("unknown").done("unknown", 3), "RESULT: UNKNOWN   1 unknown   Total: 9.0s"),
        (suite().done("passed", 4, left=1), "RESULT: LEFT BEHIND   1 passed   Total: 9.0s"),
        (Story().tell("run_started").done("unknown", 5), "RESULT: NOTHING RAN   no suites   Total: 9.0s"),
    ],
)
def test_the_last_lines_give_the_result_and_what_the_exit_code_means(story: Story, result: str) -> None:
    told = lines(story)
    assert result in told
    assert re.match(r"Exit code \d: \w", told[-1])


def test_a_run_that_was_killed_is_summed_up_as_such() -> None:
    told = lines(Story().tell("run_started").plan().begin().start("1"))
    assert any("INTERRUPTED" in line for line in told)
    assert any("did not finish" in line for line in told)
    assert told[-1].startswith("Exit code 3")


def test_suites_in_parallel_are_told_apart_and_one_alone_needs_no_prefix() -> None:
    parallel = lines(Story().plan("t1").plan("t2").begin("t1").begin("t2").start("1", "t2").end("1", trial="t2"))
    assert any(line.startswith("[suite t2]   ✓ ") for line in parallel)
    assert not any(line.startswith("[") for line in lines(suite().done()))
    alone = Story().tell("run_started", options={"parallel": 4}).plan().begin().start("1").end("1").over().done()
    assert not any(line.startswith("[") for line in lines(alone)), "the only suite was told apart"


def test_what_a_check_said_is_not_told_again_as_evidence() -> None:
    told = "failed: tcp: refused [1 look in 0.01 s]"
    story = Story().plan().begin().start("1").check("1", "tcp", "failed", why="refused")
    story.end("1", "failed", error="tcp: refused", evidence=f"{told}\nthe port was open at 09:00")
    text = "\n".join(lines(story.over("failed").done("failed", 1)))
    assert told not in text
    assert "| the port was open at 09:00" in text


def test_what_was_kept_is_counted_and_the_way_to_give_it_back_is_named() -> None:
    story = Story().plan().begin().start("1").end("1", "failed", error="no")
    story.tell("cleanup_finished", "t1", given_back=0, kept=[{"kind": "node", "name": "n11"}], left=[])
    told = lines(story.over("failed").done("failed", 1))
    at = told.index("Kept: 1 resource; remove with")
    assert told[at + 1] == f"  seatrial clean {story.run} --all"


def test_a_suite_in_which_nothing_decided_and_that_left_something_is_not_told_as_skipped() -> None:
    left = {"kind": "node", "name": "n11", "error": "it does not stop"}
    story = Story().plan().begin().start("1").end("1", "passed")
    story.tell("cleanup_finished", "t1", given_back=0, kept=[], left=[left])
    story.over("", status="skipped", left=1, category="clean-up", error="1 resource was left behind", reason="why not")
    told = lines(story.done("unknown", 4, left=1))
    (row,) = [line for line in told if "LEFT BEHIND: clean-up" in line]
    at = told.index(row)
    assert [line.strip() for line in told[at + 1 : at + 3]] == ["1 resource was left behind", "why not"]


def test_of_many_suites_the_summary_lists_those_that_did_not_pass() -> None:
    story = Story().tell("run_started")
    for index in range(60):
        story.plan(f"t{index}").begin(f"t{index}").over("failed" if index == 7 else "passed", f"t{index}")
    told = lines(story.done("failed", 1))
    summary = told[told.index("Summary") :]
    assert [line for line in summary if "suite t" in line and "FAILED" in line]
    assert "  59 more suites passed" in summary


def test_the_paths_of_reports_are_named() -> None:
    assert lines(suite().done(), reports=["out/report.html"])[-1] == "Report: out/report.html"


def test_the_summary_fits_60_columns() -> None:
    told = lines(suite("failed").done("failed", 1))
    assert max(len(line) for line in told) <= 60


def test_a_suite_whose_cluster_was_not_deployed_says_whose_it_is() -> None:
    story = Story().plan("t1", name="first").plan("t2", name="second").begin("t2").start("1", trial="t2")
    story.tell("cluster", "t2", op="reused", deployed_by="t1", nodes=["n11"], step="1", duration=1.2)
    story.tell("cluster", "t2", op="dropped", deployed_by="t1", nodes=["n11"], step="1", why="it broke")
    told = [line.strip() for line in lines(story)]
    assert "not deployed: restored from the snapshot of first  (1.2s)" in told
    assert not any("it broke" in line for line in told)
