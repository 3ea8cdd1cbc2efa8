"""Live progress falls back by itself, and no terminal is too narrow for it."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from tests.reports.story import Story, frozen

from seatrial.reports.document import render
from seatrial.reports.live import Live


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TTY_COMPATIBLE", "TTY_INTERACTIVE", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_where_there_is_no_terminal_it_writes_the_console_s_lines() -> None:
    assert render("live", frozen()) == render("console", frozen())


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    out = Terminal()
    report = Live(out)
    for event in frozen():
        report.on(event)
    report.close()
    assert out.getvalue() == render("console", frozen())


@pytest.mark.parametrize(("columns", "rows"), [(200, 60), (80, 24), (20, 5), (3, 2), (1, 1)])
def test_it_survives_any_size_of_terminal(columns: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(rows))
    out = Terminal()
    report = Live(out)
    for event in frozen():
        report.on(event)
    report.close()
    assert "RESULT: FAILED" in out.getvalue().replace("\n", "") or columns < 20


def test_what_runs_is_shown_with_its_step_and_last_log_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "40")
    out = Terminal()
    report = Live(out)
    story = Story().plan(name="project").begin().start("1").tell("log", "t1", level="info", text="waiting for n11")
    for event in story.events:
        report.on(event)
    text = out.getvalue()
    report.close()
    assert "project" in text
    assert "custom_command" in text or "deploy" in text
    assert "waiting for n11" in text
    assert "1 running" in text


def test_in_a_loop_it_draws_by_the_loop_s_timer_and_leaves_no_timer_behind() -> None:
    out = Terminal()

    async def run() -> None:
        report = Live(out)
        for event in Story().plan(name="project").begin().start("1").events:
            report.on(event)
        async with asyncio.timeout(30):
            while "project" not in out.getvalue() or "1 running" not in out.getvalue():
                await asyncio.sleep(0.01)
        report.close()
        assert report._timer is None

    asyncio.run(run())


def test_a_file_gets_the_console_s_lines(tmp_path: Path) -> None:
    report = Live(tmp_path / "lines.txt")
    for event in frozen():
        report.on(event)
    report.close()
    assert (tmp_path / "lines.txt").read_text(encoding="utf-8") == render("console", frozen())
