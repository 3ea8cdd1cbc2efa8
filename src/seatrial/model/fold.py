"""Results are a fold over events: rows are made once, when a suite is planned, and updated in place.

The same fold serves an active run and a truncated log. A row without an end is `unknown`, and a row without a beginning
stays `pending`: neither is ever a pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.model.event import Event
from seatrial.model.steptree import Row, StepTree
from seatrial.model.suite_row import SuiteRow

__all__ = ["Fold"]

SIGNAL_CODES = {"SIGHUP": 129, "SIGINT": 130, "SIGTERM": 143}
"""The exit code of a run ended by a signal."""

MOST = 10_000
"""Maximum number of faults, and of files, in the row of a suite; the journal has all."""

MANY = 1000
"""Number of suites from which on the steps of those that do not run are packed: 43,000 rows of ten steps would need a
gigabyte."""

_WEIGHT = {"": 0, "passed": 0, "unknown": 1, "failed": 2}
_TEXTS = ("category", "error", "evidence", "reason")
_OF_STEPS = {
    "step_started": StepTree.started,
    "check_observed": StepTree.observed,
    "problems": StepTree.told,
    "cache": StepTree.cached,
}
"""Events about one step, without effect on its suite."""


class Fold:
    """Takes events one by one and holds the results so far.

    `live`: the events come from an active run in this process. Otherwise no more events follow, so a suite or step
    without an end was interrupted (`interrupted: true`, verdict unknown).
    """

    def __init__(self, *, live: bool = False) -> None:
        self.live = live
        self.totals = dict.fromkeys(("passed", "failed", "unknown", "skipped", "pending"), 0)
        self.run: Row = {
            "run_id": "",
            "success": False,
            "verdict": "unknown",
            "duration": 0.0,
            "totals": self.totals,
            "finished": False,
            "exit_code": 3,
            "interrupted": "",
            "started_at": 0.0,
            "version": "",
            "host": "",
            "project": "",
            "documents": [],
            "left_behind": [],
            "kept": [],
            "results": [],
        }
        self.suites: dict[str, SuiteRow] = {}
        """The rows by the trial's id, in the order of planning."""
        self.at = 0.0
        """The time of the newest event, seconds since 1970."""
        self._trees: dict[str, StepTree] = {}
        self._buckets: dict[str, str] = {}
        self._left: dict[str, dict[tuple[str, str], Row]] = {}
        self._red = 0
        self._said: Mapping[str, Any] = {}

    def on(self, event: Event) -> None:
        """Take one event: the method for its kind does the rest."""
        if event.at > self.at:
            self.at = event.at
        if not self.run["run_id"]:
            self.run.update(run_id=event.run, started_at=event.at)
        handler = getattr(self, f"_on_{event.kind}", None)
        if handler is not None:
            handler(event, event.data)
        elif event.kind in _OF_STEPS:
            self._row(event)
            _OF_STEPS[event.kind](self._tree(event.trial), event.at, event.data)

    def close(self) -> None:
        """Nothing to release: with this method a fold counts as a reporter."""

    def closing(self, interrupted: str = "", *, trouble: bool = False) -> tuple[str, int]:
        """The verdict and exit code if the run ended now; `trouble`: a part of Seatrial broke."""
        verdict = self._worst(finished=True)
        if trouble and verdict == "passed":
            verdict = "unknown"
        code = self._code(verdict, finished=True)
        code = 3 if trouble and code in (0, 4, 5) else code
        code = SIGNAL_CODES.get(interrupted, code)
        return "unknown" if verdict == "passed" and code else verdict, code

    def results(self) -> Row:
        """The whole as in `results.json`; the rows are the fold's own and keep changing."""
        run = self.run
        for trial in self.suites:
            self.suite(trial)
        run["verdict"] = self.verdict()
        run["exit_code"] = self.exit_code()
        run["success"] = run["exit_code"] == 0
        if not run["finished"]:
            run["duration"] = max(0.0, round(self.at - run["started_at"], 6))
        return run

    def suite(self, trial: str) -> Row:
        """One suite as in its own `result.json`; the durations of running steps reach to the newest event."""
        row = self.suites[trial]
        if row["status"] == "running":
            row["duration"] = max(0.0, round(self.at - row["started_at"], 6))
            self._tree(trial).refresh(self.at)
        return row

    def step(self, trial: str, path: str) -> Row | None:
        """The row of one step, by its path."""
        return self._tree(trial).rows.get(path) if trial in self.suites else None

    def _tree(self, trial: str) -> StepTree:
        """The steps of a suite, unpacked."""
        tree = self._trees.get(trial)
        if tree is None:
            tree = self._trees[trial] = self.suites[trial].unpack()
        return tree

    def _pack(self, trial: str) -> None:
        """Nothing happens in this suite for now."""
        if len(self.suites) > MANY:
            self.suites[trial].pack(self._trees.pop(trial))

    def verdict(self) -> str:
        """The worst of all suites; a suite without a beginning or an end is unknown."""
        judged = self._judged()
        ended = self._said.get("exit_code") in (4, *SIGNAL_CODES.values())
        # A run that was interrupted or left something behind is no pass, though each of its suites may be one.
        return "unknown" if judged == "passed" and (self._red or ended) else judged

    def _judged(self) -> str:
        mine = self._worst(finished=self.run["finished"])
        # The run's own trouble (for example a failed write to the journal) can only make the verdict worse.
        said = str(self._said.get("verdict", "")) if self._said.get("exit_code") != 4 else ""
        return said if _WEIGHT.get(said, 1) > _WEIGHT[mine] else mine

    def exit_code(self) -> int:
        """The exit code of the run; of several reasons the signal comes first, then 1, 3, 4
        (docs/reference/exit-codes.md)."""
        finished = self.run["finished"]
        if finished and self.run["interrupted"] in SIGNAL_CODES:
            return SIGNAL_CODES[self.run["interrupted"]]
        code = self._code(self._judged(), finished=finished)
        said = int(self._said.get("exit_code") or 0)
        return said if said and code in (0, 5) else code

    def _worst(self, *, finished: bool) -> str:
        totals = self.totals
        if totals["failed"]:
            return "failed"
        if totals["unknown"] or totals["pending"] or not totals["passed"] or not finished:
            return "unknown"
        return "passed"

    def _code(self, verdict: str, *, finished: bool) -> int:
        if verdict == "failed":
            return 1
        if finished and self.totals["skipped"] == len(self.suites):
            return 4 if self._red else 5
        if verdict == "unknown":
            return 3
        return 4 if self._red else 0

    # The run

    def _on_run_started(self, event: Event, data: Mapping[str, Any]) -> None:
        run = self.run
        run.update(run_id=event.run, started_at=event.at)
        for key in ("version", "host", "project", "documents"):
            run[key] = data.get(key, run[key])
        for row in self.suites.values():
            row["provenance"].update(seatrial=run["version"], host=run["host"])

    def _on_run_finished(self, event: Event, data: Mapping[str, Any]) -> None:
        run = self.run
        self._said = data
        run["finished"] = True
        run["interrupted"] = str(data.get("interrupted") or "")
        run["duration"] = data.get("duration", round(event.at - run["started_at"], 6))
        for trial, row in self.suites.items():
            if row["status"] == "running":
                self.suite(trial)
                self._tree(trial).end(self.at)
                row.update(status="failed", verdict=row["verdict"] or "unknown", interrupted=True)
                row["category"] = row["category"] or "infrastructure"
                row["reason"] = row["reason"] or "the run ended before the suite did"
                self._count(trial, row["verdict"])
        if data.get("left") and not self._red:
            self._leave("", {"kind": "unknown", "name": f"{data['left']} left, see the log"})

    # Suites

    def _on_suite_planned(self, event: Event, data: Mapping[str, Any]) -> None:
        trial = event.trial
        row = self.suites[trial] = SuiteRow()
        row |= {
            "deployment_id": data.get("deployment_id", ""),
            "success": False,
            "duration": 0.0,
            "workflow_steps": [],
            "verdict": "",
            "status": "pending",
            **dict.fromkeys(_TEXTS, ""),
            "run_id": event.run,
            "trial_id": trial,
            "test_id": data.get("test_id", ""),
            "name": data.get("name") or data.get("test_id") or trial,
            "description": data.get("description", ""),
            "started_at": 0.0,
            "folder": "",
            "nodes": {},
            "faults": [],
            "artifacts": [],
            "left_behind": [],
            "kept": [],
            "provenance": {
                "document": data.get("document", ""),
                "line": data.get("line", 0),
                "provider": data.get("provider", ""),
                "parameters": data.get("parameters", {}),
                "seatrial": self.run["version"],
                "host": self.run["host"],
            },
        }
        self.run["results"].append(row)
        tree = self._trees[trial] = StepTree(data.get("steps") or (), live=self.live)
        row["workflow_steps"] = tree.top
        self._buckets[trial] = "pending"
        self.totals["pending"] += 1
        self._pack(trial)

    def _row(self, event: Event) -> SuiteRow:
        """The suite's row; a new one if the log does not contain its planning."""
        row = self.suites.get(event.trial)
        if row is None:
            self._on_suite_planned(event, {})
            row = self.suites[event.trial]
        return row

    def _on_parameter(self, event: Event, data: Mapping[str, Any]) -> None:
        provenance = self._row(event)["provenance"]
        provenance["parameters"] = {**provenance["parameters"], data.get("name", ""): data.get("value")}

    def _on_suite_started(self, event: Event, data: Mapping[str, Any]) -> None:
        row = self._row(event)
        row.update(status="running", verdict="unknown", started_at=event.at, folder=data.get("folder", ""))
        if not self.live:
            row["interrupted"] = True
            self._count(event.trial, "unknown")

    def _on_suite_finished(self, event: Event, data: Mapping[str, Any]) -> None:
        row = self._row(event)
        status = data.get("status") or "completed"
        verdict = "" if status == "skipped" else str(data.get("verdict") or "unknown")
        row.pop("interrupted", None)
        row.update(status=status, verdict=verdict, duration=data.get("duration", 0.0))
        row.update((key, data.get(key) or "") for key in _TEXTS)
        self._tree(event.trial).end(event.at)
        self._pack(event.trial)
        self._count(event.trial, "skipped" if status == "skipped" else verdict)
        if data.get("left") and not row["left_behind"]:
            self._leave(event.trial, {"kind": "unknown", "name": f"{data['left']} left, see the log"})
        row["success"] = verdict == "passed" and not row["left_behind"]

    def _count(self, trial: str, bucket: str) -> None:
        if bucket not in self.totals:
            bucket = "unknown"
        self.totals[self._buckets[trial]] -= 1
        self.totals[bucket] += 1
        self._buckets[trial] = bucket

    # Steps

    def _on_step_finished(self, event: Event, data: Mapping[str, Any]) -> None:
        suite = self._row(event)
        row = self._tree(event.trial).finished(event.at, data)
        if row["verdict"] != "failed" or row["allowed_failure"] or "." in row["step"]:
            return
        # A step of the suite itself failed: wherever the log is cut from here on, the product did wrong.
        if suite["status"] == "running" and suite["verdict"] != "failed":
            suite.update(verdict="failed", category=row["category"], error=row["error"], evidence=row["evidence"])
            if not self.live:
                self._count(event.trial, "failed")

    # Nodes, files and resources left behind

    def _on_node(self, event: Event, data: Mapping[str, Any]) -> None:
        if event.trial:
            self._row(event)["nodes"][data.get("node", "")] = data.get("state", "")

    def _on_fault(self, event: Event, data: Mapping[str, Any]) -> None:
        if event.trial:
            faults = self._row(event)["faults"]
            if len(faults) < MOST:
                faults.append({**data, "at": event.at})

    def _on_output(self, event: Event, data: Mapping[str, Any]) -> None:
        file = data.get("file")
        if event.trial and file:
            known = self._row(event)["artifacts"]
            entry = {"step": data.get("step", ""), "source": data.get("source", ""), "file": file}
            if len(known) < MOST and entry not in known[-8:]:
                known.append(entry)

    def _on_diagnostics(self, event: Event, data: Mapping[str, Any]) -> None:
        self._row(event)["diagnostics"] = {name: data.get(name) or {} for name in ("folder", "nodes", "missing")}

    def _on_contamination(self, event: Event, data: Mapping[str, Any]) -> None:
        self._row(event)["contamination"] = list(data.get("findings") or ())

    def _on_resource(self, event: Event, data: Mapping[str, Any]) -> None:
        op = data.get("op")
        if op == "left":
            self._leave(event.trial, data)
        elif op == "given_back" and self._red:
            # A later `clean` covers the whole run and does not know the trial of each resource.
            key = (str(data.get("kind")), str(data.get("name")))
            for trial, left in self._left.items():
                if (not event.trial or event.trial == trial) and left.pop(key, None) is not None:
                    self._show_left(trial)

    def _on_cleanup_finished(self, event: Event, data: Mapping[str, Any]) -> None:
        self._left.pop(event.trial, None)
        self._show_left(event.trial)
        for resource in data.get("left") or ():
            self._leave(event.trial, resource)
        home = self._row(event) if event.trial else self.run
        home["kept"] = list(data.get("kept") or ())

    def _leave(self, trial: str, data: Mapping[str, Any]) -> None:
        entry = {name: data.get(name) or "" for name in ("kind", "name", "owner", "error")}
        key = (str(entry["kind"]), str(entry["name"]))
        owner = trial or next((one for one, left in self._left.items() if key in left), "")
        self._left.setdefault(owner, {})[key] = entry
        self._show_left(owner)

    def _show_left(self, trial: str) -> None:
        home = (self.suites.get(trial) if trial else None) or self.run
        listed = list(self._left.get(trial, {}).values())
        self._red += len(listed) - len(home["left_behind"])
        home["left_behind"] = listed
        if listed and home is not self.run:
            home["success"] = False
