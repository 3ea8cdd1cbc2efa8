"""`stop_node` and `start_node`."""

from pathlib import Path

import pytest
from tests.steps.fakes import FakeContext, within

from seatrial.errors import CannotTell, NotSupported, Overrun, StepFailed
from seatrial.model.cluster import PowerState
from seatrial.model.reading import Health, measured
from seatrial.spi import Powers
from seatrial.steps.node_power import StartNode, StopNode


def test_a_stopped_node_is_off_and_the_events_say_so(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    outputs = within(lambda: StopNode(target_node="n12").run(ctx))
    assert outputs == {"nodes": ["n12"], "node": "n12"}
    assert ctx.provider.machines["n12"].power is PowerState.STOPPED
    assert ctx.system.calls == ["before_outage"]
    assert ctx.told("fault") == [{"node": "n12", "fault": "stop", "method": "power", "step": "1"}]
    assert [one["state"] for one in ctx.told("node")] == ["stopping", "stopped"]


def test_several_nodes_are_stopped_and_one_that_is_off_is_left_alone(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.machines["n11"].power = PowerState.STOPPED
    within(lambda: StopNode(nodes=("n11", "n13")).run(ctx))
    assert ctx.provider.calls == ["stop n13"]


def test_the_systems_own_power_comes_first(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.system.own.add(Powers.STOP)
    within(lambda: StopNode(target_node="n12").run(ctx))
    assert ctx.provider.calls == []
    assert f"{Powers.STOP} n12" in ctx.system.calls


def test_where_the_system_stops_only_the_whole_a_single_node_is_shut_down_from_inside(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.powers = frozenset()
    ctx.system.own.add(Powers.GUEST_STOP)
    within(lambda: StopNode(target_node="n12").run(ctx))
    assert f"{Powers.GUEST_STOP} n12" in ctx.system.calls
    assert ctx.provider.machines["n12"].power is PowerState.STOPPED


def test_a_node_that_stays_on_is_an_overrun_that_says_how_it_is(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.stuck.add("stop")
    with pytest.raises(Overrun, match=r"timed out after .* waiting for the power-off of n12: n12 is running"):
        within(lambda: StopNode(target_node="n12").run(ctx))


def test_a_power_state_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.broken["state"] = CannotTell("the API says 500")
    with pytest.raises(CannotTell, match="the API says 500"):
        within(lambda: StopNode(target_node="n12").run(ctx))


def test_all_nodes_that_fail_are_named_and_the_others_are_done(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.broken["stop n11"] = CannotTell("no answer from the API")
    ctx.provider.broken["stop n12"] = StepFailed("n12 says no")
    with pytest.raises(StepFailed, match="n12 says no") as caught:
        within(lambda: StopNode(target_node="*").run(ctx))
    assert "no answer from the API" in str(caught.value)
    assert ctx.provider.machines["n13"].power is PowerState.STOPPED


def test_power_guest_forbids_the_api_also_when_nobody_planned(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.suite.power = "guest"
    ctx.provider.machines["n12"].power = PowerState.STOPPED
    with pytest.raises(NotSupported, match="power: guest"):
        within(lambda: StartNode(target_node="n12").run(ctx))


def test_a_started_node_passes_though_the_whole_is_critical(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    for name in ("n11", "n12", "n13"):
        ctx.provider.machines[name].power = PowerState.STOPPED
        ctx.provider.machines[name].link = False
    within(lambda: StartNode(target_node="n12").run(ctx))
    assert ctx.provider.calls == ["start n12"]
    assert [one["state"] for one in ctx.told("node")] == ["starting", "running"]


def test_a_started_node_whose_service_does_not_come_up_is_an_overrun(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.machines["n12"].power = PowerState.STOPPED
    ctx.provider.machines["n12"].service = measured(Health.NOT_OK, "connection refused")
    with pytest.raises(Overrun, match="the service of n12 is not up: connection refused"):
        within(lambda: StartNode(target_node="n12").run(ctx))


def test_a_running_node_whose_link_is_dead_is_an_overrun_not_unknown(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.machines["n12"].link = False
    with pytest.raises(Overrun, match="n12 does not answer"):
        within(lambda: StartNode(target_node="n12").run(ctx))


def test_one_and_only_one_key_names_the_nodes() -> None:
    assert not list(StopNode(target_node="n12").check_fields())
    assert [key for key, _ in StopNode().check_fields()] == [""]
    assert [key for key, _ in StopNode(target_node="n12", nodes=["n13"]).check_fields()] == ["nodes"]
