"""`inspect`: show a run from its events: verdicts, failures with reasons, remaining resources."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from seatrial.app.project import find
from seatrial.app.report import Events
from seatrial.engine.ledger import living
from seatrial.model.event import Event
from seatrial.model.fold import Fold
from seatrial.reports.words import MARKS, walk
from seatrial.spi.contamination import blame_of, line_of

Row = Mapping[str, Any]

PAGE = 40
"""Lines shown of a system's summary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A run, as recorded in its journal."""

    folder: Path
    results: Row
    """As in `results.json`."""
    out: Sequence[Row]
    """Remaining resources, each with `op` (intended, made, kept or left) and, if kept, `until`."""
    living: bool
    """Whether the run is active."""
    trial: str = ""
    """Only this trial of it; empty: all."""

    def data(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {"folder": str(self.folder), "living": self.living, "out": list(self.out), **self.results}


def seen(wanted: str) -> Seen:
    """A run by its id, a unique prefix, `last`, or its folder; one trial of it by the trial's id. UsageError if there
    is none."""
    project = find()
    run, trial = project.trial(wanted)
    folder = project.run_folder(run or wanted)
    events = Events(folder)
    first = next(iter(events), None)
    active = living(project.ledger_folder / f"{first.run if first else folder.name}.jsonl")
    fold, out = Fold(live=active), _Resources()
    for event in events:
        fold.on(event)
        out.on(event)
    results, remaining = fold.results(), list(out.known.values())
    if trial:
        results = {**results, "results": [suite for suite in results["results"] if suite["trial_id"] == trial]}
        remaining = [resource for resource in remaining if resource["trial"] == trial]
    return Seen(folder=folder, results=results, out=remaining, living=active, trial=trial)


class _Resources:
    """The resources without a final removal event."""

    def __init__(self) -> None:
        self.known: dict[tuple[Any, Any], dict[str, Any]] = {}

    def on(self, event: Event) -> None:
        if event.kind != "resource":
            return
        data: Row = event.data
        key = (data.get("kind"), data.get("name"))
        if data.get("op") == "given_back":
            self.known.pop(key, None)
        else:
            self.known[key] = {**self.known.get(key, {}), **data, "trial": event.trial}


def described(run: Seen, *, verbose: bool = False) -> str:
    """The run as text."""
    return "".join(f"{line}\n" for line in _lines(run, verbose))


def _lines(run: Seen, verbose: bool) -> Iterator[str]:
    results = run.results
    state = "still running" if run.living else results["verdict"].upper()
    if results["interrupted"]:
        state += f" (ended by {results['interrupted']})"
    elif not results["finished"] and not run.living:
        state += " (unfinished: the run was killed, or the machine went down)"
    yield f"run {results['run_id']}: {state}"
    when, where = _moment(results["started_at"]), results["host"] or "this host"
    yield _fact("when", f"{when}, {results['duration']:.1f} s on {where}")
    yield _fact("documents", ", ".join(results["documents"]))
    yield _fact("report", str(run.folder))
    counts = ", ".join(f"{count} {word}" for word, count in results["totals"].items() if count)
    yield _fact("suites", counts or "none")
    if not run.living:
        yield _fact("exit code", str(results["exit_code"]))
    for suite in results["results"]:
        yield ""
        yield from suite_lines(run.folder, suite, verbose=verbose)
    yield from _remains(run)


def suite_lines(folder: Path, suite: Row, *, verbose: bool = False) -> Iterator[str]:
    """One suite: its verdict, the steps that did not pass with their observations, and its logs."""
    how = suite["verdict"] if suite["status"] in ("completed", "failed") else suite["status"]
    category = f" ({suite['category']})" if suite["category"] else ""
    yield f"{MARKS.get(how, '…')} {suite['test_id'] or suite['name']}: {how}{category}, {suite['duration']:.1f} s"
    if suite["reason"]:
        yield f"    {suite['reason']}"
    shown = [row for _, row in walk(suite["workflow_steps"]) if verbose or _wrong(row)]
    for row in shown:
        yield from _step(row)
    if suite["error"] and not any(row["error"] and row["error"] in suite["error"] for row in shown):
        yield from _block("    ", suite["error"])
        yield from _block("      | ", suite["evidence"])
    for node, state in suite["nodes"].items() if how != "passed" else ():
        yield f"    node {node}: {state}"
    for finding in suite.get("contamination") or ():
        yield f"    contamination: {line_of(finding)}"
        yield f"        {blame_of(finding)}"
    if diagnostics := suite.get("diagnostics"):
        place = folder / suite["folder"] / diagnostics["folder"]
        yield f"    diagnostics: {place}"
        yield from _summary(place / "system" / "summary.txt")
        for file in sorted((place / "resources").glob("*.txt")):
            yield from takewhile(lambda line: line.strip() != "|", _summary(file))
    for file in _files(folder / suite["folder"]) if suite["folder"] else ():
        yield f"    see {file}"


def _summary(file: Path) -> Iterator[str]:
    """The page that a system has written about its failure, if it has."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    yield from (f"      | {line}" for line in lines[:PAGE])


def _wrong(row: Row) -> bool:
    """Whether to show a step: it, or one of its checks, did not pass."""
    missed = any(not check["passed"] for check in row["validation_results"])
    return row["verdict"] in ("failed", "unknown") or row["status"] == "running" or missed


def _step(row: Row) -> Iterator[str]:
    how = row["verdict"] or row["status"]
    tries = f", {row['attempts']} attempts" if row["attempts"] > 1 else ""
    allowed = ", allowed" if row["allowed_failure"] else ""
    about = f" ({row['description']})" if row["description"] else ""
    name = f"step {row['step']} {row['step_type']}{about}"
    yield f"    {MARKS.get(how, '…')} {name}: {how}{allowed}, {row['duration']:.1f} s{tries}"
    yield from _block("        ", row["error"] or row["reason"])
    if left_out := row.get("rounds_left_out"):
        yield f"        {left_out} passed rounds are not listed: see events.jsonl"
    yield from _block("        | ", row["evidence"])
    for check in row["validation_results"]:
        yield "        " + _check(check)


def _check(check: Row) -> str:
    parts = [f"{MARKS[check['verdict']]} {check['check']}"]
    if not check["passed"]:
        if check["seen"] is not None:
            parts.append(f"saw {check['seen']!r}")
        if check["expected"] is not None:
            parts.append(f"expected {check['expected']!r}")
        if check["why"]:
            parts.append(check["why"])
        parts.append(f"{check['attempts']} attempts" if check["attempts"] > 1 else "1 attempt")
        if check["allowed_failure"]:
            parts.append("allowed to fail")
    return parts[0] + (": " + ", ".join(parts[1:]) if parts[1:] else "")


def _remains(run: Seen) -> Iterator[str]:
    yield ""
    if not run.out:
        what = "trial" if run.trial else "run"
        yield f"all resources created by this {what} were removed" if not run.living else "no resources created yet"
        return
    yield "in use:" if run.living else "remaining resources:"
    leases = Counter(row["kind"] for row in run.out if _quiet_lease(row))
    for row in run.out:
        if _quiet_lease(row):
            continue
        until = row.get("until")
        note = f", kept until {_moment(until)}" if row.get("op") == "kept" and until else ""
        error = f", left behind: {row['error']}" if row.get("op") == "left" and row.get("error") else ""
        yield f"    {row.get('kind')} {row.get('name')}{note}{error}"
        if row.get("reach"):
            yield f"        {row['reach']}"
    if leases:
        plurals = (f"{count} leased {kind}{'es' if kind[-1] == 's' else 's'}" for kind, count in leases.items())
        yield f"    {', '.join(plurals)}"
    if not run.living:
        kept = all(row.get("op") == "kept" for row in run.out)
        yield f"to remove them: seatrial clean {run.trial or run.results['run_id']}{' --all' if kept else ''}"


def _quiet_lease(row: Row) -> bool:
    """Leases of ports and addresses belong to nodes: only counted, and named only if left behind."""
    return row.get("kind") in ("port", "address") and row.get("op") != "left"


def _files(folder: Path) -> list[Path]:
    """Logs and artifacts of a suite."""
    logs = sorted(folder.glob("*.log"))
    artifacts = folder / "artifacts"
    return [*logs, *([artifacts] if artifacts.is_dir() and any(artifacts.iterdir()) else [])]


def _block(indent: str, text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield indent + line


def _fact(name: str, text: str) -> str:
    return f"  {name:<10} {text}"


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at else "unknown"
