"""`inspect`, `report` and `clean` after runs that were, and one that was killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.conftest import Command

from seatrial.model.values import REPORTS
from seatrial.registry import Registry


def test_the_formats_that_help_names_are_those_that_can_be_made() -> None:
    files = {Registry().get("reporter", name).file for name in REPORTS}
    assert len(files) == len(REPORTS), "each has a file of its own in a folder"


@pytest.fixture
def run(seatrial: Command, document: Path, project: Path) -> str:
    assert seatrial("run", document).returncode == 1
    (folder,) = (project / ".seatrial" / "runs").glob("r*")
    return folder.name


def test_a_run_is_found_by_its_id_its_beginning_last_or_its_folder(seatrial: Command, run: str, project: Path) -> None:
    folder = project / ".seatrial" / "runs" / run
    told = {seatrial("inspect", name).stdout for name in (run, run[:12], "last", str(folder))}
    assert len(told) == 1
    assert run in told.pop()


def test_inspect_shows_verdicts_evidence_and_logs_of_what_did_not_pass(seatrial: Command, run: str) -> None:
    told = seatrial("inspect").stdout
    assert "✓ local-workflow-good: passed" in told
    assert "✗ local-workflow-bad: failed" in told
    assert "always wrong" in told
    assert "| the answer is 43" in told
    (log,) = [line.split("see ")[1] for line in told.splitlines() if "see " in line]
    assert "the answer is 43" in Path(log).read_text()
    assert "step 1 set" not in told, "the steps of what passed are for -v"
    assert "step 1 set" in seatrial("inspect", "-v").stdout


def test_inspect_as_data_is_one_document(seatrial: Command, run: str) -> None:
    data = json.loads(seatrial("inspect", "--format", "json").stdout)
    assert (data["run_id"], data["verdict"], data["living"], data["out"]) == (run, "failed", False, [])


def test_a_run_that_is_not_there_is_bad_usage_and_the_newest_are_named(seatrial: Command, run: str) -> None:
    done = seatrial("inspect", "r999")
    assert done.returncode == 2
    assert run in done.stderr


def test_reports_are_made_later(seatrial: Command, run: str, project: Path) -> None:
    done = seatrial("report", "last", "--format", "junit,ctrf", "--out", "reports")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["reports/junit.xml", "reports/ctrf.json"]
    assert "the answer is 43" in (project / "reports" / "junit.xml").read_text()
    page = seatrial("report")
    assert page.stdout.lstrip().lower().startswith("<!doctype html>")


def test_what_was_kept_is_told_with_its_time_and_with_the_command_that_gives_it_back(
    seatrial: Command, project: Path
) -> None:
    (project / "kept.yaml").write_text("test_suites:\n  k:\n    provider: local\n    workflow: [{step: deploy}]\n")
    kept = seatrial("run", "kept.yaml", "--set", "cluster_size=1", "--keep", "always", "--keep-for", "1h")
    assert kept.returncode == 0, kept.stdout
    try:
        told = seatrial("inspect").stdout
        assert told.count(", kept until ") >= 1
        assert "-n11, kept until " in told
        assert " leased port" in told
        (way_in,) = [line.split() for line in told.splitlines() if line.lstrip().startswith("ssh ")]
        if shutil.which("ssh"):
            by_hand = subprocess.run([*way_in, "cat"], input="from a person", capture_output=True, text=True)
            assert by_hand.stdout == "from a person", by_hand.stderr
        (command,) = [line.split(": seatrial ")[1].split() for line in told.splitlines() if ": seatrial clean " in line]
        assert seatrial("clean").stdout.count("skipped: ") >= 1
    finally:
        given_back = seatrial("clean", "--all", "--format", "json")
    assert command[0] == "clean"
    assert command[-1] == "--all"
    assert given_back.returncode == 0
    assert any("-n11" in one for one in json.loads(given_back.stdout)["given_back"])
    assert "all resources created by this run were removed" in seatrial("inspect").stdout


def test_clean_finds_nothing_after_an_orderly_end(seatrial: Command, run: str) -> None:
    done = seatrial("clean", "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["left"] == []


def test_a_killed_run_is_shown_as_such_until_clean_gives_back_what_it_made(
    seatrial: Command, project: Path, tmp_path: Path
) -> None:
    (project / "long.yaml").write_text(
        "test_suites:\n  long:\n    provider: local\n    workflow:\n"
        "      - step: deploy\n      - {step: wait, for: 10m}\n"
    )
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    killed = subprocess.Popen(
        [sys.executable, "-m", "seatrial", "run", "long.yaml"], cwd=project, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for_step(project, "wait")
        living = json.loads(seatrial("inspect", "--format", "json").stdout)
        assert living["living"]
        assert {one["kind"] for one in living["out"]} >= {"node"}
        assert "still running" in seatrial("inspect").stdout
        assert "still active" in seatrial("clean").stdout
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait(timeout=60)
    dead = seatrial("inspect").stdout
    assert "unfinished: the run was killed" in dead
    assert "seatrial clean r" in dead
    looked = seatrial("clean", "--dry-run")
    assert "would remove" in looked.stdout
    cleaned = seatrial("clean")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert "removed" in cleaned.stdout
    assert "all resources created by this run were removed" in seatrial("inspect").stdout


def wait_for_step(project: Path, step: str, seconds: float = 60) -> None:
    """Until the journal says that a step of this type began."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        for journal in (project / ".seatrial" / "runs").glob("*/events.jsonl"):
            lines = [
                line for line in journal.read_text().splitlines() if '"step_started"' in line and line.endswith("}")
            ]
            if any(json.loads(line)["data"]["type"] == step for line in lines):
                return
        time.sleep(0.02)
    raise AssertionError(f"no step {step!r} began within {seconds:g} s")
