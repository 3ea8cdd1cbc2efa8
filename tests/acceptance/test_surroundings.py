"""Where and how a person may start it: odd folders, no home, closed outputs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.harness import Document, Project, suite, until, validate

from seatrial.providers.local import tree

PASSES = suite({"step": "custom_command", "custom_command": ["true"]})


def deployed() -> Document:
    return suite("init", "deploy", validate("cluster_status", "data_integrity", "ssh_connectivity"))


@pytest.mark.parametrize("name", ["with blanks in it", "ünïcödé", "a'b\"c$(x)`;&"])
def test_a_project_may_have_any_name_that_a_folder_may_have(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    project = Project(folder)
    done = project.seatrial("run", project.write("a.json", deployed()))
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.left() == []


def test_a_folder_in_which_no_node_can_live_is_unknown_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "a:b"
    folder.mkdir()
    project = Project(folder)
    done = project.seatrial("run", project.write("a.json", deployed()))
    assert done.returncode == 3, done.stdout
    assert "':'" in done.stdout
    assert project.left() == []


def test_no_home_and_no_terminal_are_needed(project: Project) -> None:
    bare = {"PATH": os.environ["PATH"], "XDG_STATE_HOME": project.environment["XDG_STATE_HOME"]}
    done = project.seatrial("run", project.write("a.json", deployed()), env=bare)
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.left() == []


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_inputs_and_outputs_change_no_verdict(closed: str, project: Project) -> None:
    passes, fails = project.write("a.json", PASSES), suite({"step": "custom_command", "custom_command": "exit 1"})
    project.write("b.json", fails)
    assert shell(project, f'"$SEATRIAL" run {passes.name} {closed}') == 0
    assert project.results()["success"]
    assert shell(project, f'"$SEATRIAL" run b.json {closed}') == 1


@pytest.mark.parametrize("format", ["plain", "live", "json", "github"])
def test_a_reader_who_goes_away_changes_no_verdict_and_no_journal(format: str, project: Project) -> None:
    project.write("a.json", suite({"step": "custom_command", "custom_command": "seq 1 20000; exit 1"}))
    piped = f'"$SEATRIAL" run a.json --verbose --format {format} 2>&1 | true'
    assert shell(project, f"{piped}; exit ${{PIPESTATUS[0]}}") == 1
    assert project.results()["success"] is False
    assert project.events()[-1]["kind"] == "run_finished"


def test_a_reader_who_goes_away_keeps_nothing_from_being_given_back(project: Project) -> None:
    project.write("a.json", deployed())
    assert shell(project, 'set -o pipefail; "$SEATRIAL" run a.json | head -n 1') == 0
    assert project.left() == []


@pytest.mark.parametrize("words", ["report last --format json", "check a.json", "list a.json", "inspect last"])
def test_a_reader_who_goes_away_changes_no_exit_code(words: str, project: Project) -> None:
    project.write("a.json", PASSES)
    assert shell(project, '"$SEATRIAL" run a.json') == 0
    assert shell(project, f'"$SEATRIAL" {words} | true; exit ${{PIPESTATUS[0]}}') == 0
    assert shell(project, '"$SEATRIAL" check none.json 2>&1 | true; exit ${PIPESTATUS[0]}') == 2


def test_a_folder_that_was_deleted_is_named_as_the_trouble(project: Project) -> None:
    document = project.write("a.json", PASSES)
    gone = project.folder / "gone"
    gone.mkdir()
    for command in (f"run {document}", "clean", f"check {document}"):
        said = subprocess.run(
            ["bash", "-c", f'rmdir ../gone; "$SEATRIAL" {command}; code=$?; mkdir {gone}; exit $code'],
            cwd=gone, env=environment(project), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert said.returncode == 2, said.stderr
        assert "the current folder was deleted" in said.stderr


def test_a_report_folder_that_cannot_be_made_is_refused_before_anything_is_started(project: Project) -> None:
    document = project.write("a.json", PASSES)
    (project.folder / "file").write_text("")
    done = project.seatrial("run", document, "--report-dir", "file/report")
    assert done.returncode == 2, done.stderr
    assert "could not create the folder" in done.stderr
    assert project.left() == []


def test_a_state_folder_that_cannot_be_written_is_unknown_and_nothing_is_left(project: Project) -> None:
    done = project.seatrial(
        "run", project.write("a.json", deployed()), env={**project.environment, "XDG_STATE_HOME": "/proc/nowhere"}
    )
    assert done.returncode == 3, done.stdout
    assert "/proc/nowhere" in done.stdout
    assert project.left() == []


def environment(project: Project) -> dict[str, str]:

    return {**project.environment, "SEATRIAL": str(Path(sys.executable).parent / "seatrial")}


def shell(project: Project, command: str) -> int:
    assert shutil.which("bash")
    return subprocess.run(
        ["bash", "-c", command], cwd=project.folder, env=environment(project), capture_output=True, check=False
    ).returncode


def test_seatrial_that_is_found_by_its_path_alone_finds_its_sample_too(project: Project) -> None:
    import seatrial

    packages = [str(Path(seatrial.__file__).parent.parent), *(one for one in sys.path if one.endswith("-packages"))]
    bare = {**project.environment, "PYTHONPATH": os.pathsep.join(packages)}
    document = project.write("a.json", deployed())
    command = [sys._base_executable, "-S", "-m", "seatrial", "run", str(document)]  # type: ignore[attr-defined]
    done = subprocess.run(
        command, cwd=project.folder, env=bare, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.left() == []


def test_the_node_of_a_doctor_that_goes_on_is_left_alone_and_that_of_a_killed_one_given_back(
    project: Project,
) -> None:
    (project.folder / "seatrial.toml").write_text("[providers.local]\n")
    doctor = project.start("doctor", "local")

    def nodes() -> set[str]:
        return {one.folder for one in tree.find_tagged() if one.node.startswith(f"readiness-{doctor.pid}-")}

    def stopped() -> set[str]:
        """Whether it has its node, now that it stands still; if not, it goes on."""
        doctor.send_signal(signal.SIGSTOP)
        found = nodes()
        if not found:
            doctor.send_signal(signal.SIGCONT)
        return found

    until(stopped, "the node that doctor tries")
    (folder,) = nodes()
    cleaned = project.seatrial("clean")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert nodes() == {folder}, cleaned.stdout
    doctor.kill()
    doctor.communicate(timeout=120)
    cleaned = project.seatrial("clean")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert "of a killed `seatrial doctor`" in cleaned.stdout
    assert nodes() == set()
    assert not Path(folder).exists()


def test_a_state_folder_removed_by_a_step_is_said_and_no_pass(project: Project) -> None:
    step = {"step": "custom_command", "custom_command": "rm -rf .seatrial"}
    done = project.seatrial("run", project.write("a.json", suite(step)))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "the run's folder was removed while it ran" in done.stdout
    assert "RESULT: UNKNOWN" in done.stdout
    assert "the ledger was removed while the run needed it" in done.stdout
    assert "bug" not in done.stderr
    assert project.left() == []
