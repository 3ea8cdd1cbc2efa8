"""Rows of the system `command`: answers of real shapes that say in one place that all is well, and in another that it
is not; and those that only look so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.acceptance.harness import validate
from tests.truth.case import Case
from tests.truth.deployers import NODES, files, health, status, system, turn
from tests.truth.documents import LETTERS, says

WELL = {name: {"db": "ok"} for name in NODES}
PASSED = {"passed": 3, "failed": 0}
DB, WHOLE = "health_status[*].db==ok", "cluster_status"
ON = dict.fromkeys(NODES, "running")


def lines(*answers: object) -> str:
    return "cat <<'END'\n" + "".join(f"{json.dumps(one)}\n" for one in answers) + "END\n"


LISTED = [{"node": name, "db": "ok"} for name in NODES]


def part(**more: object) -> str:
    return health(n12={"status": "ok", **more})


def condition(kind: str, status: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status}]}


HEALTHS: dict[str, tuple[str, str, str]] = {
    "sums have more in total": (says({"checks": {"db": {**PASSED, "total": 6}}}), WHOLE, "U"),
    "sums have errors": (says({"checks": {"db": {**PASSED, "errors": 2}}}), WHOLE, "U"),
    "sums have as many in total": (says({"checks": {"db": {**PASSED, "total": 3, "skipped": 0}}}), WHOLE, "P"),
    "health has an error of the whole": (says({**WELL, "error": "cannot reach n12"}), WHOLE, "X"),
    "health has a list of errors": (says({**WELL, "errors": ["n12: replication broken"]}), WHOLE, "X"),
    "health has no success": (says({**WELL, "success": False}), WHOLE, "X"),
    "health has a bad summary": (says({**WELL, "summary": {"status": "critical"}}), WHOLE, "X"),
    "health has the status red": (says({**WELL, "status": "red"}), WHOLE, "X"),
    "health ends with a line of error": (lines(*LISTED, {"level": "error", "msg": "lost n12"}), WHOLE, "X"),
    "health ends with a line of information": (lines(*LISTED, {"level": "info", "msg": "done"}), WHOLE, "P"),
    "health has a problem by level": (
        says({**WELL, "issues": [{"level": "error", "host": "n12", "message": "split brain"}]}), WHOLE, "F"),
    "health has a problem by node": (says({**WELL, "issues": {"n12": [{"severity": "critical"}]}}), WHOLE, "F"),
    "health has a problem as a text": (says({**WELL, "issues": ["CRITICAL: split brain"]}), WHOLE, "X"),
    "health has problems as harmless texts": (says({**WELL, "issues": ["error rate is 0"]}), WHOLE, "P"),
    "health has empty errors": (
        says({**{name: {"db": "ok", "errors": [], "error": None} for name in NODES}, "errors": [], "success": True}),
        WHOLE, "P"),
    "a part is ok and not healthy": (part(healthy=False), DB, "X"),
    "a part is ok and unhealthy": (part(health="unhealthy"), DB, "X"),
    "a part is ok and not ready, by a condition": (part(**condition("Ready", "False")), DB, "X"),
    "a part is ok, without pressure, by a condition": (part(**condition("MemoryPressure", "False")), DB, "P"),
}  # fmt: skip

STATUSES: dict[str, tuple[str, str, str]] = {
    "status says running and failed": (says({"state": "running", "status": "failed"}), WHOLE, "X"),
    "status says running and success": (says({"state": "running", "status": "success", "errors": 0}), WHOLE, "P"),
    "status says running and not healthy": (says({"state": "running", "healthy": False}), WHOLE, "X"),
    "status says running with an error": (says({"state": "running", "error": "quorum lost"}), WHOLE, "X"),
    "status says running with a grave problem": (
        says({"state": "running", "issues": [{"severity": "critical", "host": "n12"}]}), WHOLE, "X"),
    "status says running, and one node failed": (status("running", **{**ON, "n12": "failed"}), WHOLE, "X"),
    "status says running, and one node is off": (status("running", **{**ON, "n12": "stopped"}), WHOLE, "X"),
    "status says running, and a node that is not in the inventory is off": (
        status("running", **{**ON, "n14": "stopped"}), WHOLE, "X"),
    "status says running, and each node too": (status("running", **ON), WHOLE, "P"),
}  # fmt: skip

TRUSTING: dict[str, Any] = {"more": {"trust": "reported"}, "health": None}


def _rows() -> Iterator[Case]:
    def row(what: str, look: str, letter: str, world: dict[str, str], **more: Any) -> Case:
        planted, right = LETTERS[letter]
        document = system("deploy", turn("planted"), validate(look), **more)
        return Case(system="command", what=what, look=look, planted=planted, right=right,
                    files=files(planted=world), document=document)  # fmt: skip

    for what, (text, look, letter) in HEALTHS.items():
        yield row(what, look, letter, {"status.sh": status("running"), "health.sh": text})
    for what, (text, look, letter) in STATUSES.items():
        yield row(f"{what}, health is well", look, letter, {"status.sh": text, "health.sh": health()})
        yield row(f"{what}, it is trusted", look, letter, {"status.sh": text}, **TRUSTING)
    text = STATUSES["status says running with an error"][0]
    yield row("status says running with an error, it is trusted", "database_running", "X", {"status.sh": text},
              **TRUSTING)  # fmt: skip


CASES = [*_rows()]
