"""results.json and result.json are true at every moment of the run."""

from __future__ import annotations

import io
import json
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.reports.story import Story, frozen, suite

from seatrial.model.fold import Fold
from seatrial.reports import json as module
from seatrial.reports.json import Json, write_all


def read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each write takes 10 ms."""
    monkeypatch.setattr(module, "perf_counter", count(step=0.01).__next__)


def test_the_files_hold_what_the_fold_says(tmp_path: Path) -> None:
    report, fold = Json(tmp_path), Fold()
    for event in frozen():
        report.on(event)
        fold.on(event)
    report.close()
    assert read(tmp_path / "results.json") == fold.results()
    for trial, row in fold.suites.items():
        if row["folder"]:
            assert read(tmp_path / row["folder"] / "result.json") == fold.suite(trial)


def test_after_every_event_the_file_on_disk_is_whole_and_not_green(tmp_path: Path) -> None:
    report = Json(tmp_path)
    for event in frozen():
        report.on(event)
        assert read(tmp_path / "results.json")["success"] is False


def test_the_first_file_is_there_with_the_first_event(tmp_path: Path) -> None:
    report = Json(tmp_path)
    report.on(Story().tell("run_started").events[0])
    assert read(tmp_path / "results.json")["finished"] is False


def test_a_suite_that_ended_is_on_disk_at_once(tmp_path: Path) -> None:
    report = Json(tmp_path)
    for event in suite().events:
        report.on(event)
    assert read(tmp_path / "suites/t1/result.json")["success"] is True
    assert read(tmp_path / "results.json")["results"][0]["verdict"] == "passed"


def test_between_two_ends_it_is_written_at_most_twice_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    monkeypatch.setattr(module, "write_whole", lambda file, content, mode: written.append(file.name))
    story = Story().tell("run_started").plan().begin()
    for _ in range(100):
        story.tell("log", "t1", after=0.05, level="info", text="…")
    report = Json(tmp_path)
    for event in story.events:
        report.on(event)
    assert 8 <= written.count("results.json") <= 14


def test_writing_takes_a_tenth_of_the_time_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    monkeypatch.setattr(module, "perf_counter", count(step=0.04).__next__)
    monkeypatch.setattr(module, "write_whole", lambda file, content, mode: written.append(file.name))
    story = Story().tell("run_started")
    for index in range(1000):
        story.plan(f"t{index}", [(str(n), "wait") for n in range(1, 11)], name="x" * 100)
    for index in range(1000):
        story.begin(f"t{index}").over("passed", f"t{index}", after=0.001)
        story.at -= 1.0
    report = Json(tmp_path)
    for event in story.done().events:
        report.on(event)
    report.close()
    assert written.count("result.json") >= 1000
    after_planning = written[written.index("result.json") :]
    assert after_planning.count("results.json") <= 4


def test_of_many_running_suites_each_file_is_written_in_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(
        module, "write_whole", lambda file, content, mode: written.append(f"{file.parent.name}/{file.name}")
    )
    story, names = Story().tell("run_started"), [f"t{index}" for index in range(100)]
    for name in names:
        story.plan(name).begin(name)
    report = Json(tmp_path)
    for event in story.events:
        report.on(event)
    written.clear()
    story.events.clear()
    for _ in range(4):
        for name in names:
            story.tell("log", name, after=0.0, level="info", text="…")
        story.tell("log", names[0], after=module.PAUSE * 2, level="info", text="…")
    turns = []
    for event in story.events:
        report.on(event)
        turns.append(len(written))
    assert {f"{name}/result.json" for name in names} <= set(written)
    assert max(after - before for before, after in pairwise(turns)) <= module.ABREAST + 1


def test_steps_that_were_cut_off_are_in_the_suite_file_of_a_run_that_was_ended_later(tmp_path: Path) -> None:
    report = Json(tmp_path)
    for event in Story().plan().begin().start("1").done("unknown", 3).events:
        report.on(event)
    report.close()
    assert read(tmp_path / "suites/t1/result.json")["workflow_steps"][0]["interrupted"] is True


def test_write_all_writes_every_file_again(tmp_path: Path) -> None:
    fold = Fold()
    for event in suite().done().events:
        fold.on(event)
    write_all(tmp_path, fold)
    assert read(tmp_path / "results.json")["success"] is True
    assert read(tmp_path / "suites/t1/result.json")["trial_id"] == "t1"
    assert sorted(file.name for file in tmp_path.rglob(".*")) == []


def test_a_stream_gets_one_document_at_the_end() -> None:
    out = io.StringIO()
    report = Json(out)
    for event in suite().done().events:
        report.on(event)
    assert out.getvalue() == ""
    report.close()
    assert json.loads(out.getvalue())["success"] is True


def test_what_json_cannot_hold_is_written_as_text(tmp_path: Path) -> None:
    story = Story().plan().begin().check("1", "file", seen=Path("/etc/hosts"), why="\ud800")
    report = Json(tmp_path)
    for event in story.done().events:
        report.on(event)
    report.close()
    check = read(tmp_path / "results.json")["results"][0]["workflow_steps"][0]["validation_results"][0]
    assert check["seen"] == "/etc/hosts"
