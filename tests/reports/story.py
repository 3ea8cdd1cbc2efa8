"""Events for the tests of reports: the frozen run of events.jsonl, and small runs made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seatrial.model.event import Event

FROZEN = Path(__file__).with_name("events.jsonl")


def frozen() -> list[Event]:
    """The events of the frozen run: passed, failed, unknown and skipped suites, and one that left something behind."""
    return [Event(**json.loads(line)) for line in FROZEN.read_text(encoding="utf-8").splitlines()]


class Story:
    """Writes events one second apart."""

    def __init__(self, run: str = "run-1") -> None:
        self.events: list[Event] = []
        self.run = run
        self.at = 1_000_000.0

    def tell(self, kind: str, trial: str = "", /, after: float = 1.0, **data: Any) -> Story:
        """One more event."""
        self.at += after
        self.events.append(Event(kind, self.at, self.run, trial, data))
        return self

    def plan(self, trial: str = "t1", steps: Any = (("1", "deploy"), ("2", "validate")), **more: Any) -> Story:
        """A planned suite; steps as (path, type) or whole dicts."""
        told = [step if isinstance(step, dict) else {"step": step[0], "type": step[1]} for step in steps]
        named: dict[str, Any] = {"name": f"suite {trial}", "test_id": f"local-workflow-{trial}", "provider": "local"}
        return self.tell("suite_planned", trial, **{**named, "document": "a.yaml", "line": 3, "steps": told, **more})

    def begin(self, trial: str = "t1") -> Story:
        """A suite starts."""
        return self.tell("suite_started", trial, folder=f"suites/{trial}")

    def start(self, step: str, trial: str = "t1", **more: Any) -> Story:
        """A step starts."""
        return self.tell("step_started", trial, step=step, **{"type": "custom_command", "attempt": 1, **more})

    def end(self, step: str, verdict: str = "passed", trial: str = "t1", **more: Any) -> Story:
        """A step ends."""
        status = "completed" if verdict == "passed" else "failed"
        told: dict[str, Any] = {"type": "custom_command", "status": status, "verdict": verdict, "duration": 1.0}
        return self.tell("step_finished", trial, step=step, **{**told, **more})

    def check(self, step: str, check: str, verdict: str = "passed", trial: str = "t1", **more: Any) -> Story:
        """A check has its result."""
        told: dict[str, Any] = {
            "step": step,
            "check": check,
            "verdict": verdict,
            "passed": verdict == "passed",
            "attempts": 1,
        }
        return self.tell("check_observed", trial, **{**told, "duration": 0.5, "allowed_failure": False, **more})

    def over(self, verdict: str = "passed", trial: str = "t1", **more: Any) -> Story:
        """A suite ends."""
        status = "completed" if verdict == "passed" else "failed"
        told: dict[str, Any] = {"verdict": verdict, "status": status, "duration": 5.0, "left": 0}
        return self.tell("suite_finished", trial, **{**told, **more})

    def done(self, verdict: str = "passed", exit_code: int = 0, interrupted: str = "", left: int = 0) -> Story:
        """The run ends."""
        data: dict[str, Any] = {"verdict": verdict, "exit_code": exit_code, "interrupted": interrupted, "left": left}
        return self.tell("run_finished", **data, duration=9.0)


def suite(verdict: str = "passed", trial: str = "t1", **more: Any) -> Story:
    """A whole run of one suite of one step that ends so; the run is not finished yet."""
    story = Story().tell("run_started", version="0.1.0", host="project").plan(trial, [("1", "custom_command")])
    return story.begin(trial).start("1", trial).end("1", verdict, trial, **more).over(verdict, trial)
