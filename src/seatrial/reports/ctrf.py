"""CTRF JSON (ctrf.io). Its states are passed, failed, skipped, pending and other, without one for unknown."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from seatrial.registry import reporter
from seatrial.reports import words
from seatrial.reports.cases import Case, CaseSuite, suites_of
from seatrial.reports.document import Document

RULE = (
    "An unknown step is `other`, and its suite gets an additional `failed` test `verdict`. Every other reason for an "
    "exit code except 0 is `failed`, too. So it is enough to count failures. An allowed failure is `skipped`; "
    "rawStatus has Seatrial's own word."
)

_encoder = json.JSONEncoder(ensure_ascii=False, default=str, check_circular=False)

STATUS = {
    "passed": "passed",
    "failed": "failed",
    "left behind": "failed",
    "unknown": "other",
    "interrupted": "other",
    "skipped": "skipped",
    "allowed": "skipped",
    "pending": "pending",
    "running": "other",
}


@reporter("ctrf")
class Ctrf(Document):
    """A test per step, with its suite."""

    file = "ctrf.json"

    def text(self) -> str:
        run = self.fold.results()
        suites = suites_of(run)
        tests = [test for suite in suites for test in _tests(suite)]
        counts = dict.fromkeys(("passed", "failed", "skipped", "pending", "other"), 0)
        for test in tests:
            counts[test["status"]] += 1
        start, stop = _ms(run["started_at"]), _ms(run["started_at"] + run["duration"])
        fields = {key: run[key] for key in ("run_id", "verdict", "success", "exit_code", "totals", "finished")}
        summary = {"tests": len(tests), **counts, "suites": len(suites), "start": start, "stop": stop}
        document = {
            "reportFormat": "CTRF",
            "specVersion": "0.0.0",
            "timestamp": datetime.fromtimestamp(run["started_at"] + run["duration"], UTC).isoformat(),
            "generatedBy": "seatrial",
            "results": {
                "tool": {"name": "seatrial"} | ({"version": run["version"]} if run["version"] else {}),
                "summary": {**summary, "duration": stop - start, "extra": {**fields, "rule": RULE}},
                "tests": [],
            },
        }
        # One line per test: the fast encoder of json cannot indent (10,000 tests take 0.1 s instead of 0.55 s).
        head, tail = json.dumps(document, ensure_ascii=False, indent=2, default=str).rsplit("[]", 1)
        lines = ",\n".join(map(_encoder.encode, tests))
        return f"{head}[\n{lines}\n    ]{tail}\n"


def _tests(suite: CaseSuite) -> list[dict[str, Any]]:
    tests = [_test(suite, case) for case in suite.cases]
    unsure = [case for case in suite.cases if STATUS[case.state] == "other"]
    if unsure and not any(test["status"] == "failed" for test in tests):
        why = unsure[0].message or "it did not finish"
        message = f"could not be judged: {unsure[0].name}: {why}"
        verdict = Case(name="verdict", state="failed", message=message, category=unsure[0].category)
        tests.append({**_test(suite, verdict), "rawStatus": "unknown"})
    return tests


def _test(suite: CaseSuite, case: Case) -> dict[str, Any]:
    # A verdict represents the whole suite or run and makes it red, so it cannot be `other`.
    test: dict[str, Any] = {
        "name": case.name, "status": "failed" if case.verdict else STATUS[case.state],
        "duration": round(case.duration * 1000), "suite": [suite.name], "rawStatus": case.state, "type": "e2e",
    }  # fmt: skip
    if case.started_at:
        test |= {"start": _ms(case.started_at), "stop": _ms(case.started_at + case.duration)}
    more = {"message": case.message, "trace": case.body[-20_000:], "retries": case.attempts - 1}
    if row := suite.row:
        more |= {"filePath": words.plain(row["provenance"]["document"]), "line": row["provenance"]["line"]}
        more["extra"] = {"test_id": row["test_id"], "deployment_id": row["deployment_id"], "category": case.category}
    return test | {name: value for name, value in more.items() if value}


def _ms(at: float) -> int:
    return round(at * 1000)
