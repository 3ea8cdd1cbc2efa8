"""`preflight --watch` through the real command: what begins a round, what does not, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Project, until

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
HEAD = re.compile(r"^\d\d:\d\d:\d\d  (.*) changed$", re.MULTILINE)

DOCUMENT: dict[str, Any] = {
    "pipeline": {
        "name": "Shop",
        "stages": {
            "quality": {
                "checks": {
                    "lint": {"run": "! grep -rq bad app --include=*.py", "inputs": ["app/**", "!app/vendor/**"]},
                    "docs": {"run": ["cat", "docs.md"], "inputs": ["docs.md"]},
                    "env": {"run": "cat .env; echo made >dist.txt", "inputs": [".env"], "artifacts": ["dist.txt"]},
                }
            }
        },
    }
}

SLEEPS = "if grep -q long a.txt; then cp a.txt ../started; sleep 600; fi"

LONG: dict[str, Any] = {"pipeline": {"stages": {"a": {"checks": {"x": {"run": SLEEPS, "inputs": ["a.txt"]}}}}}}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "shop"
    (folder / "app" / "vendor").mkdir(parents=True)
    (folder / "app" / "a.py").write_text("good")
    (folder / "docs.md").write_text("x")
    (folder / ".env").write_text("A=1")
    (folder / ".gitignore").write_text("*.log\n.env\n__pycache__/\n")
    (folder / ".git").mkdir()
    return Project(folder)


class Watching:
    """The command while it watches, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while data := os.read(self.process.stdout.fileno(), 65536):
            self.said += data.decode()

    def waits(self, times: int) -> None:
        """It has ended so many rounds and waits."""
        until(lambda: self.said.count("waiting for changes") >= times, f"round {times}: {self.said}", 30)

    def ended(self) -> int:
        self.process.wait(timeout=30)
        self._reader.join(timeout=10)
        return self.process.returncode

    def heads(self) -> list[str]:
        """What each round after the first began with."""
        return HEAD.findall(self.said)


@contextmanager
def watching(project: Project) -> Iterator[Watching]:
    environment = {**project.environment, "SEATRIAL_CACHE_DIR": str(project.folder.parent / "cache")}
    process = project.start("preflight", "--watch", env=environment, stderr=subprocess.STDOUT)
    try:
        yield Watching(process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_a_round_begins_for_what_is_declared_and_for_nothing_else(project: Project) -> None:
    project.write("pipeline.json", DOCUMENT)
    here = project.folder
    with watching(project) as watch:
        watch.waits(1)
        assert "Ready to deploy!" in watch.said
        # None of these: left out, ignored, undeclared, made by the checks, saved as it was.
        (here / "app" / "vendor" / "x.py").write_text("fine")
        (here / "app" / "debug.log").write_text("bad")
        (here / "app" / "__pycache__").mkdir()
        (here / "app" / "__pycache__" / "a.pyc").write_text("bad")
        (here / ".git" / "index").write_text("x")
        (here / "other.txt").write_text("x")
        (here / "dist.txt").write_text("x")
        (here / "app" / "a.py").write_text("good")
        (here / "docs.md").write_text("y")
        watch.waits(2)
        assert watch.heads() == ["docs.md"]
        second = watch.said.partition("docs.md changed")[2]
        assert "✓ lint (cached)" in second
        assert "✓ docs  " in second
        (here / ".env").write_text("A=2")
        watch.waits(3)
        (here / "app" / "new").mkdir()
        (here / "app" / "new" / "b.py").write_text("bad")
        watch.waits(4)
        assert "RESULT: FAILED" in watch.said
        assert "again: seatrial preflight --only quality/lint" in watch.said
        (here / "app" / "new").rename(project.folder.parent / "away")
        watch.waits(5)
        (project.folder.parent / "away").rename(here / "app" / "back")
        watch.waits(6)
        assert watch.heads() == ["docs.md", ".env", "app/new/b.py", "app/new/b.py", "app/back/b.py"]
        watch.process.send_signal(signal.SIGINT)
        assert watch.ended() == 130
        assert not CONTROL.search(watch.said)
    assert project.left() == []
    assert len(project.runs()) == 6


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_round_is_stopped_by_a_change_and_by_a_signal(project: Project, number: int, code: int) -> None:
    project.write("pipeline.json", LONG)
    (project.folder / "a.txt").write_text("long")
    with watching(project) as watch:
        started = project.folder.parent / "started"
        until(started.exists, "the check", 30)
        (project.folder / "a.txt").write_text("short")
        watch.waits(1)
        assert watch.heads() == ["a.txt"]
        first, second = watch.said.split("a.txt changed")
        assert "\nstopped\n" in first
        assert "RESULT" not in first
        assert "RESULT: PASSED" in second
        started.unlink()
        (project.folder / "a.txt").write_text("long again")
        until(started.exists, "the check of the third round", 30)
        watch.process.send_signal(number)
        assert watch.ended() == code
    assert project.left() == []


def test_a_document_that_is_wrong_is_told_and_mended(project: Project) -> None:
    project.write("pipeline.json", {"pipeline": {"stages": {"a": {"checks": {"x": {"rum": ["true"]}}}}}})
    with watching(project) as watch:
        watch.waits(1)
        assert "pipeline.json:1:" in watch.said
        assert "did you mean 'run'" in watch.said
        project.write("pipeline.json", DOCUMENT)
        watch.waits(2)
        assert "Ready to deploy!" in watch.said
        project.write("pipeline.json", DOCUMENT)  # saved, and the same
        (project.folder / "docs.md").write_text("y")
        watch.waits(3)
        assert watch.heads() == ["pipeline.json", "docs.md"]
        watch.process.send_signal(signal.SIGINT)
        assert watch.ended() == 130


def test_what_the_checks_make_ends_by_itself_and_a_person_is_heard_all_the_same(project: Project) -> None:
    run = "date +%s%N >made.txt; cat *.txt"
    project.write("pipeline.json", {"pipeline": {"stages": {"a": {"checks": {"x": {"run": run}}}}}})
    with watching(project) as watch:
        watch.waits(1)
        until(
            lambda: watch.said.rstrip().endswith("Ctrl-C to stop") and watch.heads().count("made.txt") >= 1, "calm", 30
        )
        (project.folder / "mine.txt").write_text("1")
        until(lambda: [head for head in watch.heads() if "mine.txt" in head], "my change", 30)
        (project.folder / "docs.md").unlink()
        until(lambda: [head for head in watch.heads() if "docs.md" in head], "what was deleted", 30)
        rounds = len(project.runs())
        assert rounds < 9
        watch.process.send_signal(signal.SIGINT)
        assert watch.ended() == 130
    assert project.left() == []


def test_a_terminal_is_cleared_for_each_round(project: Project) -> None:
    project.write("pipeline.json", DOCUMENT)
    master, slave = pty.openpty()
    shown = b""

    def read() -> None:
        nonlocal shown
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:
                return
            shown += data

    threading.Thread(target=read, daemon=True).start()
    environment = {**project.environment, "SEATRIAL_CACHE_DIR": str(project.folder.parent / "cache"), "TERM": "xterm"}
    environment.pop("CI", None)
    process = project.start("preflight", "--watch", env=environment, stdout=slave, stderr=slave)
    os.close(slave)
    until(lambda: shown.count(b"waiting for changes") == 1, "the first round", 30)
    (project.folder / "docs.md").write_text("z")
    until(lambda: shown.count(b"waiting for changes") == 2, "the second round", 30)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    os.close(master)
    assert shown.count(b"\x1b[2J") == 2
    assert b"docs.md changed" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "json"], "does not support --format json; use one of: auto, plain, live"),
        (["--list"], "--list and --watch exclude each other"),
        (["--report-dir", "x"], "remove --report-dir"),
        (["--only", "nope"], "unknown stage or check 'nope'"),
        (["--changed-since", "main"], "leave --changed-since away"),
        (["missing.yaml"], "missing.yaml"),
    ],
)
def test_what_cannot_be_watched_is_bad_usage(project: Project, arguments: list[str], words: str) -> None:
    project.write("pipeline.json", DOCUMENT)
    done = project.seatrial("preflight", "--watch", *arguments, timeout=30)
    assert done.returncode == 2, done.stdout
    assert words in done.stderr


def test_without_the_library_it_names_the_extra(project: Project) -> None:
    project.write("pipeline.json", DOCUMENT)
    code = "import sys; sys.modules['watchfiles'] = None; from seatrial.cli import main; " \
           "sys.exit(main(['preflight', '--watch']))"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'seatrial[watch]'" in done.stderr


def test_the_reports_of_the_last_rounds_are_kept(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("pipeline.json", DOCUMENT)
    with watching(project) as watch:
        for at in range(12):
            watch.waits(at + 1)
            (project.folder / "docs.md").write_text(str(at))
        watch.waits(13)
        watch.process.send_signal(signal.SIGTERM)
        assert watch.ended() == 143
    runs = project.runs()
    assert len(runs) == 10
    assert json.loads((runs[-1] / "results.json").read_text())["success"]
