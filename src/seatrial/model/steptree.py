"""The rows of one suite's steps: made from its plan, updated in place by events, with rounds of repeated children.

The rows of a soak test of many rounds are bounded: passed rounds between the first and the last ones are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seatrial.model.record import record

Row = dict[str, Any]
"""An object of `results.json`: JSON values."""

_TOLD = ("error", "category", "evidence", "reason")

MOST = 10_000
"""Maximum number of rows that stay for long; twice as many at a time."""

FIRST = 100
"""Rounds of each repeated step that always stay, from the first."""

MOST_CHECKS = 1000
"""Maximum number of passed checks of one step."""


@record
class _Round:
    """One round of a repeated step."""

    owner: str
    prefix: str
    rows: list[Row]
    number: int


class StepTree:
    """Steps by their paths; an unplanned path gets a row at its place."""

    def __init__(self, plans: Iterable[Mapping[str, Any]], *, live: bool) -> None:
        self.live = live
        self.rows: dict[str, Row] = {}
        self._plans: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._rounds: dict[str, set[str]] = {}
        """The paths of the rounds of each repeated step, by its path."""
        self._current: dict[str, _Round] = {}
        """The running round of each repeated step, by its path."""
        self._ended: list[_Round] = []
        self._thin_at = 2 * MOST
        self._open: dict[str, Row] = {}
        self.top: list[Row] = self._planned(plans)

    def started(self, at: float, data: Mapping[str, Any]) -> None:
        """A step, or a new attempt of it, begins."""
        row = self._row(data)
        attempt = data.get("attempt") or 1
        if row["status"] != "pending":
            # A new attempt, of this step or of one above it, does not inherit results from the last one.
            row.update(dict.fromkeys(_TOLD, ""), validation_results=[])
            row.pop("problems", None)
            row.pop("cache", None)
            if row.pop("rounds_left_out", 0):
                self._forget_rounds(row)
            _reset(row["steps"])
        if attempt == 1:
            row["started_at"] = at
        row.update(status="running", verdict="unknown", attempts=attempt)
        if not self.live:
            row["interrupted"] = True
        self._open[row["step"]] = row

    def finished(self, at: float, data: Mapping[str, Any]) -> Row:
        """A step has ended; returns its row."""
        row = self._row(data)
        status = data.get("status") or "failed"
        row["status"] = status
        row["verdict"] = "" if status == "skipped" else str(data.get("verdict") or "unknown")
        row["duration"] = data.get("duration", 0.0)
        row["attempts"] = data.get("attempts") or row["attempts"]
        row["outputs"] = data.get("outputs") or {}
        row["allowed_failure"] = bool(data.get("allowed"))
        row.update((key, data.get(key) or "") for key in _TOLD)
        if data.get("line"):
            row["document"], row["line"] = data.get("document", ""), data["line"]
        row.pop("interrupted", None)
        self._open.pop(row["step"], None)
        if row["steps"]:
            # The children of a skipped step did not run for the same reason.
            above = row["reason"] if status == "skipped" else ""
            self._end(row["steps"], at, above or "the step above ended before it")
        return row

    def observed(self, _at: float, data: Mapping[str, Any]) -> None:
        """A check has its result."""
        verdict = str(data.get("verdict") or "unknown")
        result = {
            "check": data.get("check", ""),
            "passed": verdict == "passed",
            "verdict": verdict,
            "attempts": data.get("attempts", 1),
            "seen": data.get("seen"),
            "expected": data.get("expected"),
            "why": data.get("why", ""),
            "category": data.get("category", ""),
            "duration": data.get("duration", 0.0),
            "allowed_failure": bool(data.get("allowed_failure")),
        }
        results = self._row(data)["validation_results"]
        results.append(result)
        if len(results) > 2 * MOST_CHECKS and len(results) % MOST_CHECKS == 1:
            last = len(results) - MOST_CHECKS // 2
            results[:] = [one for at, one in enumerate(results) if at < FIRST or at > last or not one["passed"]]

    def told(self, _at: float, data: Mapping[str, Any]) -> None:
        """Problems in files from a step's own output, the path of its log, and the command to run it again."""
        self._row(data)["problems"] = {key: data.get(key) for key in ("problems", "count", "lines", "log", "again")}

    def cached(self, _at: float, data: Mapping[str, Any]) -> None:
        """Whether the result of a step came from the cache, and why or why not."""
        self._row(data)["cache"] = {"taken": bool(data.get("taken")), "why": list(data.get("why") or ())}

    def refresh(self, at: float) -> None:
        """Bring the durations of running steps up to this time."""
        for row in self._open.values():
            row["duration"] = max(0.0, round(at - row["started_at"], 6))

    def end(self, at: float) -> None:
        """No step of the suite runs any more."""
        self._end(self.top, at, "the suite ended before it")

    def _end(self, rows: list[Row], at: float, reason: str) -> None:
        """A step without a beginning did not run; a step without an end was interrupted, and its result is unknown."""
        for row in rows:
            if row["status"] == "pending":
                row.update(status="skipped", reason=reason)
            elif row["status"] == "running":
                row["duration"] = max(0.0, round(at - row["started_at"], 6))
                row.update(status="failed", verdict="unknown", interrupted=True)
                row["error"] = row["error"] or "it was interrupted before it ended"
                self._open.pop(row["step"], None)
            if row["steps"]:
                self._end(row["steps"], at, reason)

    def _row(self, data: Mapping[str, Any]) -> Row:
        path = str(data.get("step", ""))
        row = self.rows.get(path) or self._unplanned(path)
        if not row["step_type"]:
            row["step_type"] = data.get("type", "")
        if data.get("description"):
            row["description"] = data["description"]
        return row

    def _unplanned(self, path: str) -> Row:
        """A row for an unplanned path: a child in a round, or a step without its planning in the log."""
        before, _, _ = path.rpartition(".")
        parent, _, label = before.rpartition("#")
        # "3#2.1" is a child of 3 in round 2; in "3#2.1.4" the text after the hash contains a dot: a child of "3#2.1".
        in_round = "#" in before and "." not in label
        owner = parent if in_round else before
        siblings = self.top
        if owner:
            siblings = (self.rows.get(owner) or self._unplanned(owner))["steps"]
        if in_round and before not in self._rounds.setdefault(owner, set()):
            self._rounds[owner].add(before)
            self._begin_round(siblings, owner, before, label)
            if path in self.rows:
                return self.rows[path]
        row = self._make({"step": path})
        if in_round:
            row["round"] = label
            if self._current[owner].prefix == before:
                self._current[owner].rows.append(row)
        siblings.append(row)
        return row

    def _begin_round(self, siblings: list[Row], owner: str, prefix: str, label: str) -> None:
        """The first sign of a round: the planned children get rows of their own, in place of the plan's."""
        template = self._plans.get(owner, ())
        before = self._current.get(owner)
        if before is None:
            planned = {str(plan["step"]) for plan in template}
            siblings[:] = [row for row in siblings if row["step"] not in planned or row["status"] != "pending"]
        else:
            self._ended.append(before)
            if len(self.rows) > self._thin_at:
                self._thin()
        rows = self._planned(_moved(template, owner, prefix))
        for row in rows:
            row["round"] = label
            siblings.append(row)
        self._current[owner] = _Round(owner, prefix, rows, before.number + 1 if before else 1)

    def _thin(self) -> None:
        """Leave out passed rounds, the oldest first, but none of the first and none that is not a plain pass."""
        excess, kept, owners = len(self.rows) - MOST, list[_Round](), set[str]()
        for round_ in self._ended:
            if round_.owner not in self.rows:
                continue  # left out with a round around it
            if excess > 0 and round_.number > FIRST and all(map(_plain_pass, round_.rows)):
                excess -= self._drop(round_.rows)
                self._rounds[round_.owner].discard(round_.prefix)
                owners.add(round_.owner)
                owner = self.rows[round_.owner]
                owner["rounds_left_out"] = owner.get("rounds_left_out", 0) + 1
            else:
                kept.append(round_)
        for path in owners & self.rows.keys():
            self.rows[path]["steps"][:] = [row for row in self.rows[path]["steps"] if row["step"] in self.rows]
        self._ended = kept
        self._thin_at = max(2 * MOST, 2 * len(self.rows))  # failed rounds stay, however many there are

    def _drop(self, rows: Iterable[Row]) -> int:
        """Forget these rows and those below; returns their number."""
        count = 0
        for row in rows:
            for known in (self.rows, self._plans, self._rounds, self._current):
                known.pop(row["step"], None)
            count += 1 + self._drop(row["steps"])
        return count

    def _forget_rounds(self, row: Row) -> None:
        """All rounds of a step that begins again, with the planned children in their place."""
        self._drop(row["steps"])
        self._current.pop(row["step"], None)
        self._rounds.pop(row["step"], None)
        row["steps"][:] = self._planned(self._plans.get(row["step"], ()))

    def _planned(self, plans: Iterable[Mapping[str, Any]]) -> list[Row]:
        """Pending rows of planned steps; the plans of their children are kept for rounds."""
        made = []
        for plan in plans:
            row = self._make(plan)
            children = plan.get("steps")
            if children:
                self._plans[row["step"]] = children
                row["steps"] = self._planned(children)
            made.append(row)
        return made

    def _make(self, plan: Mapping[str, Any]) -> Row:
        row: Row = {
            "step": str(plan.get("step", "")),
            "step_type": plan.get("type", ""),
            "id": plan.get("id", ""),
            "description": plan.get("description", ""),
            "status": "pending",
            "verdict": "",
            "duration": 0.0,
            "started_at": 0.0,
            "attempts": 0,
            **dict.fromkeys(_TOLD, ""),
            "allowed_failure": False,
            "outputs": {},
            "validation_results": [],
            "steps": [],
        }
        self.rows[row["step"]] = row
        return row


def _plain_pass(row: Row) -> bool:
    """Whether it, and everything below it, passed or was skipped."""
    passed = row["status"] == "skipped" or row["verdict"] == "passed"
    return passed and all(one["passed"] for one in row["validation_results"]) and all(map(_plain_pass, row["steps"]))


def _moved(plans: Iterable[Mapping[str, Any]], old: str, new: str) -> list[Row]:
    """Planned steps with the beginning of their paths replaced: the children of one round."""
    moved = []
    for plan in plans:
        one = {**plan, "step": new + str(plan["step"])[len(old) :]}
        if plan.get("steps"):
            one["steps"] = _moved(plan["steps"], old, new)
        moved.append(one)
    return moved


def _reset(rows: list[Row]) -> None:
    for row in rows:
        row.update(dict.fromkeys(_TOLD, ""), status="pending", verdict="", duration=0.0, started_at=0.0)
        row.update(attempts=0, validation_results=[])
        row.pop("interrupted", None)
        _reset(row["steps"])
