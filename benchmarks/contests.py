"""What is measured, who takes part, how to tell that the work was done, and the limit Seatrial set itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import inputs
from benchmarks.measure import RunFailed

Proof = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One tool doing the work: a program of a venv's bin folder, its arguments, and the proof that it did it."""

    tool: str
    program: str
    arguments: tuple[str, ...]
    prepare: inputs.Prepare
    proof: Proof


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One kind of work. `limit` is a ratio to the fastest of `against`, or seconds when that is empty."""

    name: str
    contestants: tuple[Contestant, ...]
    limit: float
    against: tuple[str, ...] = ()
    limit_mb: float | None = None
    deadline: float = 120.0


def ended(folder: Path) -> None:
    """The exit code was proof enough."""


def output_says(*words: str) -> Proof:
    def proof(folder: Path) -> None:
        said = (folder / "output").read_text(errors="replace")
        for word in words:
            if word not in said:
                raise RunFailed(f"the output in {folder} does not say {word!r}:\n{said[-1000:]}")

    return proof


def chaos_did(folder: Path) -> None:
    journal = json.loads((folder / "journal.json").read_text())
    done = sum(one["status"] == "succeeded" for one in journal["run"])
    if done != inputs.STEPS:
        raise RunFailed(f"Chaos Toolkit's journal in {folder} has {done} succeeded actions, not {inputs.STEPS}")


def robot_did(folder: Path) -> None:
    done = (folder / "output.xml").read_text().count('<status status="PASS"')
    # Each keyword, the test and the suite around them.
    if done != inputs.STEPS + 2:
        raise RunFailed(f"Robot Framework's output in {folder} has {done} passed items, not {inputs.STEPS + 2}")


def seatrial_did(suites: int, steps: int) -> Proof:
    """The results must have every suite and step, and the journal must have been written."""

    def proof(folder: Path) -> None:
        results = json.loads((folder / "report" / "results.json").read_text())
        done = [[step["status"] for step in suite["workflow_steps"]] for suite in results["results"]]
        if results["verdict"] != "passed" or done != [["completed"] * steps] * suites:
            raise RunFailed(f"results.json in {folder} does not have {suites} × {steps} completed steps")
        events = (folder / "report" / "events.jsonl").read_bytes().count(b"\n")
        if events < suites * steps:
            raise RunFailed(
                f"events.jsonl in {folder} has {events} lines for {suites * steps} steps: not all journalled"
            )

    return proof


def rounds_did(folder: Path) -> None:
    repeat, _ = json.loads((folder / "report" / "results.json").read_text())["results"][0]["workflow_steps"]
    if repeat["outputs"].get("rounds") != inputs.ROUNDS or repeat["verdict"] != "passed":
        raise RunFailed(f"results.json in {folder} does not have {inputs.ROUNDS} passed rounds")


def chaos(prepare: inputs.Prepare) -> Contestant:
    # The version check would ask the network.
    arguments = ("--no-version-check", "run", "experiment.json")
    return Contestant(tool="Chaos Toolkit", program="chaos", arguments=arguments, prepare=prepare, proof=chaos_did)


def robot(prepare: inputs.Prepare) -> Contestant:
    return Contestant(
        tool="Robot Framework", program="robot", arguments=("suite.robot",), prepare=prepare, proof=robot_did
    )


def pytest(prepare: inputs.Prepare) -> Contestant:
    proof = output_says(f"{inputs.STEPS} passed")
    return Contestant(tool="pytest", program="pytest", arguments=("test_suite.py",), prepare=prepare, proof=proof)


def seatrial(prepare: inputs.Prepare, proof: Proof, *arguments: str) -> Contestant:
    return Contestant(tool="Seatrial", program="seatrial", arguments=arguments, prepare=prepare, proof=proof)


def version(tool: str, program: str, word: str) -> Contestant:
    return Contestant(
        tool=tool, program=program, arguments=("--version",), prepare=inputs.nothing, proof=output_says(word)
    )


RUN = ("run", "suite.json", "--report-dir", "report")
PEERS = ("Chaos Toolkit", "Robot Framework")

CONTESTS = (
    Contest(
        name=f"{inputs.STEPS} no-op steps",
        contestants=(
            seatrial(inputs.seatrial_noop, seatrial_did(1, inputs.STEPS + 1), *RUN),
            chaos(inputs.chaos_noop),
            robot(inputs.robot_noop),
            pytest(inputs.pytest_noop),
        ),
        limit=0.8,
        against=PEERS,
    ),
    Contest(
        name=f"{inputs.STEPS} runs of {inputs.TRUE}",
        contestants=(
            seatrial(inputs.seatrial_true, seatrial_did(1, inputs.STEPS), *RUN),
            chaos(inputs.chaos_true),
            robot(inputs.robot_true),
            pytest(inputs.pytest_true),
        ),
        limit=1.0,
        against=PEERS,
    ),
    Contest(
        name="--version",
        contestants=(
            version("Seatrial", "seatrial", "0."),
            version("Chaos Toolkit", "chaos", "chaos, version"),
            # Robot Framework's own exit code for --version is 251, so it cannot be told from a failure; pytest's is 0.
            version("pytest", "pytest", "pytest"),
        ),
        limit=0.6,
        against=("Chaos Toolkit",),
    ),
    Contest(
        name=f"check {inputs.SUITES} suites × {inputs.STEPS_PER_SUITE} steps",
        contestants=(seatrial(inputs.seatrial_plan, ended, "check", "suite.json"),),
        limit=1.0,
    ),
    Contest(
        name=f"{inputs.SUITES} suites × {inputs.STEPS_PER_SUITE} waits of 100 ms, --parallel {inputs.SUITES}",
        contestants=(
            seatrial(
                inputs.seatrial_waits,
                seatrial_did(inputs.SUITES, inputs.STEPS_PER_SUITE + 1),
                *RUN,
                "--parallel",
                str(inputs.SUITES),
            ),
        ),
        limit=2.5,
        limit_mb=200.0,
    ),
    Contest(
        name=f"repeat, {inputs.ROUNDS} rounds of two no-op steps",
        contestants=(seatrial(inputs.seatrial_rounds, rounds_did, *RUN),),
        limit=4.0,
    ),
    Contest(
        name=f"report of {inputs.EVENTS:,} events",
        contestants=(seatrial(inputs.seatrial_journal, ended, "report", "report", "--out", "report.html"),),
        limit=25.0,
        limit_mb=300.0,
    ),
)
