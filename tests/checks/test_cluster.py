from __future__ import annotations

import pytest
from tests.checks.fakes import NOT_OK, UNKNOWN, FakeContext, look, off, well

from seatrial.checks.cluster import Critical, Degraded, Status, Stopped
from seatrial.model.result import Verdict

RUNNING = FakeContext(n11=well(), n12=well(), n13=well())
DEGRADED = FakeContext(n11=well(), n12=well(), n13=off())
CRITICAL = FakeContext(n11=well(), n12=off(), n13=off())
STOPPED = FakeContext(n11=off(), n12=off(), n13=off())
DOWN = FakeContext(n11=well(service=NOT_OK), n12=well(service=NOT_OK))
CANNOT = FakeContext(n11=well(service=UNKNOWN), n12=well())
NO_NODES = FakeContext()


@pytest.mark.parametrize(
    "check, ctx, expected",
    [
        (Status(), RUNNING, "passed"),
        (Status(state="database_ready"), RUNNING, "passed"),
        (Status(), DEGRADED, "failed"),
        (Status(), CANNOT, "unknown"),
        (Status(), NO_NODES, "unknown"),
        (Status(differs=True), RUNNING, "failed"),
        (Status(differs=True), DEGRADED, "passed"),
        (Status(differs=True), CANNOT, "unknown"),
        (Status(state="database_ready", differs=True), RUNNING, "failed"),
        (Status(state="initialized"), FakeContext(state="initialized"), "passed"),
        (Status(state="database_connection_failed"), FakeContext(state="database_connection_failed"), "passed"),
        (Stopped(), STOPPED, "passed"),
        (Stopped(), DEGRADED, "failed"),
        (Stopped(), CANNOT, "unknown"),
        (Degraded(), DEGRADED, "passed"),
        (Degraded(), RUNNING, "failed"),
        (Degraded(), CRITICAL, "failed"),
        (Degraded(), CANNOT, "unknown"),
        (Critical(), CRITICAL, "passed"),
        (Critical(), DOWN, "passed"),
        (Critical(), DEGRADED, "failed"),
        (Critical(), NO_NODES, "unknown"),
    ],
)
def test_the_state_of_the_whole_decides(check, ctx, expected) -> None:
    assert look(check, ctx).verdict == expected


def test_it_says_what_was_seen_and_expected_and_why() -> None:
    seen = look(Status(), DEGRADED)
    assert (seen.seen, seen.expected) == ("degraded", "running")
    assert "n13" in seen.why
    assert look(Status(differs=True), DEGRADED).expected == "not running"


def test_a_state_that_cannot_be_told_gives_the_systems_reason() -> None:
    seen = look(Status(), CANNOT)
    assert seen.verdict is Verdict.UNKNOWN
    assert "the measuring tool broke" in seen.why


def test_the_text_after_the_name_is_read() -> None:
    assert Status.from_text("") == {}
    assert Status.from_text("==degraded") == {"state": "degraded", "differs": False}
    assert Status.from_text(" != database_ready") == {"state": "database_ready", "differs": True}


@pytest.mark.parametrize("rest", ["=degraded", ":degraded", "==", "==a b", "<running"])
def test_text_that_cannot_be_read_says_what_is_allowed(rest: str) -> None:
    with pytest.raises(ValueError, match="cluster_status==STATE"):
        Status.from_text(rest)


def test_a_misspelt_state_is_found_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="did you mean 'degraded'"):
        Status(state="degradet")
