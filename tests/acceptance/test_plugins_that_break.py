"""Whatever a plugin of the user raises, also what ends processes, no run is green by it, and nothing is left."""

from __future__ import annotations

import pytest
from tests.acceptance.harness import Project, only, suite, validate

PLUGIN = '''
import asyncio, sys
from dataclasses import dataclass
import seatrial

class Odd(BaseException):
    pass

RAISE = {
    "exit": lambda: SystemExit(0), "interrupt": KeyboardInterrupt, "odd": Odd, "cancelled": asyncio.CancelledError,
    "group": lambda: BaseExceptionGroup("several", [Odd(), SystemExit(0)]), "closing": GeneratorExit,
}

@seatrial.step("raise")
@dataclass(frozen=True, kw_only=True)
class Raise:
    """Raise something."""
    what: str
    async def run(self, ctx):
        raise RAISE[self.what]()

@seatrial.check("raises")
@dataclass(frozen=True, kw_only=True)
class Raises:
    """Raise something."""
    what: str
    async def observe(self, ctx):
        raise RAISE[self.what]()

@seatrial.step("exit_from_a_callback")
@dataclass(frozen=True, kw_only=True)
class Later:
    """End the process from outside of the step."""
    async def run(self, ctx):
        asyncio.get_running_loop().call_soon(sys.exit, 0)
        await asyncio.sleep(10)
'''

REPORTER = '''
import seatrial

@seatrial.reporter("quits")
class Quits:
    """Ends the process."""
    def __init__(self, folder, options):
        self.at("made")
    def at(self, what):
        if what == "WHERE":
            raise SystemExit(0)
    def on(self, event):
        self.at(event.kind)
    def close(self):
        self.at("close")
'''


FINE = {"step": "custom_command", "custom_command": ["true"]}


@pytest.mark.parametrize("what", ["exit", "interrupt", "odd", "cancelled", "group", "closing"])
def test_what_a_step_or_check_raises_is_unknown(what: str, project: Project) -> None:
    (project.folder / "plugin.py").write_text(PLUGIN)
    document = suite({"step": "raise", "what": what, "allow_failure": True}, FINE)
    check = {"check": "raises", "what": what}
    document["test_suites"]["checks"] = {"provider": "local", "workflow": [validate(check, check)]}
    document["test_suites"]["steps"] = {"provider": "local", "workflow": [{"step": "raise", "what": what}]}
    done = project.seatrial("run", project.write("a.json", document), "--plugin", "plugin.py")
    assert done.returncode == 3, done.stdout + done.stderr
    assert project.results()["totals"] | {"skipped": 0} == {
        "passed": 1, "failed": 0, "unknown": 2, "skipped": 0, "pending": 0,
    }  # fmt: skip


def test_ending_the_process_from_a_callback_is_no_pass_and_leaves_nothing(project: Project) -> None:
    (project.folder / "plugin.py").write_text(PLUGIN)
    document = project.write("a.json", suite("init", "deploy", {"step": "exit_from_a_callback"}))
    done = project.seatrial("run", document, "--plugin", "plugin.py")
    assert done.returncode == 3, done.stdout + done.stderr
    assert not project.results()["success"]
    assert project.left() == []


@pytest.mark.parametrize("where", ["made", "step_started", "suite_finished", "run_finished", "close"])
def test_a_reporter_that_ends_the_process_is_no_pass(where: str, project: Project) -> None:
    (project.folder / "plugin.py").write_text(REPORTER.replace("WHERE", where))
    document = project.write("a.json", suite(FINE))
    done = project.seatrial("run", document, "--plugin", "plugin.py")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "SystemExit" in done.stderr + done.stdout or "sys.exit" in done.stderr
    assert project.left() == []


def test_a_suite_whose_steps_were_all_skipped_is_no_pass(project: Project) -> None:
    skipped = {"step": "wait", "for": 0, "if": "false"}
    group = {"step": "group", "steps": [skipped, {"step": "parallel", "steps": [skipped]}]}
    document = project.write("a.json", suite(skipped, group))
    done = project.seatrial("run", document)
    assert done.returncode == 5, done.stdout + done.stderr
    row = only(project.results()["results"])
    assert (row["status"], row["success"]) == ("skipped", False)
    assert "no step ran" in row["reason"]
