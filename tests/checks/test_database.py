from __future__ import annotations

import pytest
from tests.checks.fakes import NOT_OK, OK, UNKNOWN, FakeContext, look, off, well

from seatrial.checks.database import Degraded, Down, Running
from seatrial.model.reading import Health, Reading


def told(state: str, service: Reading[Health] = UNKNOWN) -> FakeContext:
    """A system that says nothing of its nodes."""
    ctx = FakeContext(state=state, why="told by the deployer")
    ctx.system.service = service
    return ctx


CASES = {
    "every service answers": (FakeContext(n11=well(), n12=well()), "passed", "failed", "failed"),
    "only the link of one is down": (
        FakeContext(n11=well(ssh=NOT_OK), n12=well(), n13=well()),
        "passed",
        "failed",
        "failed",
    ),
    "one node is off": (FakeContext(n11=well(), n12=well(), n13=off()), "failed", "passed", "failed"),
    "one service is not ok": (FakeContext(n11=well(service=NOT_OK), n12=well()), "failed", "passed", "failed"),
    "no service answers": (
        FakeContext(n11=well(service=NOT_OK), n12=well(service=NOT_OK)),
        "failed",
        "failed",
        "passed",
    ),
    "every node is off": (FakeContext(n11=off(), n12=off()), "failed", "failed", "passed"),
    "one service could not be asked": (
        FakeContext(n11=well(service=UNKNOWN), n12=well()),
        "unknown",
        "unknown",
        "failed",
    ),
    "no service could be asked": (FakeContext(n11=well(service=UNKNOWN)), "unknown", "unknown", "unknown"),
    "one is off, none could be asked": (
        FakeContext(n11=well(service=UNKNOWN), n12=off()),
        "failed",
        "unknown",
        "unknown",
    ),
    "nothing is deployed": (told("initialized"), "unknown", "unknown", "unknown"),
    "it is destroyed": (told("destroyed"), "failed", "failed", "passed"),
    "the whole is told running": (told("running"), "passed", "failed", "failed"),
    "the whole is told degraded": (told("degraded"), "unknown", "unknown", "failed"),
    "the whole is told critical": (told("critical"), "failed", "unknown", "unknown"),
    "critical, and the service answers": (told("critical", OK), "failed", "passed", "failed"),
    "the service is told not ok": (told("", NOT_OK), "failed", "failed", "passed"),
    "nothing is told": (told(""), "unknown", "unknown", "unknown"),
    "a state of the system's own": (told("database_connection_failed"), "unknown", "unknown", "unknown"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_service_alone_decides(name: str) -> None:
    ctx, *expected = CASES[name]
    assert [look(check, ctx).verdict for check in (Running(), Degraded(), Down())] == expected


def test_a_failure_says_which_node_and_why() -> None:
    seen = look(Running(), FakeContext(n11=well(service=NOT_OK), n12=well()))
    assert (seen.seen, seen.expected) == ("degraded", "running")
    assert "n11: measured and found wanting" in seen.why


def test_what_could_not_be_told_says_what_is_open() -> None:
    seen = look(Running(), FakeContext(n11=well(service=UNKNOWN), n12=well()))
    assert seen.seen == "degraded or running"
    assert "the measuring tool broke" in seen.why
