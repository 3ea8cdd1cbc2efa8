"""Rows of `seatrial.fixture`: what tests find is the verdict of the run, and of pytest."""

from __future__ import annotations

from collections.abc import Iterator

from tests.acceptance.harness import Document
from tests.truth.case import Case, Planted

DOCUMENT: Document = {
    "parameters": {"cluster_size": 2},
    "test_suites": {"one": {"workflow": [{"step": "init"}, {"step": "deploy"}]}},
}
STARVED: Document = {
    **DOCUMENT,
    "system": {
        "kind": "command", "deploy": "true", "destroy": "true", "status": "echo '{'", "timeouts": {"deploy": 1},
        "inventory": {"command": "echo n1 ansible_connection=local"},
    },
}  # fmt: skip

P, F, U = Planted.CLEAN, Planted.PRODUCT, Planted.TOOL


def row(what: str, look: str, planted: Planted, *lines: str, document: Document = DOCUMENT, **more: object) -> Case:
    text = ["import seatrial", 'cluster = seatrial.fixture("trial.json", scope="module")', "def test_it(cluster):"]
    files = {"test_it.py": "\n".join([*text, *(f"    {line}" for line in lines)]) + "\n", "pytest.ini": "[pytest]\n"}
    return Case(system="pytest", what=what, look=look, planted=planted, files=files, document=document, **more)  # type: ignore[arg-type]


def _cases() -> Iterator[Case]:
    crash = 'cluster["n12"].crash(method="destroy")'
    yield row("nothing", "cluster_status", P, 'cluster.check("cluster_status", "database_running")')
    yield row("a node is lost", "cluster_status", F, crash, 'cluster.check("cluster_status", within=1)')
    yield row(
        "a wrong answer",
        "assert",
        F,
        'assert cluster["n11"].run("echo", "no").stdout == "yes\\n"',
    )
    yield row("a node that is off is asked", "run", U, crash, 'cluster["n12"].run("true")')
    yield row("the status of its deployer is broken JSON", "deploy", U, "pass", document=STARVED)
    yield row(
        "the tool of a check is missing",
        "command",
        U,
        'cluster.check({"check": "command", "command": ["no-such-tool-of-ours"]})',
    )


CASES = list(_cases())
