"""`clean` after somebody damaged or deleted what Seatrial keeps."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.acceptance.harness import Document, Project, processes_of, suite, until


@pytest.fixture
def killed(project: Project) -> Path:
    """A run that was killed with three nodes standing; its journal's file."""
    return kill_one(project)


def kill_one(project: Project, *first: Document | str) -> Path:
    steps = first or ("init", "deploy")
    document = project.write("long.json", suite(*steps, {"step": "wait", "for": "600s"}))
    process = project.start("run", document, "--format", "none")
    until(
        lambda: (
            project.runs()
            and any(e["kind"] == "step_started" and e["data"]["type"] == "wait" for e in project.events())
        ),
        "the wait",
    )
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return project.runs()[-1] / "events.jsonl"


def ledger(project: Project) -> Path:
    (file,) = (project.folder / ".seatrial" / "ledger").iterdir()
    return file


RUBBISH = (
    b'\x00\xff no text {\n[1, 2]\n5\n"a"\n{"op": "made"}\n'
    b'{"op": "intended", "owner": "engine:lease", "kind": "port", "name": "x", "unheard": 1}\n'
)


@pytest.mark.parametrize("damage", [lambda whole: RUBBISH + whole, lambda whole: b"", lambda whole: b"\0" * len(whole)])
def test_a_ledger_that_cannot_be_read_stays_is_named_and_is_exit_code_4(
    damage: Callable[[bytes], bytes], project: Project, killed: Path
) -> None:
    """It may hold what no provider lists: only a person can tell what is left."""
    file = ledger(project)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    cleaned = project.seatrial("clean")
    assert cleaned.returncode == 4, cleaned.stdout + cleaned.stderr
    assert file.name in cleaned.stdout
    assert file.read_bytes() == damage(whole)
    file.write_bytes(whole)
    assert project.seatrial("clean").returncode == 0
    assert project.left() == []


DAEMON = {"step": "custom_command", "custom_command": "setsid sleep 600 >/dev/null 2>&1 &"}


@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: RUBBISH + whole])
def test_programs_of_a_run_whose_ledger_cannot_be_read_are_ended_by_their_tags(
    damage: Callable[[bytes], bytes], project: Project
) -> None:
    kill_one(project, DAEMON)
    file = ledger(project)
    file.write_bytes(damage(file.read_bytes()))
    assert "would remove process" in project.seatrial("clean", "--dry-run").stdout
    assert [what for _, what in processes_of(project.folder) if "sleep" in what]
    cleaned = project.seatrial("clean")
    assert (cleaned.returncode, "removed process" in cleaned.stdout) == (4, True), cleaned.stdout
    assert processes_of(project.folder) == []
    trials = {str(event["trial"]) for event in project.events() if event.get("trial")}
    assert trials
    assert not [trial for trial in trials if (Path(tempfile.gettempdir()) / f"{trial}-tmp").exists()]


def test_programs_of_a_later_seatrial_are_left_to_it(project: Project) -> None:
    kill_one(project, DAEMON)
    file = ledger(project)
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"version":1', b'"version":99', 1))
    cleaned = project.seatrial("clean")
    assert (cleaned.returncode, "use a later one" in cleaned.stdout) == (4, True), cleaned.stdout
    assert [what for _, what in processes_of(project.folder) if "sleep" in what]
    file.write_bytes(whole)
    assert project.seatrial("clean").returncode == 0


def test_a_ledger_that_cannot_be_opened_keeps_no_other_run_from_being_cleaned(project: Project, killed: Path) -> None:
    (project.folder / ".seatrial" / "ledger" / "r0.jsonl").mkdir()
    cleaned = project.seatrial("clean")
    assert cleaned.returncode == 4, cleaned.stdout + cleaned.stderr
    assert "LEFT BEHIND: ledger r0" in cleaned.stdout
    (project.folder / ".seatrial" / "ledger" / "r0.jsonl").rmdir()
    assert project.left() == []


@pytest.mark.parametrize("rubbish", [None, b"", b'\x00\xff{}\n[]\n{"kind": 1}\n'])
def test_a_journal_that_is_gone_or_no_journal_keeps_nothing_from_going(
    rubbish: bytes | None, project: Project, killed: Path
) -> None:
    if rubbish is None:
        killed.unlink()
    else:
        killed.write_bytes(rubbish)
    cleaned = project.seatrial("clean")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert project.left() == []


def test_what_a_run_of_a_deleted_project_left_is_given_back_from_any_project(tmp_path: Path, project: Project) -> None:
    doomed = Project(tmp_path / "doomed")
    doomed.folder.mkdir()
    (tmp_path / "xdg").mkdir()
    (doomed.folder / "xdg").symlink_to(tmp_path / "xdg")
    kill_one(doomed)

    def deleted() -> bool:
        """Its nodes go on, and may write while it is deleted."""
        shutil.rmtree(doomed.folder, ignore_errors=True)
        return not doomed.folder.exists()

    until(deleted, "the end of the folder")
    assert any("process" in one for one in project.left())
    told = project.seatrial("clean", "--dry-run")
    assert "without a ledger" in told.stdout
    assert any("process" in one for one in project.left())
    cleaned = project.seatrial("clean")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    until(lambda: project.left() == [], "the end of all that the deleted project had")


def test_a_run_of_another_project_is_that_projects_business(tmp_path: Path, project: Project) -> None:
    other = Project(tmp_path / "other")
    other.folder.mkdir()
    (tmp_path / "xdg").mkdir()
    (other.folder / "xdg").symlink_to(tmp_path / "xdg")
    kill_one(other)
    assert project.seatrial("clean").stdout.splitlines()[-1] == "nothing to clean up"
    assert any("process" in one for one in other.left())
    assert other.seatrial("clean").returncode == 0
    until(lambda: other.left() == [], "the end of what the other project had")
