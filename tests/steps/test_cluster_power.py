"""`stop_cluster` and `start_cluster`."""

from pathlib import Path

import pytest
from tests.steps.fakes import FakeContext, within

from seatrial.errors import CannotTell, Overrun
from seatrial.model.cluster import PowerState
from seatrial.spi import Powers
from seatrial.steps.node_power import StartCluster, StopCluster


def test_the_cluster_stops_and_starts(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    within(lambda: StopCluster().run(ctx))
    assert {one.power for one in ctx.provider.machines.values()} == {PowerState.STOPPED}
    outputs = within(lambda: StartCluster().run(ctx))
    assert outputs["state"] == "running"
    assert sorted(ctx.provider.calls[3:]) == ["start n11", "start n12", "start n13"]


def test_power_guest_stops_from_inside_and_leaves_the_start_to_a_person(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.suite.power = "guest"
    within(lambda: StopCluster().run(ctx))
    assert sorted(ctx.provider.calls) == ["guest_stop n11", "guest_stop n12", "guest_stop n13"]
    with pytest.raises(CannotTell, match="a person must power on n11, n12, n13"):
        within(lambda: StartCluster().run(ctx))
    assert StopCluster().needs_powers_in_guest() == {Powers.GUEST_STOP}
    assert StartCluster().needs_powers_in_guest() == frozenset()


def test_a_person_who_did_power_on_lets_start_cluster_pass(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.suite.power = "guest"
    assert within(lambda: StartCluster().run(ctx))["state"] == "running"


def test_one_node_that_does_not_come_back_is_an_overrun_that_names_it(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    within(lambda: StopCluster().run(ctx))
    ctx.provider.stuck.add("start")
    with pytest.raises(Overrun, match="waiting for the state running"):
        within(lambda: StartCluster().run(ctx))


def test_a_system_that_stops_the_whole_by_itself_is_asked_once(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    asked = []

    async def power_all(ctx_: object, what: Powers) -> bool:
        asked.append(what)
        for node in ctx.system.all:
            ctx.provider._off(node) if what is Powers.STOP else ctx.provider._on(node)
        return True

    ctx.system.power_all = power_all
    within(lambda: StopCluster().run(ctx))
    within(lambda: StartCluster().run(ctx))
    assert asked == [Powers.STOP, Powers.START]
    assert ctx.provider.calls == []


def test_a_service_that_does_not_start_with_its_node_is_started_by_the_system(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    within(lambda: StopCluster().run(ctx))
    ensured = []

    async def ensure_running(ctx_: object, node: object) -> None:
        ensured.append(node)

    ctx.system.ensure_running = ensure_running
    within(lambda: StartCluster().run(ctx))
    assert len(ensured) == 3


def test_a_cluster_without_nodes_cannot_be_told(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path, names=())
    with pytest.raises(CannotTell, match="deploy it first"):
        within(lambda: StopCluster().run(ctx))
