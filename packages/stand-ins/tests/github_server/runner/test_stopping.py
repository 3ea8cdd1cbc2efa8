"""Cancelled, out of time, or given up: what still runs then, and that nothing is left."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from github_server.runner.fake_run import FakeRun, jobs, only, workflow
from seatrial_stand_ins.github.runner import Grace, WorkflowRunner

QUICK = Grace(interrupt=1.0, terminate=0.5, always=5.0)


def alive(mark: str) -> list[str]:
    """The processes that have this text in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in line and entry.name != str(os.getpid()):
            found.append(line.replace(b"\0", b" ").decode())
    return found


async def cancelled(run: FakeRun, when: str, grace: Grace = QUICK) -> str:
    """Run it, cancel it when this is in its log, and say how it ended."""
    task = asyncio.ensure_future(WorkflowRunner(folder=run.folder.parent / "jobs", grace=grace).run(run))
    await run.until(when)
    run.cancel()
    async with asyncio.timeout(60):
        return await task


def test_a_cancelled_run_ends_its_step_and_does_only_what_is_always_due(tmp_path: Path) -> None:
    steps = f"""\
- run: |
    echo begun
    exec python3 -c 'import time; time.sleep(60)' {tmp_path}
- run: echo no
- {{run: echo always, if: always()}}
- {{run: echo cancelled, if: cancelled()}}
- {{run: echo failure, if: failure()}}
"""
    run = FakeRun(tmp_path / "r", workflow(steps))
    assert asyncio.run(cancelled(run, "\nbegun")) == "cancelled"
    job = only(run)
    assert list(job.outcome.values()) == ["cancelled", "skipped", "success", "success", "skipped"]
    assert "##[error]The operation was canceled." in job.steps[0].lines
    assert job.conclusion == "cancelled"
    assert alive(str(tmp_path)) == []


def test_a_program_hears_of_its_end_first_and_a_deaf_one_is_killed_with_all_it_started(tmp_path: Path) -> None:
    script = f"""\
- shell: python
  run: |
    import os, signal, subprocess, time
    child = subprocess.Popen(["sleep", "61.{os.getpid()}"], start_new_session=True)
    open("child", "w").write(str(child.pid))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: os.write(1, f"heard {{signal.Signals(number).name}}\\n".encode()))
    print("begun", flush=True)
    while True:
        time.sleep(0.05)
- if: always()
  run: if grep -q '^State:.[RSD]' "/proc/$(cat child)/status"; then exit 1; fi
"""
    run = FakeRun(tmp_path / "r", workflow(script))
    assert asyncio.run(cancelled(run, "\nbegun")) == "cancelled"
    lines = only(run).steps[0].lines
    assert [line for line in lines if line.startswith("heard")] == ["heard SIGINT", "heard SIGTERM"]
    assert only(run).steps[1].conclusion == "success", "a program of the step before still runs"
    assert alive(f"61.{os.getpid()}") == []


def test_a_step_that_is_always_due_goes_on_until_its_time_is_over(tmp_path: Path) -> None:
    steps = """\
- {if: always(), run: "echo begun; sleep 0.5; echo went on"}
- {if: always(), run: "echo second; sleep 60"}
"""
    run = FakeRun(tmp_path / "r", workflow(steps))
    assert asyncio.run(cancelled(run, "\nbegun")) == "cancelled"
    assert "went on" in only(run).steps[0].lines
    assert list(only(run).outcome.values()) == ["success", "cancelled"]


def test_a_job_that_is_always_due_is_not_cancelled_with_its_run(tmp_path: Path) -> None:
    text = """\
a: {runs-on: x, steps: [{run: "echo begun; sleep 60"}]}
b: {needs: a, if: always(), runs-on: x, steps: [{run: "echo clean up"}]}
c: {needs: a, runs-on: x, steps: [{run: "echo no"}]}
"""
    run = FakeRun(tmp_path / "r", jobs(text))
    assert asyncio.run(cancelled(run, "\nbegun")) == "cancelled"
    assert (run.jobs["a"].conclusion, run.jobs["b"].conclusion, run.skipped) == ("cancelled", "success", ["c"])


COMPOSITE = """\
runs:
  using: composite
  steps:
    - {run: "echo begun; exec sleep 60", shell: bash}
    - {run: echo no, shell: bash}
    - {run: echo given back, shell: bash, if: always()}
"""


def test_what_is_always_due_in_a_composite_action_runs_when_it_is_cancelled(tmp_path: Path) -> None:
    steps = "- uses: actions/checkout@v4\n- uses: ./\n- run: echo no\n"
    run = FakeRun(tmp_path / "r", workflow(steps), files={"action.yml": COMPOSITE})
    assert asyncio.run(cancelled(run, "\nbegun")) == "cancelled"
    assert [step.conclusion for step in only(run).steps] == ["success", "cancelled", "skipped", "success"]
    assert "given back" in only(run).steps[1].lines
    assert "no" not in only(run).log_text.split("\n")


def test_a_job_out_of_time_is_cancelled(tmp_path: Path) -> None:
    steps = "- run: sleep 60\n- {if: always(), run: echo after}\n"
    run = FakeRun(tmp_path / "r", workflow(steps, job="timeout-minutes: 0.005"))
    assert asyncio.run(WorkflowRunner(folder=tmp_path / "jobs", grace=QUICK).run(run)) == "cancelled"
    job = only(run)
    assert list(job.outcome.values()) == ["cancelled", "success"]
    assert (
        "failure",
        "The job has exceeded the maximum execution time of 0.005 minutes.",
        ".github",
        1,
    ) in job.annotations


def test_a_daemon_serves_the_steps_after_it_and_ends_with_its_job(tmp_path: Path) -> None:
    mark = f"daemon-{os.getpid()}"
    steps = f"""\
- shell: python
  run: |
    import subprocess, sys
    code = "import time\\nwhile True: print('here', flush=True); open('alive', 'w').close(); time.sleep(0.02)"
    subprocess.Popen([sys.executable, "-c", code, "{mark}"], start_new_session=True)
- run: |
    rm -f alive; for try in $(seq 3000); do test -e alive && exit 0; sleep 0.01; done; exit 1
"""
    run = FakeRun(tmp_path / "r", workflow(steps))
    assert asyncio.run(WorkflowRunner(folder=tmp_path / "jobs").run(run)) == "success", only(run).log_text
    assert alive(mark) == []


def test_a_run_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "r", workflow(f"- run: echo begun; sleep 62.{os.getpid()} & sleep 62.{os.getpid()}"))

    async def give_up() -> None:
        task = asyncio.ensure_future(WorkflowRunner(folder=tmp_path / "jobs", grace=QUICK).run(run))
        await run.until("\nbegun")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    assert alive(f"62.{os.getpid()}") == []
    assert list((tmp_path / "jobs").iterdir()) == []
    assert only(run).conclusion == "cancelled"
