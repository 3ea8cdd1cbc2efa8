"""Programs of steps and checks that try to outlive their trial."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.acceptance.harness import Project, suite, until, validate

DAEMON = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
null = os.open(os.devnull, os.O_RDWR)
for fd in range(3):
    os.dup2(null, fd)
open(sys.argv[1], "w").close()
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["step", "check"])
def test_a_daemon_that_a_command_leaves_ends_with_the_trial(how: str, project: Project) -> None:
    (project.folder / "daemon.py").write_text(DAEMON)
    argv = [sys.executable, "daemon.py", str(project.folder / "up")]
    begin = {"step": "custom_command", "custom_command": argv}
    if how == "check":
        begin = validate({"check": "command", "command": argv})
    up = validate({"check": "file", "path": "up"}, retry={"timeout": "60s"})
    done = project.seatrial("run", project.write("a.json", suite(begin, up)))
    assert done.returncode == 0, done.stdout
    assert project.left() == []


@pytest.mark.parametrize("then", ["true", "sleep 0.4"])
def test_what_a_command_leaves_in_the_background_ends_with_the_trial_also_without_an_environment(
    then: str, project: Project
) -> None:
    mark = f"61{os.getpid():08d}"  # as no other number that stands in a command
    step = {"step": "custom_command", "custom_command": f"env -i sleep {mark} >/dev/null 2>&1 & {then}"}
    done = project.seatrial("run", project.write("a.json", suite(step)))
    assert done.returncode == 0, done.stdout
    assert "left processes behind" in done.stdout
    assert not any(mark in command for command in commands())


def test_a_command_of_a_run_that_is_killed_the_moment_it_begins_is_found_by_clean(project: Project) -> None:
    step = {"step": "custom_command", "custom_command": "exec sleep 600"}
    process = project.start("run", project.write("a.json", suite(step)), "--format", "none")
    until(lambda: any("sleep 600" in one for one in project.left()), "the begin of the command")
    process.kill()
    process.communicate(timeout=120)
    assert any("sleep 600" in one for one in project.left())
    assert project.seatrial("clean").returncode == 0
    until(lambda: project.left() == [], "the end of the command")


def commands() -> Iterator[str]:
    """The command line of every process."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):  # it ended while we looked
            yield Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
