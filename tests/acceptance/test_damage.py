"""`clean` after somebody damaged or deleted what Seatrial keeps."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from tests.acceptance.harness import ContractFixture, suite, until


@pytest.fixture
def killed(harbour: ContractFixture) -> Path:
    """A run that was killed with three nodes standing; its journal's file."""
    return kill_one(harbour)


def kill_one(harbour: ContractFixture) -> Path:
    document = harbour.write("long.json", suite("init", "deploy", {"step": "wait", "for": "60s"}))
    process = harbour.start("run", document, "--format", "none")
    until(
        lambda: (
            harbour.runs()
            and any(e["kind"] == "step_started" and e["data"]["type"] == "wait" for e in harbour.events())
        ),
        "the wait",
    )
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return harbour.runs()[-1] / "events.jsonl"


def ledger(harbour: ContractFixture) -> Path:
    (file,) = (harbour.folder / ".seatrial" / "ledger").iterdir()
    return file


RUBBISH = (
    b'\x00\xff no text {\n[1, 2]\n5\n"a"\n{"op": "made"}\n'
    b'{"op": "intended", "owner": "engine:lease", "kind": "port", "name": "x", "unheard": 1}\n'
)


def test_lines_of_the_ledger_that_cannot_be_read_are_told_and_keep_nothing_from_going(
    harbour: ContractFixture, killed: Path
) -> None:
    with ledger(harbour).open("r+b") as file:
        whole = file.read()
        file.seek(0)
        file.write(RUBBISH + whole)
    cleaned = harbour.seatrial("clean")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert "6 lines of its ledger are unreadable" in cleaned.stdout
    assert harbour.left() == []


def test_a_ledger_that_is_empty_now_is_made_up_for_by_what_the_providers_list(
    harbour: ContractFixture, killed: Path
) -> None:
    ledger(harbour).write_bytes(b"")
    assert harbour.seatrial("clean").returncode == 0
    assert [one for one in harbour.left() if not one.startswith("state ")] == []


def test_a_ledger_that_cannot_be_opened_keeps_no_other_run_from_being_cleaned(
    harbour: ContractFixture, killed: Path
) -> None:
    (harbour.folder / ".seatrial" / "ledger" / "r0.jsonl").mkdir()
    cleaned = harbour.seatrial("clean")
    assert cleaned.returncode == 4, cleaned.stdout + cleaned.stderr
    assert "LEFT BEHIND: ledger r0" in cleaned.stdout
    (harbour.folder / ".seatrial" / "ledger" / "r0.jsonl").rmdir()
    assert harbour.left() == []


@pytest.mark.parametrize("rubbish", [None, b"", b'\x00\xff{}\n[]\n{"kind": 1}\n'])
def test_a_journal_that_is_gone_or_no_journal_keeps_nothing_from_going(
    rubbish: bytes | None, harbour: ContractFixture, killed: Path
) -> None:
    if rubbish is None:
        killed.unlink()
    else:
        killed.write_bytes(rubbish)
    cleaned = harbour.seatrial("clean")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert harbour.left() == []


def test_what_a_run_of_a_deleted_project_left_is_given_back_from_any_project(
    tmp_path: Path, harbour: ContractFixture
) -> None:
    doomed = ContractFixture(tmp_path / "doomed")
    doomed.folder.mkdir()
    (tmp_path / "xdg").mkdir()
    (doomed.folder / "xdg").symlink_to(tmp_path / "xdg")
    kill_one(doomed)
    shutil.rmtree(doomed.folder)
    assert any("process" in one for one in harbour.left())
    told = harbour.seatrial("clean", "--dry-run")
    assert "without a ledger" in told.stdout
    assert any("process" in one for one in harbour.left())
    cleaned = harbour.seatrial("clean")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    until(lambda: harbour.left() == [], "the end of all that the deleted project had")


def test_a_run_of_another_project_is_that_projects_business(tmp_path: Path, harbour: ContractFixture) -> None:
    other = ContractFixture(tmp_path / "other")
    other.folder.mkdir()
    (tmp_path / "xdg").mkdir()
    (other.folder / "xdg").symlink_to(tmp_path / "xdg")
    kill_one(other)
    assert harbour.seatrial("clean").stdout == "nothing to clean up\n"
    assert any("process" in one for one in other.left())
    assert other.seatrial("clean").returncode == 0
    until(lambda: other.left() == [], "the end of what the other project had")
