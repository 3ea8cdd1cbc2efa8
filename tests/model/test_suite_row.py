"""A run of very many suites: their steps are packed, and nobody notices."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from tests.reports.story import Story, frozen

from seatrial.model import fold as folds
from seatrial.model.fold import Fold
from seatrial.reports.document import render


def folded(events: Any, *, live: bool = False) -> Fold:
    fold = Fold(live=live)
    for event in events:
        fold.on(event)
    return fold


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a few suites were many."""
    monkeypatch.setattr(folds, "MANY", 0)


@pytest.mark.parametrize("live", [True, False])
def test_results_are_the_same_wherever_the_journal_ends(live: bool, few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    events = frozen()
    for count in range(0, len(events), 7):
        packed = folded(events[:count], live=live).results()
        with monkeypatch.context() as patched:
            patched.setattr(folds, "MANY", 1000)
            plain = folded(events[:count], live=live).results()
        assert json.dumps(packed) == json.dumps(plain)


@pytest.mark.parametrize("name", ["json", "junit", "html", "console", "ctrf", "github"])
def test_reports_are_the_same(name: str, few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = render(name, frozen())
    monkeypatch.setattr(folds, "MANY", 1000)
    assert packed == render(name, frozen())


def test_a_copy_of_a_row_has_its_steps(few: None) -> None:
    row = folded(Story().plan().begin().start("1").end("1").events).suites["t1"]
    ended = folded(Story().plan().begin().start("1").end("1").tell("suite_finished", "t1", verdict="passed").events)
    assert not row.packed
    row = ended.suites["t1"]
    assert row.packed
    for copy in (dict(row), {**row}, json.loads(json.dumps(row)), dict(row.items())):
        assert [step["status"] for step in copy["workflow_steps"]] == ["completed", "skipped"]
    assert row.get("workflow_steps") == list(row.values())[list(row).index("workflow_steps")]


def test_what_comes_after_the_end_of_a_suite_is_in_its_row(few: None) -> None:
    story = Story().plan().begin().start("1").end("1").tell("suite_finished", "t1", verdict="passed")
    fold = folded(story.start("1", attempt=2).end("1", "failed").events)
    assert fold.suites["t1"]["workflow_steps"][0]["verdict"] == "failed"
    assert fold.step("t1", "1") is fold.suites["t1"]["workflow_steps"][0]


@pytest.mark.parametrize("events", [[], frozen()])
def test_the_report_in_json_is_written_in_parts_as_one_document(events: Any) -> None:
    whole = json.dumps(folded(events).results(), ensure_ascii=False, indent=2) + "\n"
    assert render("json", events) == whole


def test_very_many_suites_need_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [(str(number), "wait") for number in range(1, 11)]
    story = Story()
    for trial in map(str, range(300)):
        story.plan(trial, steps)
    for trial in map(str, range(300)):
        story.begin(trial)
        for path, _ in steps:
            story.start(path, trial).end(path, trial=trial)
        story.tell("suite_finished", trial, verdict="passed")

    def kept() -> int:
        tracemalloc.start()
        fold = folded(story.events)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(fold.suites) == 300
        return size

    plain = kept()
    monkeypatch.setattr(folds, "MANY", 10)
    assert kept() < plain / 3
