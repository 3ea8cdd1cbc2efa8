"""What is said of a pipeline: word for word of a frozen run, and the example of the specification.

`SEATRIAL_WRITE_GOLDENS=1` writes the goldens anew; read the difference then.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from tests.reports.story import Story

from seatrial.model.event import Event
from seatrial.model.fold import Fold
from seatrial.preflight.reports.stages import pipeline_of
from seatrial.reports.document import render

FROZEN = Path(__file__).with_name("preflight.jsonl")
GOLDEN = Path(__file__).with_name("golden")
FILES = {
    "preflight": "preflight.txt",
    "preflight_json": "preflight.json",
    "compact": "preflight-compact.txt",
    "junit": "preflight-junit.xml",
    "annotations": "preflight-annotations.txt",
    "preflight_github": "preflight-summary.md",
}

SPECIFICATION = """\
Build Stage ✓                                     [5.9s]
  ✓ Django container                            (1.4s)
Quality Stage ✗                                   [3.2s]
  ✗ mypy                                        (3.1s)
    → app/views.py:45: error: …
  ○ pytest (skipped: needs mypy)
RESULT: FAILED                                  Total: 9.3s
"""
"""The lines that users and their scripts rely on."""


def frozen() -> list[Event]:
    return [Event(**json.loads(line)) for line in FROZEN.read_text(encoding="utf-8").splitlines()]


def check(step: str, id: str, title: str = "") -> dict[str, Any]:
    return {"step": step, "type": "pipeline_check", "id": id, "description": title or id.partition("/")[2]}


def stage(step: str, id: str, title: str, *checks: dict[str, Any]) -> dict[str, Any]:
    return {"step": step, "type": "stage", "id": id, "description": title, "steps": list(checks)}


def specified() -> Story:
    """The run that the specification shows."""
    build = stage("1.1", "build", "Build Stage", check("1.1.1", "build/django", "Django container"))
    quality = stage("1.2", "quality", "Quality Stage", check("1.2.1", "quality/mypy"), check("1.2.2", "quality/pytest"))
    story = Story().tell("run_started", version="0.1.0", host="project")
    story.plan("t1", [{"step": "1", "type": "stages", "steps": [build, quality]}], name="Consultancy").begin()
    story.start("1", type="stages").start("1.1", type="stage").start("1.1.1", type="pipeline_check")
    story.end("1.1.1", type="pipeline_check", duration=1.4).end("1.1", type="stage", duration=5.9)
    story.start("1.2", type="stage").start("1.2.1", type="pipeline_check")
    problem = {"file": "app/views.py", "path": "", "line": 45, "column": 0, "severity": "error", "message": "error: …"}
    story.tell("problems", "t1", step="1.2.1", problems=[problem], count=1, lines=[], log="", again="")
    story.end("1.2.1", "failed", type="pipeline_check", duration=3.1, error="app/views.py:45: error: …")
    reason = "needs quality/mypy, which failed"
    story.tell("step_finished", "t1", step="1.2.2", type="pipeline_check", status="skipped", reason=reason)
    story.end("1.2", "failed", type="stage", duration=3.2, error="quality/mypy: …")
    story.end("1", "failed", type="stages", duration=9.2, error="quality/mypy: …").over("failed")
    story.tell("run_finished", verdict="failed", exit_code=1, interrupted="", left=0, duration=9.3)
    return story


@pytest.mark.parametrize("name", FILES)
def test_the_report_of_the_frozen_pipeline_is_unchanged(name: str) -> None:
    file = GOLDEN / FILES[name]
    text = render(name, frozen())
    if os.environ.get("SEATRIAL_WRITE_GOLDENS") == "1":
        file.write_text(text, encoding="utf-8")
        pytest.skip(f"{file.name} was written")
    assert text == file.read_text(encoding="utf-8")


def test_the_console_is_the_one_of_the_specification() -> None:
    text = render("preflight", specified().events)
    assert SPECIFICATION in text
    assert text.endswith("1 check(s) failed. Fix issues and retry.\n\nquality/mypy\n")


def test_the_json_has_the_keys_of_the_specification() -> None:
    data = json.loads(render("preflight_json", specified().events))
    assert data["result"] == "failed"
    assert data["duration_seconds"] == 9.3
    assert data["stages"]["build"] == {
        "status": "passed",
        "duration_seconds": 5.9,
        "checks": [{"name": "django", "status": "passed", "duration_seconds": 1.4, "title": "Django container"}],
    }
    mypy, pytest_ = data["stages"]["quality"]["checks"]
    assert (mypy["name"], mypy["status"], mypy["duration_seconds"]) == ("mypy", "failed", 3.1)
    assert mypy["error"] == "app/views.py:45: error: …"
    assert (pytest_["status"], pytest_["reason"]) == ("skipped", "needs mypy, which failed")


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_all_forms_agree_wherever_the_run_was_cut_off(cut: int) -> None:
    events = frozen()[: max(1, cut)]
    console, data = render("preflight", events), json.loads(render("preflight_json", events))
    short = render("compact", events)
    assert f"RESULT: {data['result'].upper()} " in console
    assert short.startswith(f"{data['result'].upper()} exit={data['exit_code']} ")
    assert ("Ready to deploy!" in console) == (data["exit_code"] == 0)
    failed = sum(check["status"] == "failed" for stage in data["stages"].values() for check in stage["checks"])
    assert (f"{failed} check(s) failed. Fix issues and retry." in console) == (failed > 0)
    assert short.count("\nfailed ") == failed


@pytest.mark.parametrize("name", ["preflight", "compact", "annotations"])
def test_no_output_of_a_tool_can_put_control_characters_into_a_report(name: str) -> None:
    story = specified()
    nasty = "\x1b[31mred\x1b[0m \x07\r\u202e::error::x"
    problem = {"file": nasty, "path": "", "line": 1, "column": 0, "severity": "error", "message": nasty}
    told = {"problems": [problem], "count": 1, "lines": [nasty], "log": nasty, "again": "x"}
    for event in story.events:
        if event.kind == "problems":
            event.data.update(told)  # type: ignore[attr-defined]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", render(name, story.events))


def test_the_block_of_a_stage_that_ended_early_waits_for_those_before_it() -> None:
    text = render("preflight", frozen())
    heads = [line.partition(" Stage")[0] for line in text.splitlines() if " Stage " in line]
    assert heads == ["Build", "Quality", "Integration", "Packages"]


def test_a_pipeline_of_which_a_part_was_selected_is_no_leave_to_deploy() -> None:
    story = Story().tell("run_started", version="0.1.0", host="project")
    only = stage("1.1", "build", "Build Stage", check("1.1.1", "build/a"))
    story.plan("t1", [{"step": "1", "type": "stages", "steps": [only]}], parameters={"whole": False}).begin()
    story.start("1.1.1").end("1.1.1").end("1.1").end("1").over().done()
    text = render("preflight", story.events)
    assert "RESULT: PASSED" in text
    assert "Ready to deploy" not in text


def test_what_was_left_behind_is_told_and_is_no_leave_to_deploy() -> None:
    story = Story().tell("run_started", version="0.1.0", host="project")
    only = stage("1.1", "build", "Build Stage", check("1.1.1", "build/a"))
    story.plan("t1", [{"step": "1", "type": "stages", "steps": [only]}]).begin()
    story.start("1.1.1").end("1.1.1").end("1.1").end("1")
    left = [{"kind": "container", "name": "db", "owner": "system:pipeline", "error": "it does not stop"}]
    story.tell("cleanup_finished", "t1", given_back=0, kept=[], left=left, duration=1.0).over(left=1)
    story.done(exit_code=4, left=1)
    text = render("preflight", story.events)
    assert "RESULT: LEFT BEHIND" in text
    assert "left behind: container db (system:pipeline): it does not stop" in text
    assert "Ready to deploy" not in text


def test_the_view_counts_what_the_fold_counts() -> None:
    fold = Fold()
    for event in frozen():
        fold.on(event)
    view = pipeline_of(fold)
    assert view.counts() == {"passed": 5, "failed": 1, "unknown": 1, "allowed": 1, "skipped": 5}
    assert [one.status for one in view.stages] == ["passed", "failed", "skipped", "passed"]


def test_a_title_that_is_too_long_is_parted_from_its_time() -> None:
    story = Story().tell("run_started", version="0.1.0", host="project")
    only = stage("1.1", "build", "B" * 60, check("1.1.1", "build/a", "c" * 60))
    story.plan("t1", [{"step": "1", "type": "stages", "steps": [only]}]).begin()
    story.start("1.1.1").end("1.1.1").end("1.1").end("1").over().done()
    text = render("preflight", story.events)
    assert f"{'B' * 60} ✓ [1.0s]\n  ✓ {'c' * 60} (1.0s)\n" in text


@pytest.mark.parametrize("hint", ["", "; set `source: copy`", f"; {'pulling ' * 60}is the name right?"])
def test_the_last_line_is_told_once_and_a_hint_whole(hint: str) -> None:
    only = stage("1.1", "build", "Build", check("1.1.1", "build/a"))
    story = Story().plan("t1", [{"step": "1", "type": "stages", "steps": [only]}]).begin().start("1.1.1")
    lines = ["it begins", f"cannot write {'x' * 290} at last"]
    story.tell("problems", "t1", step="1.1.1", problems=[], count=0, lines=lines, log="", again="")
    error = f"the command ended with exit code 1: {lines[-1]}{hint}"
    story.end("1.1.1", "failed", error=error).end("1.1", "failed").end("1", "failed").over("failed").done()
    text = render("preflight", story.events)
    assert f"    → the command ended with exit code 1{hint}\n" in text
    assert text.count("cannot write") == 1
    assert text.index("it begins") < text.index("cannot write")
