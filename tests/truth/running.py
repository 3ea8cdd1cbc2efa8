"""Runs rows with the real command, each in a folder of its own, and judges what came."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.acceptance.harness import Project, processes_of
from tests.backends.session import remove_temporary
from tests.truth.case import Case, Outcome

SECONDS = 90.0
"""A row that takes longer has come out wrong."""

CODES = {0: Outcome.PASSED, 1: Outcome.FAILED, 2: Outcome.REFUSED, 3: Outcome.UNKNOWN, 4: Outcome.LEFT,
         5: Outcome.NOTHING}  # fmt: skip
BROKEN = 99
"""For a test whose result is not that of its run."""

VERDICTS = {
    Outcome.PASSED: ("passed",),
    Outcome.FAILED: ("failed",),
    Outcome.UNKNOWN: ("unknown",),
    Outcome.NOTHING: ("", "skipped", "nothing ran"),
    Outcome.LEFT: ("passed", "skipped", ""),
    Outcome.REFUSED: ("",),
}
"""The verdicts of the row that belong to an exit code."""


class Judgement(StrEnum):
    """What an outcome is worth."""

    RIGHT = "right"
    GREEN = "wrong green"
    """Passed where it must not, or left something in silence."""
    RED = "wrong red"
    """Failed where the product did nothing wrong, or said that something stays where nothing does."""
    WEAK = "too weak"
    """Unknown, or nothing ran, where a verdict was possible."""
    OTHER = "otherwise wrong"


@dataclass(frozen=True)
class Result:
    """What came of a row."""

    case: Case
    outcome: Outcome
    judgement: Judgement
    said: str
    """Exit code, verdict and error, and what was wrong with them."""
    folder: Path


def run(case: Case, folder: Path) -> Result:
    """Run the row's command in a new folder, and judge it."""
    project = Project(folder)
    folder.mkdir(parents=True)
    for name, text in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    with case.around(project) as given:
        document = case.document(given) if callable(case.document) else case.document
        pipeline = "pipeline" in document
        path = project.write("pipeline.json" if pipeline else "trial.json", document)
        environment = {**project.environment, **case.environment, **_variables(given)}
        words = ["preflight" if pipeline else "run", str(path), "--format", "json", *case.arguments]
        options: dict[str, Any] = {"env": environment}
        if isinstance(given, Mapping) and "preexec_fn" in given:
            options["preexec_fn"] = given["preexec_fn"]
        try:
            if case.system == "pytest":
                done = _by_pytest(project, environment)
            else:
                done = project.seatrial(*words, timeout=SECONDS, **options)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            _kill(processes_of(folder))
            return Result(case, Outcome.BROKEN, Judgement.OTHER, f"no end within {SECONDS:g} s: {error}", folder)
    stays = processes_of(folder)
    _kill(stays)
    return judge(case, folder, done.returncode, done.stdout, done.stderr, [what for _, what in stays])


def _by_pytest(project: Project, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The row's test under pytest; its results, with the run's exit code where pytest ended accordingly."""
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "test_it.py"]
    kept = {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        words, cwd=project.folder, env=kept, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    results = project.results()
    code = next((code for code, outcome in CODES.items() if outcome == results["verdict"]), BROKEN)
    agree = (done.returncode == 0) == (code == 0)
    return subprocess.CompletedProcess(words, code if agree else BROKEN, json.dumps(results), done.stdout)


def _kill(processes: Sequence[tuple[int, str]]) -> None:
    for pid, _ in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _variables(given: Any) -> Mapping[str, str]:
    return given.get("env", {}) if isinstance(given, Mapping) else {}


def judge(case: Case, folder: Path, code: int, out: str, err: str, stays: list[str]) -> Result:
    """What an exit code with a result is worth."""
    try:
        results = json.loads(out)
    except ValueError:
        results = {}
    rows = results.get("results") or [{}]
    verdict = (rows[0].get("verdict") or "") if "results" in results else str(results.get("result", "")).lower()
    if code == 2 and not results:
        outcome = Outcome.REFUSED
    else:
        outcome = CODES.get(code, Outcome.BROKEN)
        if outcome in VERDICTS and verdict not in VERDICTS[outcome]:
            outcome = Outcome.BROKEN
    error = rows[0].get("error") or "" if "results" in results else _problems(results)
    said = [f"exit code {code}, verdict {verdict or '–'}: {error or err.strip()[-1500:]}"]
    judgement = _worth(case, outcome, green=code == 0 or (verdict == "passed" and code not in (4,)))
    left = [*results.get("left_behind", ()), *(one for row in rows for one in row.get("left_behind", ()))]
    if left or code == 4:
        told = f"left behind: {left}"
        said += [] if case.leak else [told]
        judgement = judgement if case.leak or judgement is not Judgement.RIGHT else Judgement.RED
    elif case.leak:
        said.append("nothing is said to stay")
        judgement = Judgement.GREEN
    if stays and not case.leak:
        said.append(f"left in silence: {', '.join(stays)}")
        judgement = Judgement.GREEN
    if judgement is Judgement.RIGHT and case.category and rows[0].get("category") != case.category:
        said.append(f"category {rows[0].get('category')!r}, not {case.category!r}")
        judgement = Judgement.OTHER
    if judgement is Judgement.RIGHT and case.words and case.words not in out + err:
        said.append(f"it does not say {case.words!r}")
        judgement = Judgement.OTHER
    return Result(case, outcome, judgement, "; ".join(said), folder)


def _problems(results: Mapping[str, Any]) -> str:
    checks = [one for stage in results.get("stages", {}).values() for one in stage.get("checks", [])]
    return "; ".join(f"{one['name']}: {one['status']} {one.get('error', '')}".strip() for one in checks)


def _worth(case: Case, outcome: Outcome, *, green: bool) -> Judgement:
    if outcome in case.outcomes:
        return Judgement.RIGHT
    if green:
        return Judgement.GREEN
    if outcome is Outcome.FAILED:
        return Judgement.RED
    if outcome in (Outcome.UNKNOWN, Outcome.NOTHING):
        return Judgement.WEAK
    return Judgement.RED if outcome is Outcome.LEFT else Judgement.OTHER


def remove(result: Result) -> None:
    """Remove what a row that came out right has left, as one with a deployment that is left behind."""
    remove_temporary(result.folder)
    shutil.rmtree(result.folder, ignore_errors=True)
