"""`crash_node`."""

import asyncio
from pathlib import Path

import pytest
from tests.steps.fakes import FakeContext, within

from seatrial.errors import LinkLost, Overrun, StepFailed
from seatrial.model.cluster import PowerState
from seatrial.spi import Powers
from seatrial.steps.crash_node import CrashNode


def test_a_crash_over_ssh_says_that_the_node_reboots(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    outputs = within(lambda: CrashNode(target_node="n11").run(ctx))
    assert (outputs["node"], outputs["after"], outputs["boot_id"]) == ("n11", "rebooting", "boot-1")
    assert ctx.told("fault") == [{"node": "n11", "fault": "crash", "method": "ssh", "step": "1"}]
    assert ctx.told("node")[-1]["state"] == "crashed"
    assert ctx.system.calls == ["before_outage"]
    assert ctx.links["n11"].closed


def test_a_crash_over_ssh_that_powers_off_waits_until_it_is_off(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.crash_leads_to = "off"
    assert within(lambda: CrashNode(target_node="n11").run(ctx))["after"] == "off"
    assert ctx.provider.machines["n11"].power is PowerState.STOPPED


def test_destroy_cuts_the_power_and_the_node_stays_off(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    outputs = within(lambda: CrashNode(target_node="n11,n12", method="destroy").run(ctx))
    assert sorted(ctx.provider.calls) == ["crash n11", "crash n12"]
    assert outputs["crashed"]["n12"] == {"after": "off", "boot_id": "boot-1"}


@pytest.mark.parametrize("method", ["ssh", "destroy"])
def test_a_node_that_does_not_go_down_is_an_overrun(tmp_path: Path, method: str) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.stuck |= {"crash", "guest_crash"}
    with pytest.raises(Overrun, match="n11"):
        within(lambda: CrashNode(target_node="n11", method=method).run(ctx))  # type: ignore[arg-type]


def test_a_node_that_is_off_cannot_be_crashed(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.machines["n11"].power = PowerState.STOPPED
    with pytest.raises(StepFailed, match="already powered off: it cannot be crashed") as caught:
        within(lambda: CrashNode(target_node="n11").run(ctx))
    assert caught.value.category == "test"


def test_a_crash_by_the_system_is_told_by_what_becomes_of_the_node(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.system.own.add(Powers.GUEST_CRASH)  # the fake boots again at once
    assert within(lambda: CrashNode(target_node="n11").run(ctx))["after"] == "rebooting"


def test_each_method_needs_its_own_power() -> None:
    assert CrashNode(node="n11").needs_powers() == {Powers.GUEST_CRASH}
    assert CrashNode(node="n11", method="destroy").needs_powers() == {Powers.CRASH}


@pytest.mark.parametrize(("method", "leads_to"), [("ssh", "rebooting"), ("ssh", "off"), ("destroy", "off")])
def test_what_runs_on_a_node_that_crashes_ends_at_once_as_a_lost_link(
    tmp_path: Path, method: str, leads_to: str
) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.crash_leads_to = leads_to

    async def both() -> None:
        (node,) = await ctx.select("n11")
        command = asyncio.create_task(ctx.link(node).run(["hold"]))
        while not ctx.link(node).held:
            await asyncio.sleep(0)
        await CrashNode(target_node="n11", method=method).run(ctx)  # type: ignore[arg-type]
        with pytest.raises(LinkLost):
            await command

    within(both, seconds=5)


def test_a_node_whose_connection_breaks_off_but_which_answers_again_did_not_crash(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.stuck.add("guest_crash")
    looks = 0
    node = ctx.system.all[0]
    link = ctx.link(node)
    run = link.run

    async def breaks_off_once(command: object, **more: object) -> object:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise LinkLost("reset by peer")
        return await run(command, **more)

    link.run = breaks_off_once
    with pytest.raises(Overrun, match="still answers"):
        within(lambda: CrashNode(target_node="n11").run(ctx))
    assert looks > 1
