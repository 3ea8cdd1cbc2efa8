"""A check that ended is told at once, whatever else of its stage is still running."""

from __future__ import annotations

import signal

import pytest
from tests.acceptance.harness import Project, until

WAITING = "n=0; while [ ! -e go ] && [ $n -lt 6000 ]; do sleep 0.05; n=$((n+1)); done"
TOKEN = "tokn-8Jq2LmZx4VbN7"


def test_a_failure_is_told_before_the_slow_check_beside_it_ends(project: Project) -> None:
    slow = "n=0; while [ ! -e go ] && [ $n -lt 6000 ]; do sleep 0.05; n=$((n+1)); done"
    checks = {"fast": {"run": "echo 'a.py:3: error: bad'; exit 1"}, "good": {"run": "true"}, "slow": {"run": slow}}
    project.write("pipeline.json", {"pipeline": {"stages": {"s": {"checks": checks}}, "budget": {"parallel": 3}}})
    out = project.folder / "out.txt"
    with out.open("w") as file:
        process = project.start("preflight", stdout=file, stderr=file)
        try:
            until(lambda: "s/fast" in out.read_text() and "s/good" in out.read_text(), "the lines of the quick checks")
            before = out.read_text()
        finally:
            (project.folder / "go").touch()
            assert process.wait(timeout=300) == 1
    assert "✗ s/fast failed (" in before
    assert "): a.py:3: error: bad\n" in before
    assert "✓ s/good passed (" in before
    assert "S Stage" not in before
    assert "s/slow" not in out.read_text().partition("S Stage")[0]


def test_the_attempts_of_a_check_are_told(project: Project) -> None:
    run = "test -e once || { touch once; exit 1; }"
    project.write("pipeline.json", {"pipeline": {"stages": {"s": {"checks": {"a": {"run": run, "retry": 3}}}}}})
    assert "✓ a (attempt 2)" in project.seatrial("preflight").stdout


@pytest.mark.parametrize("verbose", [["--verbose"], []], ids=["verbose", "silent"])
def test_the_output_of_a_running_check_can_be_followed(project: Project, verbose: list[str]) -> None:
    checks = {"c": {"run": f"echo begun with $TOKEN; {WAITING}; echo end"}}
    project.write(
        "pipeline.json", {"pipeline": {"secrets": {"required": ["TOKEN"]}, "stages": {"s": {"checks": checks}}}}
    )
    console = project.folder / "out.txt"
    with console.open("w") as file:
        environment = {**project.environment, "TOKEN": TOKEN}
        process = project.start("preflight", *verbose, stdout=file, stderr=file, env=environment)
        try:
            until(lambda: bool(list(project.folder.glob(".seatrial/runs/*/*/artifacts/logs/s-c.log"))), "the log")
            (log,) = project.folder.glob(".seatrial/runs/*/*/artifacts/logs/s-c.log")
            until(lambda: log.read_text() == "begun with ***\n", "the first line")
            if verbose:
                until(lambda: "s/c | begun with ***\n" in console.read_text(), "the line on the console")
        finally:
            (project.folder / "go").touch()
            assert process.wait(timeout=300) == 0
    assert log.read_text() == "begun with ***\nend\n"
    assert ("s/c | end" in console.read_text()) == bool(verbose)
    assert TOKEN not in console.read_text()


def test_an_interrupted_check_names_its_log(project: Project) -> None:
    project.write(
        "pipeline.json", {"pipeline": {"stages": {"s": {"checks": {"c": {"run": f"echo begun; {WAITING}"}}}}}}
    )
    process = project.start("preflight")
    logs = ".seatrial/runs/*/*/artifacts/logs/s-c.log"
    until(lambda: any(log.read_text() == "begun\n" for log in project.folder.glob(logs)), "the first line")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "○ c (skipped: it was interrupted)" in out
    log = out.partition("log:")[2].split()[0]
    assert (project.folder / log).read_text() == "begun\n"


def test_the_log_has_every_attempt(project: Project) -> None:
    run = "echo here; test -e once || { touch once; exit 1; }"
    project.write("pipeline.json", {"pipeline": {"stages": {"s": {"checks": {"a": {"run": run, "retry": 3}}}}}})
    assert project.seatrial("preflight").returncode == 0
    (log,) = project.folder.glob(".seatrial/runs/*/*/artifacts/logs/s-a.log")
    assert log.read_text() == "here\nhere\n"
