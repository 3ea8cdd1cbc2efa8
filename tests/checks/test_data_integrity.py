from __future__ import annotations

import pytest
from tests.checks.fakes import FakeContext, look

from seatrial.checks.data_integrity import DataIntegrity
from seatrial.errors import CannotTell, NotSupported
from seatrial.spi import RecordsReport


def told(**report: object) -> FakeContext:
    ctx = FakeContext()
    ctx.system.report = RecordsReport(**report)  # type: ignore[arg-type]
    return ctx


def test_all_records_on_all_nodes_pass() -> None:
    seen = look(DataIntegrity(), told(acknowledged=7, read_from=("n11", "n12")))
    assert seen.verdict == "passed"
    assert seen.seen == {"read_from": ["n11", "n12"], "lost": 0}
    assert seen.expected == {"acknowledged": 7, "lost": 0}


def test_a_lost_record_fails_and_is_named() -> None:
    seen = look(DataIntegrity(), told(acknowledged=7, read_from=("n11", "n12"), lost={"n12": ("r3",), "n11": ()}))
    assert seen.verdict == "failed"
    assert "n12 lost r3" in seen.why


def test_many_lost_records_are_counted() -> None:
    keys = tuple(f"r{number}" for number in range(25))
    assert "and 15 more" in look(DataIntegrity(), told(acknowledged=30, read_from=("n11",), lost={"n11": keys})).why


def test_nothing_acknowledged_is_unknown() -> None:
    assert look(DataIntegrity(), told(acknowledged=0, read_from=("n11",))).verdict == "unknown"


def test_nodes_that_could_not_be_read_are_unknown_and_say_why() -> None:
    seen = look(DataIntegrity(), told(acknowledged=7, read_from=("n11",), unread={"n12": "the reader is missing"}))
    assert seen.verdict == "unknown"
    assert "n12: the reader is missing" in seen.why


def test_nobody_to_read_from_is_unknown() -> None:
    assert look(DataIntegrity(), told(acknowledged=7, read_from=())).verdict == "unknown"


def test_a_loss_outweighs_a_node_that_could_not_be_read() -> None:
    report = told(acknowledged=7, read_from=("n11",), lost={"n11": ("r1",)}, unread={"n12": "no answer"})
    assert look(DataIntegrity(), report).verdict == "failed"


def test_a_system_without_records_is_unknown() -> None:
    ctx = FakeContext()
    ctx.system.report = NotSupported("this system writes no records")
    assert look(DataIntegrity(), ctx).why == "this system writes no records"
    ctx.system.report = CannotTell("no data: section")
    with pytest.raises(CannotTell):
        look(DataIntegrity(), ctx)
