"""The kill table: wherever Seatrial is stopped, nothing is left after `clean`, and the results are true."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Document, Project, only, suite, until, validate

import seatrial

DEMO = Path(seatrial.__file__).parent / "sample" / "demo.yaml"

KILLER = '''
import os, signal
from seatrial import reporter

@reporter("killer")
class Killer:
    """Kills the process at the N-th event, which is in the journal by then."""
    def __init__(self, out, options):
        self.left = int(os.environ["KILL_AT"])
    def on(self, event):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), getattr(signal, os.environ.get("KILL_WITH", "SIGKILL")))
    def close(self):
        pass
'''

EVENTS = 91
"""A run has so many, at least; what comes after them is one test."""


def run_to(project: Project, event: int, what: str = "SIGKILL", document: Path = DEMO) -> int:
    """Run the demo and have it killed at an event; the exit code (0: it ended before that event)."""
    (project.folder / "killer.py").write_text(KILLER)
    environment = {**project.environment, "KILL_AT": str(event), "KILL_WITH": what}
    return project.seatrial("run", document, "--plugin", "killer.py", "--format", "none", env=environment).returncode


def assert_results_are_true(project: Project) -> dict[str, Any]:
    """Every step that the journal saw end has that end in the results; nothing else is told as done."""
    results, events = project.results(), project.events()
    ended = {
        (event["trial"], event["data"]["step"]): event["data"]["verdict"]
        for event in events
        if event["kind"] == "step_finished"
    }
    assert results["run_id"] == events[0]["run"]
    if not any(event["kind"] == "run_finished" and not event["data"]["interrupted"] for event in events):
        assert not results["success"]
        assert results["verdict"] != "passed"
    for row in results["results"]:
        for step in row["workflow_steps"]:
            told = ended.get((row["trial_id"], step["step"]))
            if told is None:
                assert step["status"] in ("pending", "running", "failed", "skipped"), step
                assert step.get("verdict") != "passed"
            else:
                assert step["verdict"] == told
    return results


@pytest.mark.slow
@pytest.mark.table
@pytest.mark.parametrize("event", range(1, EVENTS + 2))
def test_killed_at_any_event_and_cleaned_nothing_is_left(event: int, tmp_path: Path) -> None:
    assert _killed_and_cleaned(event, tmp_path), "the run was not killed"
    if event > EVENTS:
        while _killed_and_cleaned(event := event + 1, tmp_path):
            pass


def _killed_and_cleaned(event: int, folder: Path) -> bool:
    """Whether the run was killed: one with fewer events ends by itself."""
    project = Project(folder / f"at-{event}")
    project.folder.mkdir()
    code = run_to(project, event)
    if code == 0:
        return False
    assert code == -signal.SIGKILL, [(row["error"], row["evidence"]) for row in project.results()["results"]]
    cleaned = project.seatrial("clean")
    assert cleaned.returncode == 0, f"event {event}: {cleaned.stdout}{cleaned.stderr}"
    assert project.left() == [], f"event {event}"
    if (project.runs()[-1] / "events.jsonl").stat().st_size:
        results = assert_results_are_true(project)
        assert results["finished"]
    again = project.seatrial("clean")
    # The rows of another worker may run: `clean` says that it skips them.
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "nothing to clean up")
    return True


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("event", [3, 12, 25, 45])
def test_a_signal_gives_everything_back_in_order(name: str, event: int, project: Project) -> None:
    code = run_to(project, event, name)
    assert code == {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}[name]
    assert project.left() == []
    results = assert_results_are_true(project)
    assert results["interrupted"] == name
    assert results["left_behind"] == []


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_while_the_report_is_written_leaves_it_whole(name: str, project: Project) -> None:
    plugin = KILLER.replace("    def close(self):\n        pass", f"    def close(self):\n        self.kill('{name}')")
    killing = "    def kill(self, name):\n        os.kill(os.getpid(), getattr(signal, name))\n"
    (project.folder / "killer.py").write_text(plugin + killing)
    environment = {**project.environment, "KILL_AT": "0"}
    done = project.seatrial("run", DEMO, "--plugin", "killer.py", "--format", "none", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert project.left() == []
    results = assert_results_are_true(project)
    assert (results["verdict"], results["interrupted"]) == ("passed", "")
    assert (project.runs()[-1] / "report.html").is_file()


def test_a_second_interrupt_is_faster_and_still_clean(project: Project) -> None:
    process = project.start("run", DEMO, "--format", "plain")
    until(lambda: any(e["kind"] == "fault" for e in project.events()), "the first fault")
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 130
    assert project.left() == []


def test_the_next_run_gives_back_what_a_killed_one_left(project: Project) -> None:
    assert run_to(project, 25) == -signal.SIGKILL
    assert project.left() != []
    document = project.write("quiet.json", suite({"step": "custom_command", "custom_command": ["true"]}))
    done = project.seatrial("run", document)
    assert done.returncode == 0, done.stderr
    assert project.left() == []


def test_clean_leaves_a_living_run_alone(project: Project) -> None:
    document = project.write("long.json", suite("init", "deploy", {"step": "wait", "for": "600s"}))
    process = project.start("run", document, "--format", "none")
    try:
        until(
            lambda: any(e["data"].get("type") == "wait" and e["kind"] == "step_started" for e in project.events()),
            "the wait",
        )
        cleaned = project.seatrial("clean")
        assert cleaned.returncode == 0
        assert "still active" in cleaned.stdout
        assert process.poll() is None
        assert len(project.left()) > 3
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.communicate(timeout=300)
    assert project.left() == []


def happened(project: Project) -> set[tuple[str, str]]:
    """Every kind of event so far, with the type of its step."""
    return {(event["kind"], event["data"].get("type", "")) for event in project.events()}


PROVIDERS = '''
import asyncio
from seatrial import provider
from seatrial.providers.local import Local

@provider("raises_afterwards")
class RaisesAfterwards(Local):
    """Makes the node, and then says that it could not."""
    async def create(self, spec, ctx):
        await super().create(spec, ctx)
        raise RuntimeError("the API answered 500 after it had made the node")

@provider("never_answers")
class NeverAnswers(Local):
    """Makes the node, and then never answers."""
    async def create(self, spec, ctx):
        await super().create(spec, ctx)
        await asyncio.Event().wait()
'''


def on_provider(project: Project, name: str, *, deploy: float) -> Document:
    (project.folder / "providers.py").write_text(PROVIDERS)
    project.write("trial.json", suite("init", "deploy", validate("cluster_status"), deadlines={"deploy": deploy}))
    project.seatrial("run", "trial.json", "--plugin", "providers.py", "--on", name, "--format", "none")
    row: Document = only(project.results()["results"])
    return row


def test_a_provider_that_makes_the_thing_and_then_raises_leaves_nothing(project: Project) -> None:
    row = on_provider(project, "raises_afterwards", deploy=120)
    assert (row["verdict"], row["category"]) == ("unknown", "infrastructure")
    assert "500" in row["error"]
    assert project.left() == []


def test_a_provider_that_never_answers_leaves_nothing(project: Project) -> None:
    row = on_provider(project, "never_answers", deploy=5)
    assert row["verdict"] != "passed"
    assert project.left() == []


def test_a_killed_run_on_a_plugin_provider_is_cleaned_by_the_plugin(project: Project) -> None:
    (project.folder / "providers.py").write_text(PROVIDERS)
    project.write("trial.json", suite("init", "deploy", deadlines={"deploy": 60}))
    process = project.start(
        "run", "trial.json", "--plugin", "providers.py", "--on", "never_answers", "--format", "none"
    )
    until(lambda: len([one for one in project.left() if "machine" in one]) >= 3, "three nodes")
    process.kill()
    process.communicate()
    cleaned = project.seatrial("clean")
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert project.left() == []
