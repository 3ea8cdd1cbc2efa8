"""The step summary keeps under GitHub's limit and cannot be broken by what others wrote."""

from __future__ import annotations

from pathlib import Path

from tests.reports.story import Story, suite

from seatrial.reports.document import render
from seatrial.reports.github import GitHub
from seatrial.reports.markdown import LIMIT


def text(story: Story) -> str:
    return render("github", story.events)


def failing(count: int, evidence: str) -> Story:
    story = Story().tell("run_started")
    for index in range(count):
        trial = f"t{index}"
        story.plan(trial, [("1", "validate")]).begin(trial).start("1", trial)
        story.check("1", "http", "failed", trial, seen="HTTP 500", expected="HTTP 200")
        story.end("1", "failed", trial, error="no", evidence=evidence).over("failed", trial, error="no")
    return story.done("failed", 1)


def test_a_failed_check_shows_what_was_seen_and_expected() -> None:
    told = text(failing(1, "log line"))
    assert "| `http` | ❌ failed | `HTTP 500` | `HTTP 200` |" in told
    assert "log line" in told


def test_the_largest_evidence_is_cut_first_and_a_note_says_so() -> None:
    story = failing(3, "small")
    story.events[-1:] = []
    story.plan("big", [("1", "validate")]).begin("big").start("1", "big")
    story.end("1", "failed", "big", error="no", evidence="é" * 3_000_000).over("failed", "big").done("failed", 1)
    told = text(story)
    assert len(told.encode()) < LIMIT
    assert told.count("small") == 3
    assert "1 piece of evidence shortened" in told


def test_a_thousand_failed_suites_keep_under_the_limit() -> None:
    told = text(failing(1000, "x" * 20_000))
    assert len(told.encode()) < LIMIT
    assert "size limit" in told


def test_a_place_is_a_link_to_its_line_where_the_commit_is_known(tmp_path: Path) -> None:
    story = Story().plan(document=str(tmp_path / "deploy" / "a b.yaml")).begin()
    events = story.over("failed", error="no").done("failed", 1).events
    about = {"workspace": str(tmp_path), "source_url": "https://github.com/acme/notes/blob/c0ffee"}
    told = render("github", events, options=about)
    assert (
        f"in [`{tmp_path}/deploy/a b.yaml:3`](https://github.com/acme/notes/blob/c0ffee/deploy/a%20b.yaml#L3)" in told
    )
    assert "](https" not in render("github", events, options={**about, "workspace": str(tmp_path / "other")})
    assert "](https" not in render("github", events)


def test_markup_in_names_stays_text() -> None:
    nasty = "<img src=x onerror=alert(1)>|`a`|@team #1 [x](http://y)"
    story = Story().plan(name=nasty).begin().start("1").check("1", nasty, "failed", seen="``` |", why=nasty)
    told = text(story.end("1", "failed", evidence="```\n<b>").over("failed", error=nasty).done("failed", 1))
    assert "&lt;img" in told
    table = next(line for line in told.splitlines() if "&lt;img" in line and line.startswith("|"))
    assert "<img" not in table
    assert table.replace("\\|", "").count("|") == 7
    assert "````text\n```\n<b>\n````" in told


def test_what_is_left_and_what_did_not_finish_are_said() -> None:
    assert "The run did not finish" in text(suite())
    left = [{"kind": "node", "name": "n11", "owner": "provider:local", "error": "busy"}]
    story = Story().plan().begin().tell("cleanup_finished", "t1", given_back=0, kept=[], left=left).over(left=1)
    told = text(story.done("passed", 4, left=1))
    assert "## 🧹 Seatrial: left behind" in told
    assert "`node n11 (provider:local): busy`" in told


def test_a_summary_file_that_others_write_too_is_appended_to(tmp_path: Path) -> None:
    file = tmp_path / "summary"
    file.write_text("before\n")
    report = GitHub(file, {"append": True})
    for event in suite().done().events:
        report.on(event)
    report.close()
    assert file.read_text(encoding="utf-8").startswith("before\n## ✅ Seatrial: passed")
