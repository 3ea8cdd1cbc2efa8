"""A sample of `make kills`: after a kill at a random moment `clean` leaves nothing of escaping daemons, or says it."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.kill_suites import MARK, PLACES
from benchmarks.kills import kill
from benchmarks.snapshots import Snapshot
from tests.acceptance.harness import Project, processes_of, until
from tests.acceptance.test_a_deployers_word import TRUE, system


@pytest.mark.parametrize("place", ["local", "ssh", "preflight"])
@pytest.mark.parametrize("number", [1, 2])
def test_nothing_is_left_after_a_kill_or_it_is_said(place: str, number: int, tmp_path: Path) -> None:
    if why := PLACES[place].absent():
        pytest.skip(why)
    done = kill(number, "sample", PLACES[place], tmp_path, PLACES[place].seconds)
    assert (done.left, done.slow) == ([], ""), f"{done}: {done.said}"


def test_the_comparison_sees_what_a_killed_run_left(project: Project) -> None:
    """Without `clean`: the search itself can find."""
    step = {"step": "custom_command", "custom_command": f"env -i setsid {MARK} & sleep 600"}
    before = Snapshot.take()
    run = project.start(
        "run", project.write("a.json", {"test_suites": {"s": {"provider": "local", "workflow": [step]}}})
    )
    try:
        until(lambda: any(MARK in line for line in Snapshot.take().since(before)), "the program")
        assert run.poll() is None
        run.kill()
        run.communicate()
        fresh = Snapshot.take().since(before)
        assert any(line.startswith("process ") and MARK in line for line in fresh)
        assert any(line.startswith("namespace ") and str(project.folder) in line for line in fresh)
        assert processes_of(project.folder)
    finally:
        run.kill()
        assert project.seatrial("clean").returncode == 0
    assert not any(MARK in line for line in Snapshot.take().since(before))


WORKER = "touch began; until test -e go; do sleep 0.02; done; touch late"


@pytest.mark.parametrize("session", ["", "setsid --wait "])
@pytest.mark.parametrize("in_deploy", [True, False])
def test_a_program_of_a_killed_run_has_ended_before_destroy(session: str, in_deploy: bool, project: Project) -> None:
    """Else it makes something after `destroy` has looked. Some deployers give each worker a session of its own."""
    worker, destroy = project.folder / "worker.sh", project.folder / "destroy.sh"
    worker.write_text(WORKER)
    destroy.write_text(f"pgrep --full --list-full {worker} >alive\nrm -f up; echo destroyed >state; touch go\n")
    command = f"cd {project.folder}; {session}sh {worker}; true"
    verbs = {"deploy": f"{TRUE['deploy']}; {command if in_deploy else 'true'}", "destroy": f"sh {destroy}"}
    document = system("deploy", {"step": "custom_command", "custom_command": command}, cwd=".", **{**TRUE, **verbs})
    with project.start("run", project.write("a.json", document)) as run:
        until(lambda: (project.folder / "began").exists() or run.poll() is not None, "the worker")
        run.kill()
        assert "error" not in run.communicate()[1]
    cleaned = project.seatrial("clean")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert (project.folder / "alive").read_text() == ""
    assert not (project.folder / "late").exists()
    assert processes_of(project.folder) == []
