"""A sample of `make kills`: after a kill at a random moment `clean` leaves nothing of escaping daemons, or says it."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.kill_suites import MARK, PLACES
from benchmarks.kills import kill
from benchmarks.snapshots import Snapshot
from tests.acceptance.harness import Project, processes_of, until


@pytest.mark.parametrize("place", ["local", "ssh", "preflight"])
@pytest.mark.parametrize("number", [1, 2])
def test_nothing_is_left_after_a_kill_or_it_is_said(place: str, number: int, tmp_path: Path) -> None:
    if why := PLACES[place].absent():
        pytest.skip(why)
    done = kill(number, "sample", PLACES[place], tmp_path)
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
