"""Every check reads the state of things through one door, so that one rule says what a verdict may rest on."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.checks.fakes import NOT_OK, FakeContext, look, well

from seatrial.checks import readings
from seatrial.checks.cluster import Status
from seatrial.checks.database import Down, Running
from seatrial.checks.nodes import AllRunning, HealthStatus, PoweredOff
from seatrial.model.cluster import NodeHealth, PowerState
from seatrial.model.reading import Health, Source, measured, reported
from seatrial.model.result import Verdict

CHECKS = Path(readings.__file__).parent
SERVICE = reported(Health.OK, by="the deployer")
TOLD = NodeHealth(power=reported(PowerState.STOPPED, by="the deployer"), parts={"service": SERVICE})


MEASURING = ("state_of", "status_of", "health_of")
"""The ways to the state of things, in `seatrial.spi` and on a context."""


def goes_past(node: ast.AST) -> bool:
    """Whether this code asks a system or a node for its state without the rule."""
    if isinstance(node, ast.ImportFrom):
        return node.module != "seatrial.checks.readings" and any(one.name in MEASURING for one in node.names)
    if not isinstance(node, ast.Attribute):
        return False
    return node.attr in MEASURING or (node.attr in ("status", "health") and ast.unparse(node.value) == "ctx.system")


def test_no_check_asks_a_system_or_a_node_for_its_state_but_here() -> None:
    direct = {
        f"{path.name}:{node.lineno}"  # type: ignore[attr-defined]
        for path in CHECKS.rglob("*.py")
        if path.name != "readings.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if goes_past(node)
    }
    assert direct == set()
    for around in (
        "await ctx.state_of(node)",
        "await ctx.system.health(ctx, [])",
        "from seatrial.spi import status_of",
    ):
        assert any(map(goes_past, ast.walk(ast.parse(around))))


def test_a_measurement_that_a_report_contradicts_may_fail_a_check_and_passes_none() -> None:
    power = replace(measured(PowerState.RUNNING), disputed="the deployer reports that it is stopped")
    ctx = FakeContext(n11=NodeHealth(power=power, parts={}), power={"n11": power})
    seen = look(AllRunning(), ctx)
    assert seen.verdict is Verdict.UNKNOWN
    assert "a contradiction: Seatrial measured running, but the deployer reports that it is stopped" in seen.why
    assert look(PoweredOff(), ctx).verdict is Verdict.FAILED


def test_a_report_passes_no_check_unless_the_document_trusts_it() -> None:
    ctx = FakeContext(n11=TOLD, power={"n11": TOLD.power})
    for check in (PoweredOff(), HealthStatus(part="service")):
        seen = look(check, ctx)
        assert seen.verdict is Verdict.UNKNOWN
        assert "the deployer reports" in seen.why
        assert "trust: reported" in seen.why
    ctx.trust = "reported"
    for check in (PoweredOff(), HealthStatus(part="service")):
        assert look(check, ctx).verdict is Verdict.PASSED


def test_a_report_alone_fails_a_check() -> None:
    ctx = FakeContext(n11=TOLD, power={"n11": TOLD.power})
    for check in (AllRunning(), HealthStatus(part="service", differs=True)):
        assert look(check, ctx).verdict is Verdict.FAILED


@pytest.mark.parametrize("trust", ["measured", "reported"])
def test_memory_decides_nothing(trust: Any) -> None:
    gone = FakeContext(state="destroyed", declared=["n11"])
    gone.system.source, gone.trust = Source.REMEMBERED, trust
    for check in (
        *(Status(state="destroyed"), Status(differs=True), PoweredOff(), AllRunning(), Down(), Running()),
        HealthStatus(part="ssh", differs=True),
    ):
        assert look(check, gone).verdict is Verdict.UNKNOWN


def test_what_was_measured_decides() -> None:
    healthy = FakeContext(n11=well(), n12=well())
    for check in (Status(), Running(), AllRunning(), HealthStatus(part="healthy")):
        assert look(check, healthy).verdict is Verdict.PASSED


def test_what_never_was_up_is_not_down() -> None:
    gone = FakeContext(n11=well(service=NOT_OK))
    assert look(Down(), gone).verdict is Verdict.PASSED
    gone.was_up = False
    assert look(Down(), gone).verdict is Verdict.UNKNOWN
    assert look(Running(), gone).verdict is Verdict.FAILED


def test_before_a_deployment_no_state_differs() -> None:
    ctx = FakeContext(state="initialized")
    ctx.was_up = False
    assert look(Status(state="initialized"), ctx).verdict is Verdict.PASSED
    assert look(Status(state="running", differs=True), ctx).verdict is Verdict.UNKNOWN
