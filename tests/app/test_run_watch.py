"""`run --watch` through the real command: what begins a round, what does not, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.acceptance.harness import Document, Project, suite, until
from tests.app.test_preflight_watch import HEAD, Watching

CHECKS: Document = {"step": "custom_command", "script": "check.sh now"}
SLEEPS: Document = {"step": "custom_command", "custom_command": ["sh", "slow.sh"]}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "check.sh").write_text("#!/bin/sh\ntouch made; grep -q good data.txt\n")
    (tmp_path / "check.sh").chmod(0o755)
    (tmp_path / "data.txt").write_text("good")
    (tmp_path / "slow.sh").write_text("touch started; sleep 600\n")
    return Project(tmp_path)


@contextmanager
def watching(project: Project, *words: object) -> Iterator[Watching]:
    process = project.start("run", "--watch", *words, stderr=subprocess.STDOUT)
    try:
        yield Watching(process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def waits(watch: Watching, times: int) -> None:
    until(
        lambda: len(re.findall(r"watching \d+ files; press", watch.said)) >= times, f"round {times}: {watch.said}", 60
    )


def test_a_document_and_what_it_names_begin_a_round_and_nothing_else(project: Project) -> None:
    here = project.folder
    document = project.write("a.json", suite(CHECKS))
    with watching(project, document) as watch:
        waits(watch, 1)
        assert "RESULT: PASSED" in watch.said
        # None of these: not named, made by the run, saved as it was.
        (here / "data.txt").write_text("bad")
        (here / "made").write_text("x")
        document.write_text(document.read_text())
        (here / "check.sh").write_text("#!/bin/sh\ngrep -q good data.txt # better\n")
        waits(watch, 2)
        assert HEAD.findall(watch.said) == ["check.sh"]
        assert "RESULT: FAILED" in watch.said
        document.write_text("{")
        waits(watch, 3)
        assert "error: " in watch.said.rpartition("a.json changed")[2]
        project.write("a.json", suite(CHECKS | {"allow_failure": True}, CHECKS | {"script": "check.sh", "id": "b"}))
        (here / "data.txt").write_text("good")
        waits(watch, 4)
        assert HEAD.findall(watch.said) == ["check.sh", "a.json", "a.json"]
        watch.process.send_signal(signal.SIGINT)
        assert watch.ended() == 130
    assert len(project.runs()) == 3
    assert project.left() == []


def test_a_folder_is_followed_new_renamed_and_deleted_documents_begin_a_round(project: Project) -> None:
    folder = project.folder / "trials"
    folder.mkdir()
    text = project.write("trials/a.json", suite(CHECKS | {"script": "../check.sh"})).read_text()
    with watching(project, "trials") as watch:
        waits(watch, 1)
        (folder / ".b.json.swp").write_text("noise of an editor")
        (folder / ".hidden.json").write_text("{")
        (folder / "notes.txt").write_text("noise")
        (folder / "b.json.tmp").write_text(text.replace("trial", "second"))
        (folder / "b.json.tmp").rename(folder / "b.json")  # as editors save
        waits(watch, 2)
        (folder / "b.json").rename(folder / "c.json")
        waits(watch, 3)
        (folder / "c.json").unlink()
        waits(watch, 4)
        (folder / "c.json").write_text(text.replace("trial", "third"))
        waits(watch, 5)
        assert [set(head.split(", ")) for head in HEAD.findall(watch.said)] == [
            {"trials/b.json"}, {"trials/b.json", "trials/c.json"}, {"trials/c.json"}, {"trials/c.json"},
        ]  # fmt: skip
        watch.process.send_signal(signal.SIGINT)
        assert watch.ended() == 130
    assert len(project.runs()) == 5
    assert project.left() == []


def test_what_gitignore_names_begins_no_round(project: Project) -> None:
    here = project.folder
    (here / ".gitignore").write_text("count\n/scenarios/new.json\n")
    (here / "count").write_text("0\n")
    (here / "scenarios").mkdir()
    step = {"step": "custom_command", "custom_command": ["sh", "-c", 'echo again >>"$1"', "sh", "../count"]}
    project.write("scenarios/a.json", suite(step))
    with watching(project, here / "scenarios") as watch:
        waits(watch, 1)
        (here / "count").write_text("by hand\n")
        project.write("scenarios/new.json", suite(step))
        project.write("scenarios/b.json", suite(step))  # one that counts: the watch has seen the others before
        waits(watch, 2)
        assert "count changed" not in watch.said
        assert "new.json" not in watch.said.partition("b.json changed")[0]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_round_is_stopped_by_a_change_and_by_a_signal(project: Project, number: int, code: int) -> None:
    here = project.folder
    document = project.write("a.json", suite(SLEEPS))
    with watching(project, document) as watch:
        until((here / "started").exists, "the first round", 30)
        (here / "started").unlink()
        (here / "slow.sh").write_text("touch started; sleep 601\n")
        until((here / "started").exists, "the second round", 30)
        assert HEAD.findall(watch.said) == ["slow.sh"]
        watch.process.send_signal(number)
        assert watch.ended() == code
    assert [run["verdict"] for run in (project.results(),)] == ["unknown"]
    assert project.left() == []


def test_a_signal_while_a_report_is_written_ends_the_watch(project: Project) -> None:
    (project.folder / "closes.py").write_text(
        "import os, signal\n"
        "from seatrial import reporter\n"
        "@reporter('closes')\n"
        "class Closes:\n"
        "    def __init__(self, out, options): pass\n"
        "    def on(self, event): pass\n"
        "    def close(self): os.kill(os.getpid(), signal.SIGINT)\n"
    )
    with watching(project, project.write("a.json", suite(CHECKS)), "--plugin", "closes.py") as watch:
        assert watch.ended() == 130
        assert "RESULT: PASSED" in watch.said
    assert len(project.runs()) == 1


def test_what_cannot_be_watched_is_refused_with_what_to_do(project: Project) -> None:
    project.write("a.json", suite(CHECKS))
    for words, message in {
        ("--format", "json"): "choose plain or live",
        ("--report-dir", "r"): "remove --report-dir",
        ("--keep", "failed"): "remove --keep failed",
        ("nowhere.json",): "nowhere.json",
    }.items():
        done = project.seatrial("run", "--watch", *(words if words[0] == "nowhere.json" else ("a.json", *words)))
        assert done.returncode == 2, done.stdout
        assert message in done.stderr
    assert project.runs() == []
