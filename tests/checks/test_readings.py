"""Every check reads the state of things through one door, so that one rule says what a verdict may rest on."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path

import pytest
from tests.checks.fakes import FakeContext, look, well

from seatrial.checks import readings
from seatrial.checks.cluster import Status
from seatrial.checks.database import Down, Running
from seatrial.checks.nodes import AllRunning, HealthStatus, PoweredOff
from seatrial.model import reading
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


def test_today_what_was_reported_and_what_is_remembered_decide() -> None:
    ctx = FakeContext(n11=TOLD, power={"n11": TOLD.power})
    assert look(PoweredOff(), ctx).verdict is Verdict.PASSED
    assert look(HealthStatus(part="service"), ctx).verdict is Verdict.PASSED
    gone = FakeContext(state="destroyed", declared=["n11"])
    gone.system.source = Source.REMEMBERED
    for check in (Status(state="destroyed"), PoweredOff(), Down(), HealthStatus(part="ssh", differs=True)):
        assert look(check, gone).verdict is Verdict.PASSED


@pytest.mark.parametrize("trust", [Source.MEASURED, Source.REPORTED])
def test_a_stricter_rule_reaches_every_check(trust: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule that is to come: with it these verdicts are unknown where the source is not good enough."""
    for function in (reading.decides, reading.trusted, readings.status_of, readings.health_of, readings.power_of):
        defaults = tuple(trust if one is reading.TRUST else one for one in function.__defaults__ or ())
        monkeypatch.setattr(function, "__defaults__", defaults)
    ctx = FakeContext(n11=TOLD, power={"n11": TOLD.power})
    expected = Verdict.UNKNOWN if trust is Source.MEASURED else Verdict.PASSED
    assert look(PoweredOff(), ctx).verdict is expected
    assert look(HealthStatus(part="service"), ctx).verdict is expected
    healthy = FakeContext(n11=well(), n12=well())
    for check in (Status(), Running(), AllRunning(), HealthStatus(part="healthy")):
        assert look(check, healthy).verdict is Verdict.PASSED
    gone = FakeContext(state="destroyed", declared=["n11"])
    gone.system.source = Source.REMEMBERED
    assert look(Status(state="destroyed"), gone).verdict is Verdict.UNKNOWN
    assert look(Down(), gone).verdict is Verdict.UNKNOWN


def test_a_check_has_the_readings_as_they_are() -> None:
    ctx = FakeContext(n11=well())
    (node,) = asyncio.run(ctx.nodes())
    assert asyncio.run(readings.power_of(ctx, node)) == measured(PowerState.RUNNING)  # type: ignore[arg-type]
    assert asyncio.run(readings.health_of(ctx, [])) == {}  # type: ignore[arg-type]
