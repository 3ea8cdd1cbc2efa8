"""Annotations: one line each, escaped, and no more than GitHub shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.reports.story import Story, suite
from tests.reports.test_junit import NOT_GREEN

from seatrial.reports.document import render


def lines(story: Story, **options: object) -> list[str]:
    return render("annotations", story.events, options=options).splitlines()


def test_marks_with_a_meaning_are_escaped() -> None:
    story = Story().plan(name="a, b: 100%", document="dir,1/a:b.yaml").begin()
    (line,) = lines(story.over("failed", error="50% of\r\n::error::lines, all: red").done("failed", 1))
    assert line.startswith("::error file=dir%2C1/a%3Ab.yaml,line=3,title=a%2C b%3A 100%25%3A failed::")
    assert "50%25 of ::error::lines, all: red" in line


def test_several_lines_become_one_command() -> None:
    story = Story().plan().begin().start("1").check("1", "http", "failed", seen=500, expected=200)
    (line,) = lines(story.end("1", "failed").over("failed", error="no").done("failed", 1))
    assert "%0Astep 1, http: seen: 500; expected: 200" in line


def test_no_more_than_ten_of_a_level_and_the_last_says_how_many_more() -> None:
    story = Story()
    for index in range(25):
        trial = f"t{index}"
        story.plan(trial, [("1", "validate")]).begin(trial).start("1", trial)
        story.check("1", "ui", "failed", trial, allowed_failure=True).end("1", "passed", trial).over("failed", trial)
    told = lines(story.done("failed", 1))
    assert sum(line.startswith("::error") for line in told) == 10
    assert sum(line.startswith("::warning") for line in told) == 10
    assert "16 more" in told[9]


def test_failed_suites_come_before_those_that_could_not_be_judged() -> None:
    story = suite("unknown").plan("t2").begin("t2").over("failed", "t2").done("failed", 1)
    assert [line.rpartition("title=")[2].partition("::")[0] for line in lines(story)] == [
        "suite t2%3A failed",
        "suite t1%3A unknown",
    ]


def test_files_are_named_from_the_root_of_what_is_checked_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deploy").mkdir()
    monkeypatch.chdir(tmp_path / "deploy")
    story = Story().plan(document="a.yaml").begin().over("failed", error="no").done("failed", 1)
    assert "file=deploy/a.yaml,line=3," in lines(story, workspace=str(tmp_path))[0]
    assert "file=a.yaml,line=3," in lines(story)[0]
    # What is somewhere else keeps its name.
    assert "file=a.yaml,line=3," in lines(story, workspace=str(tmp_path / "other"))[0]


@pytest.mark.parametrize("story", NOT_GREEN)
def test_whatever_is_not_a_pass_has_an_error(story: Story) -> None:
    assert any(line.startswith("::error") for line in lines(story))


def test_a_pass_says_nothing() -> None:
    assert lines(suite().done()) == []


def test_a_document_in_the_repository_is_named_by_its_path_in_it() -> None:
    story = Story().plan(document="/repo/scenarios/a.yaml").begin().over("failed").done("failed", 1)
    assert lines(story, root="/repo")[0].startswith("::error file=scenarios/a.yaml,")
    assert lines(story, root="/elsewhere")[0].startswith("::error file=/repo/scenarios/a.yaml,")
