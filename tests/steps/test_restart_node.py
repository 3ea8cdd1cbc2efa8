"""`restart_node`."""

from pathlib import Path

import pytest
from tests.steps.fakes import FakeContext, within

from seatrial.errors import LinkDown, LinkLost, Overrun, StepFailed
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node
from seatrial.spi import Powers
from seatrial.steps.restart_node import RestartNode


def test_a_restart_over_ssh_gives_a_new_boot_id(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    outputs = within(lambda: RestartNode(target_node="n12").run(ctx))
    assert outputs["boot_id"] == "boot-2"
    assert ctx.provider.calls == ["guest_reboot n12"]
    assert ctx.told("fault") == [{"node": "n12", "fault": "restart", "method": "ssh", "step": "1"}]
    assert [one["state"] for one in ctx.told("node")] == ["restarting", "running"]


def test_a_graceful_restart_is_a_power_cycle(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    within(lambda: RestartNode(target_node="n12", method="graceful").run(ctx))
    assert ctx.provider.calls == ["stop n12", "start n12"]


def test_a_node_that_never_went_down_has_failed_though_it_is_healthy(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.stuck.add("guest_reboot")
    with pytest.raises(StepFailed, match="n12 did not go down") as caught:
        within(lambda: RestartNode(target_node="n12").run(ctx))
    assert not isinstance(caught.value, Overrun)
    assert caught.value.category == "product"


def test_a_node_that_does_not_come_back_is_an_overrun(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.stuck.add("start")
    with pytest.raises(Overrun, match="n12 is stopped"):
        within(lambda: RestartNode(target_node="n12", method="graceful").run(ctx))


def test_a_node_that_is_off_is_the_tests_mistake(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.machines["n12"].power = PowerState.STOPPED
    with pytest.raises(StepFailed, match="use start_node") as caught:
        within(lambda: RestartNode(target_node="n12").run(ctx))
    assert caught.value.category == "test"


def test_each_method_needs_its_own_power() -> None:
    assert RestartNode(node="n11").needs_powers() == {Powers.GUEST_REBOOT}
    assert RestartNode(node="n11", method="graceful").needs_powers() == {Powers.GRACEFUL_RESTART}


@pytest.mark.parametrize("error", [LinkDown, LinkLost])
def test_a_boot_id_that_cannot_be_read_while_the_node_is_down_does_not_break_the_wait(
    tmp_path: Path, error: type[Exception]
) -> None:
    ctx = FakeContext(tmp_path)
    boot_id, looks = ctx.provider.boot_id, 0

    async def through_the_link(node: Node) -> str:
        nonlocal looks
        looks += 1
        if looks in (2, 3):
            raise error("the guest is down")
        return str(await boot_id(node))

    ctx.provider.boot_id = through_the_link
    assert within(lambda: RestartNode(target_node="n12").run(ctx))["boot_id"] == "boot-2"
    assert looks > 3


def test_a_guest_that_takes_the_connection_with_it_is_judged_by_its_boot_id(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    guest_reboot = ctx.provider.guest_reboot

    async def with_the_connection(node: Node) -> None:
        await guest_reboot(node)
        raise LinkLost("the connection broke off while `reboot` ran")

    ctx.provider.guest_reboot = with_the_connection
    assert within(lambda: RestartNode(target_node="n12").run(ctx))["boot_id"] == "boot-2"
    ctx.provider.stuck.add("guest_reboot")
    with pytest.raises(StepFailed, match="n12 did not go down"):
        within(lambda: RestartNode(target_node="n12").run(ctx))
