"""A node that has broken down at its provider ends every wait for it at once, with the provider's reason."""

from pathlib import Path

import pytest
from tests.steps.fakes import FakeContext, within

from seatrial.errors import NodeFailed
from seatrial.model.cluster import PowerState
from seatrial.model.values import Expression, Timeout
from seatrial.steps.deploy import Deploy
from seatrial.steps.node_power import StartCluster, StartNode
from seatrial.steps.wait import Wait

WHY = "libvirt reports the machine n12 as shut off (crashed): see QEMU's log"


@pytest.fixture
def ctx(tmp_path: Path) -> FakeContext:
    context = FakeContext(tmp_path)
    for name in ("start", "deploy"):
        context.deadlines[name] = 3600.0
    context.provider.stuck.add("start")
    context.provider.machines["n12"].power = PowerState.STOPPED
    context.provider.machines["n12"].link = False
    context.provider.failures["n12"] = WHY
    return context


@pytest.mark.parametrize(
    "step",
    [
        StartNode(target_node="n12"),
        StartCluster(),
        Deploy(),
        Wait(until=Expression("it is up"), timeout=Timeout(3600)),
    ],
    ids=lambda step: type(step).__name__,
)
def test_a_wait_ends_at_once_with_the_reason(step: StartNode, ctx: FakeContext) -> None:
    with pytest.raises(NodeFailed, match=r"n12 as shut off \(crashed\): see QEMU's log"):
        within(lambda: step.run(ctx))


def test_a_power_state_that_reports_it_ends_the_wait_too(ctx: FakeContext) -> None:
    ctx.provider.failures.clear()
    ctx.provider.broken["state"] = NodeFailed("n12 is paused by an internal error")
    with pytest.raises(NodeFailed, match="paused by an internal error"):
        within(lambda: StartNode(target_node="n12").run(ctx))


def test_a_node_of_a_deployer_is_not_asked_of_the_provider(ctx: FakeContext) -> None:
    ctx.system.places_nodes = False
    ctx.deadlines["start"] = 0.1
    with pytest.raises(Exception, match=r"timed out after|neither the system") as caught:
        within(lambda: StartNode(target_node="n12").run(ctx))
    assert not isinstance(caught.value, NodeFailed)
