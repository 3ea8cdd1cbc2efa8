"""`inspect`: a run for people, from the events that it wrote: verdicts, what failed and why, what is still there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.app.project import find
from seatrial.app.report import events_of
from seatrial.engine.ledger import living
from seatrial.model.event import Event
from seatrial.model.fold import Fold
from seatrial.reports.words import MARKS

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A run as its journal has it."""

    folder: Path
    results: Row
    """As in `results.json`."""
    out: Sequence[Row]
    """What was made and not given back, each with `op` (intended, made, kept or left) and, for kept things, `until`."""
    living: bool
    """It is still going on."""

    def data(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {"folder": str(self.folder), "living": self.living, "out": list(self.out), **self.results}


def seen(wanted: str, start: Path | None = None) -> Seen:
    """A run by its id, a unique prefix, `last`, or its folder; UsageError when there is none."""
    project = find(start)
    folder = project.run_folder(wanted)
    events = events_of(folder)
    ledger = project.ledger_folder / f"{events[0].run if events else folder.name}.jsonl"
    try:
        going_on = living(ledger)
    except FileNotFoundError:
        going_on = False
    fold = Fold(live=going_on)
    for event in events:
        fold.on(event)
    return Seen(folder=folder, results=fold.results(), out=list(_out(events)), living=going_on)


def _out(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """The resources whose last word is not that they are given back."""
    known: dict[tuple[Any, Any], dict[str, Any]] = {}
    for event in events:
        if event.kind != "resource":
            continue
        data: Row = event.data
        key = (data.get("kind"), data.get("name"))
        if data.get("op") == "given_back":
            known.pop(key, None)
        else:
            known[key] = {**known.get(key, {}), **data, "trial": event.trial}
    yield from known.values()


def described(run: Seen, *, verbose: bool = False) -> str:
    """The run as text."""
    return "".join(f"{line}\n" for line in _lines(run, verbose))


def _lines(run: Seen, verbose: bool) -> Iterator[str]:
    results = run.results
    state = "still going on" if run.living else results["verdict"].upper()
    if results["interrupted"]:
        state += f" (ended by {results['interrupted']})"
    elif not results["finished"] and not run.living:
        state += " (it never came to its end: killed, or the machine went down)"
    yield f"run {results['run_id']}: {state}"
    yield _fact(
        "when", f"{_moment(results['started_at'])}, {results['duration']:.1f} s on {results['host'] or 'this host'}"
    )
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
    """One suite: how it ended, the steps that did not pass with what their checks saw, where its logs are."""
    how = suite["verdict"] if suite["status"] in ("completed", "failed") else suite["status"]
    category = f" ({suite['category']})" if suite["category"] else ""
    yield f"{MARKS.get(how, '…')} {suite['test_id'] or suite['name']}: {how}{category}, {suite['duration']:.1f} s"
    if suite["reason"]:
        yield f"    {suite['reason']}"
    shown = [row for row in _flat(suite["workflow_steps"]) if verbose or _wrong(row)]
    for row in shown:
        yield from _step(row)
    if suite["error"] and not any(row["error"] and row["error"] in suite["error"] for row in shown):
        yield from _block("    ", suite["error"])
        yield from _block("      | ", suite["evidence"])
    for node, state in suite["nodes"].items() if how != "passed" else ():
        yield f"    node {node}: {state}"
    if told := suite.get("diagnostics"):
        yield f"    diagnostics: {folder / suite['folder'] / told['folder']}"
    for file in _files(folder / suite["folder"]) if suite["folder"] else ():
        yield f"    see {file}"


def _flat(rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        yield row
        yield from _flat(row["steps"])


def _wrong(row: Row) -> bool:
    """Whether a step is worth a look: it did not pass, or one of its checks did not."""
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
    if not run.out:
        yield ""
        yield "everything that it made was given back" if not run.living else "nothing is made yet"
        return
    yield ""
    yield "in use:" if run.living else "still there:"
    leases = Counter(one["kind"] for one in run.out if _quiet_lease(one))
    for one in run.out:
        if _quiet_lease(one):
            continue
        until = one.get("until")
        note = f", kept until {_moment(until)}" if one.get("op") == "kept" and until else ""
        error = f", could not be given back: {one['error']}" if one.get("op") == "left" and one.get("error") else ""
        yield f"    {one.get('kind')} {one.get('name')}{note}{error}"
        if one.get("reach"):
            yield f"        {one['reach']}"
    if leases:
        yield "    " + ", ".join(
            f"{count} leased {kind}{'es' if kind[-1] == 's' else 's'}" for kind, count in leases.items()
        )
    if not run.living:
        kept = all(one.get("op") == "kept" for one in run.out)
        yield f"give back with: seatrial clean {run.results['run_id']}{' --all' if kept else ''}"


def _quiet_lease(one: Row) -> bool:
    """Ports and addresses go with their nodes: they are counted, and named only when they could not be given back."""
    return one.get("kind") in ("port", "address") and one.get("op") != "left"


def _files(folder: Path) -> list[Path]:
    """Logs and artifacts of a suite, for a look."""
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
