"""Where and how a person may start it: odd folders, no home, closed outputs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.harness import ContractFixture, Document, suite, until, validate

from seatrial.providers.local import tree

WAITS = suite({"step": "wait", "for": 0})


def deployed() -> Document:
    return suite("init", "deploy", validate("cluster_status", "data_integrity", "ssh_connectivity"))


@pytest.mark.parametrize("name", ["with blanks in it", "ünïcödé", "a'b\"c$(x)`;&"])
def test_a_project_may_have_any_name_that_a_folder_may_have(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    harbour = ContractFixture(folder)
    done = harbour.seatrial("run", harbour.write("a.json", deployed()))
    assert done.returncode == 0, done.stdout + done.stderr
    assert harbour.left() == []


def test_a_folder_in_which_no_node_can_live_is_unknown_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "a:b"
    folder.mkdir()
    harbour = ContractFixture(folder)
    done = harbour.seatrial("run", harbour.write("a.json", deployed()))
    assert done.returncode == 3, done.stdout
    assert "':'" in done.stdout
    assert harbour.left() == []


def test_no_home_and_no_terminal_are_needed(harbour: ContractFixture) -> None:
    bare = {"PATH": os.environ["PATH"], "XDG_STATE_HOME": harbour.environment["XDG_STATE_HOME"]}
    done = harbour.seatrial("run", harbour.write("a.json", deployed()), env=bare)
    assert done.returncode == 0, done.stdout + done.stderr
    assert harbour.left() == []


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_inputs_and_outputs_change_no_verdict(closed: str, harbour: ContractFixture) -> None:
    passes, fails = harbour.write("a.json", WAITS), suite({"step": "custom_command", "custom_command": "exit 1"})
    harbour.write("b.json", fails)
    assert shell(harbour, f'"$SEATRIAL" run {passes.name} {closed}') == 0
    assert harbour.results()["success"]
    assert shell(harbour, f'"$SEATRIAL" run b.json {closed}') == 1


def test_a_reader_who_goes_away_keeps_nothing_from_being_given_back(harbour: ContractFixture) -> None:
    harbour.write("a.json", deployed())
    assert shell(harbour, 'set -o pipefail; "$SEATRIAL" run a.json | head -n 1') != 0
    assert harbour.left() == []


def test_a_folder_that_was_deleted_is_named_as_the_trouble(harbour: ContractFixture) -> None:
    document = harbour.write("a.json", WAITS)
    gone = harbour.folder / "gone"
    gone.mkdir()
    for command in (f"run {document}", "clean", f"check {document}"):
        said = subprocess.run(
            ["bash", "-c", f'rmdir ../gone; "$SEATRIAL" {command}; code=$?; mkdir {gone}; exit $code'],
            cwd=gone, env=environment(harbour), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert said.returncode == 2, said.stderr
        assert "the current folder was deleted" in said.stderr


def test_a_report_folder_that_cannot_be_made_is_refused_before_anything_is_started(harbour: ContractFixture) -> None:
    document = harbour.write("a.json", WAITS)
    (harbour.folder / "file").write_text("")
    done = harbour.seatrial("run", document, "--report-dir", "file/report")
    assert done.returncode == 2, done.stderr
    assert "could not create the folder" in done.stderr
    assert harbour.left() == []


def test_a_state_folder_that_cannot_be_written_is_unknown_and_nothing_is_left(harbour: ContractFixture) -> None:
    done = harbour.seatrial(
        "run", harbour.write("a.json", deployed()), env={**harbour.environment, "XDG_STATE_HOME": "/proc/nowhere"}
    )
    assert done.returncode == 3, done.stdout
    assert "/proc/nowhere" in done.stdout
    assert harbour.left() == []


def environment(harbour: ContractFixture) -> dict[str, str]:

    return {**harbour.environment, "SEATRIAL": str(Path(sys.executable).parent / "seatrial")}


def shell(harbour: ContractFixture, command: str) -> int:
    assert shutil.which("bash")
    return subprocess.run(
        ["bash", "-c", command], cwd=harbour.folder, env=environment(harbour), capture_output=True, check=False
    ).returncode


def test_seatrial_that_is_found_by_its_path_alone_finds_its_sample_too(harbour: ContractFixture) -> None:
    import seatrial

    packages = [str(Path(seatrial.__file__).parent.parent), *(one for one in sys.path if one.endswith("-packages"))]
    bare = {**harbour.environment, "PYTHONPATH": os.pathsep.join(packages)}
    document = harbour.write("a.json", deployed())
    command = [sys._base_executable, "-S", "-m", "seatrial", "run", str(document)]  # type: ignore[attr-defined]
    done = subprocess.run(
        command, cwd=harbour.folder, env=bare, capture_output=True, text=True, check=False, timeout=90
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert harbour.left() == []


def test_the_node_of_a_doctor_that_goes_on_is_left_alone_and_that_of_a_killed_one_given_back(
    harbour: ContractFixture,
) -> None:
    (harbour.folder / "seatrial.toml").write_text("[providers.local]\n")
    doctor = harbour.start("doctor", "local")

    def nodes() -> set[str]:
        return {one.folder for one in tree.find_tagged() if one.node.startswith(f"readiness-{doctor.pid}-")}

    until(nodes, "the node that doctor tries")
    doctor.send_signal(signal.SIGSTOP)
    (folder,) = nodes()
    cleaned = harbour.seatrial("clean")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert nodes() == {folder}, cleaned.stdout
    doctor.kill()
    doctor.communicate(timeout=30)
    cleaned = harbour.seatrial("clean")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert "of a killed `seatrial doctor`" in cleaned.stdout
    assert nodes() == set()
    assert not Path(folder).exists()
