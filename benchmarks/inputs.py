"""The same work written for each tool, as its own manual would have it written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import journals

STEPS = 500
SUITES = 1000
ROUNDS = 4000
EVENTS = 1_000_000
STEPS_PER_SUITE = 10

TRUE = "/bin/true"

NOOP: dict[str, Any] = {"step": "set", "values": {"x": 1}}

MEASURED: dict[str, Any] = {"step": "validate", "checks": ["file:suite.json"]}
"""The last step of a suite of others: steps without a measurement do not make it pass."""


def chaos(folder: Path, provider: dict[str, Any]) -> None:
    """An experiment whose method is 500 actions."""
    actions = [{"type": "action", "name": f"action {number}", "provider": provider} for number in range(STEPS)]
    experiment = {"title": "500 actions", "description": "Measured by benchmarks/run.py", "method": actions}
    (folder / "experiment.json").write_text(json.dumps(experiment))


def chaos_noop(folder: Path) -> None:
    # Chaos Toolkit has no no-op of its own; a function that returns at once is the least it can be asked for.
    (folder / "idle.py").write_text("def idle():\n    return None\n")
    chaos(folder, {"type": "python", "module": "idle", "func": "idle"})


def chaos_true(folder: Path) -> None:
    chaos(folder, {"type": "process", "path": TRUE})


def robot_noop(folder: Path) -> None:
    (folder / "suite.robot").write_text("*** Test Cases ***\n500 Keywords\n" + "    No Operation\n" * STEPS)


def robot_true(folder: Path) -> None:
    head = "*** Settings ***\nLibrary    Process\n\n*** Test Cases ***\n500 Processes\n"
    (folder / "suite.robot").write_text(head + f"    Run Process    {TRUE}\n" * STEPS)


def pytest_noop(folder: Path) -> None:
    tests = "".join(f"def test_{number}():\n    pass\n\n\n" for number in range(STEPS))
    (folder / "test_suite.py").write_text(tests)


def pytest_true(folder: Path) -> None:
    tests = "".join(
        f"def test_{number}():\n    subprocess.run(['{TRUE}'], check=True)\n\n\n" for number in range(STEPS)
    )
    (folder / "test_suite.py").write_text("import subprocess\n\n\n" + tests)


Workflow = list[dict[str, Any]]


def suites(number: int, workflow: Callable[[int], Workflow]) -> str:
    """A Seatrial document with `number` suites, each with the workflow made for its index."""
    common = {
        "provider": "local",
        "test_type": "workflow",
        "description": "Measured by benchmarks/run.py",
        "parameters": {"cluster_size": 1},
    }
    return json.dumps({"test_suites": {f"suite_{one}": {**common, "workflow": workflow(one)} for one in range(number)}})


def seatrial_noop(folder: Path) -> None:
    (folder / "suite.json").write_text(suites(1, lambda _: [NOOP] * STEPS + [MEASURED]))


def seatrial_true(folder: Path) -> None:
    (folder / "suite.json").write_text(
        suites(1, lambda _: [{"step": "custom_command", "custom_command": [TRUE]}] * STEPS)
    )


def seatrial_plan(folder: Path) -> None:
    def workflow(suite: int) -> Workflow:
        # No two suites are alike, so that no memory of equal steps can answer for them.
        half = range(STEPS_PER_SUITE // 2)
        sets: Workflow = [{"step": "set", "values": {f"x{index}": suite * STEPS_PER_SUITE + index}} for index in half]
        checks = ["cluster_status", "node_status:n11:running"]
        looks: Workflow = [
            {"step": "validate", "checks": checks, "retry": {"max_attempts": suite + 1, "delay_seconds": index}}
            for index in half
        ]
        return sets + looks

    (folder / "suite.json").write_text(suites(SUITES, workflow))


def seatrial_waits(folder: Path) -> None:
    wait: Workflow = [{"step": "wait", "for": "100ms"}]
    waits = wait * STEPS_PER_SUITE + [MEASURED]
    (folder / "suite.json").write_text(suites(SUITES, lambda _: waits))


def seatrial_rounds(folder: Path) -> None:
    rounds = {"step": "repeat", "times": ROUNDS, "steps": [NOOP, NOOP]}
    (folder / "suite.json").write_text(suites(1, lambda _: [rounds, MEASURED]))


def seatrial_journal(folder: Path) -> None:
    journals.write(folder / "report" / "events.jsonl", journals.soak, EVENTS)


def nothing(folder: Path) -> None:
    """Work without input, such as `--version`."""


Prepare = Callable[[Path], None]
