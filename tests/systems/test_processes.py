"""The system `processes`, on the real sample."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Any

import pytest
from tests.systems.fakes import Bare, FakeContext, settings, until

from seatrial.errors import CannotTell, LinkRefused, UsageError
from seatrial.model.cluster import PowerState
from seatrial.model.reading import Health
from seatrial.systems.processes import Processes
from seatrial.systems.processes.sample import SAMPLE
from seatrial.systems.processes.settings import ProcessSettings

LEADER: Any = SAMPLE["leader"]


async def deployed(make, mapping=SAMPLE, **parameters) -> FakeContext:
    ctx = make(mapping, **parameters)
    await ctx.system.init(ctx)
    await ctx.system.deploy(ctx)
    await state_is(ctx, "running")
    return ctx


async def state_is(ctx, state: str, within: float = 10.0) -> None:
    seen = []

    async def look():
        seen.append(await ctx.system.status(ctx))
        return seen[-1].state.value == state

    try:
        await until(look, state, within)
    except AssertionError as error:
        raise AssertionError(f"{error}; last: {seen[-1]}") from None


async def node(ctx, name):
    return next(node for node in await ctx.system.nodes(ctx) if node.name == name)


def test_a_cluster_degrades_turns_critical_and_recovers_with_its_records(make):
    async def scenario():
        ctx = make(SAMPLE)
        system = ctx.system
        assert (await system.status(ctx)).state.value == ""
        await system.init(ctx)
        assert (await system.status(ctx)).state.value == "initialized"
        await system.deploy(ctx)
        await state_is(ctx, "running")
        await system.before_outage(ctx)
        await ctx.provider.crash(await node(ctx, "n11"))
        await state_is(ctx, "degraded")
        report = await system.records(ctx)
        assert (report.acknowledged, report.read_from, dict(report.lost)) == (5, ("n12", "n13"), {})
        await system.before_outage(ctx)
        await ctx.provider.crash(await node(ctx, "n12"))
        await state_is(ctx, "critical")
        assert (await system.status(ctx)).service.value is Health.NOT_OK
        assert (await system.records(ctx)).read_from == ()
        await system.before_outage(ctx)  # nobody can take them: no error
        for name in ("n11", "n12"):
            await ctx.provider.start(await node(ctx, name))
        await state_is(ctx, "running")
        report = await system.records(ctx)
        assert (report.acknowledged, report.read_from, dict(report.lost)) == (10, ("n11", "n12", "n13"), {})
        for name in ("n11", "n12", "n13"):
            await ctx.provider.stop(await node(ctx, name))
        assert (await system.status(ctx)).state.value == "stopped"
        await system.destroy(ctx)
        assert (await system.status(ctx)).state.value == "destroyed"
        assert await system.nodes(ctx) == []

    asyncio.run(scenario())


def test_a_lost_acknowledged_record_is_named(make):
    async def scenario():
        ctx = await deployed(make, misbehave="lose_writes")
        for _ in range(2):
            await ctx.system.before_outage(ctx)
        report = await ctx.system.records(ctx)
        assert report.acknowledged == 10
        assert report.lost
        assert all(key.startswith(ctx.trial_id) for keys in report.lost.values() for key in keys)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("word", "why"),
    [("lie_about_health", "it reports itself healthy, but"), ("slow", "did not answer within"), ("never_up", "")],
)
def test_a_service_that_does_not_do_its_job_is_not_ok(make, word, why):
    async def scenario():
        ctx = make(SAMPLE, misbehave=word)
        await ctx.system.deploy(ctx)
        await asyncio.to_thread(ctx.provider.running["n11"].poll)

        async def told():
            status = await ctx.system.status(ctx)
            assert status.service.value is Health.NOT_OK
            assert status.state.value == "critical"
            return why in status.service.why

        await until(told, why)

    asyncio.run(scenario())


def test_one_missing_node_is_degraded_and_its_log_says_why(make):
    async def scenario():
        ctx = make(SAMPLE, misbehave=["missing_node"])
        await ctx.system.deploy(ctx)
        await state_is(ctx, "degraded")
        health = (await ctx.system.status(ctx)).nodes
        assert not health["n13"].parts["service"].ok
        assert health["n11"].parts["service"].ok
        assert "missing node" in (await ctx.system.evidence(ctx))["n13"]

    asyncio.run(scenario())


def test_a_look_at_a_healthy_cluster_takes_little_time(make):
    async def scenario():
        ctx = await deployed(make)
        nodes = await ctx.system.nodes(ctx)
        took = []
        for _ in range(10):
            start = time.process_time()
            await ctx.system.health(ctx, nodes)
            took.append(time.process_time() - start)
        # Processor time of this process alone: the shells of the fake link and a busy machine do not count.
        assert min(took) < 0.05, took

    asyncio.run(scenario())


def test_the_leader_and_the_admin_ui_are_found_and_the_leader_changes_when_it_crashes(make):
    async def scenario():
        ctx = await deployed(make)
        (leader,) = await ctx.system.role(ctx, "leader")
        assert leader.name == "n11"
        urls = await ctx.system.admin_url(ctx)
        assert urls["n12"] == f"http://127.0.0.1:{(await node(ctx, 'n12')).ports['admin']}/"
        await ctx.provider.crash(leader)

        async def moved():
            return [one.name for one in await ctx.system.role(ctx, "leader")] == ["n12"]

        await until(moved, "n12 leads")
        with pytest.raises(UsageError, match="did you mean 'leader'"):
            await ctx.system.role(ctx, "leadr")

    asyncio.run(scenario())


def test_nobody_leads_a_cluster_that_is_down(make):
    async def scenario():
        ctx = await deployed(make, {**SAMPLE, "leader": dict(LEADER, wait=0.2)}, cluster_size=1)
        await ctx.provider.crash(await node(ctx, "n11"))
        with pytest.raises(CannotTell, match="no node is leader now"):
            await ctx.system.role(ctx, "leader")

    asyncio.run(scenario())


def test_a_refused_key_is_unknown_and_not_a_sick_node(make):
    async def scenario():
        ctx = await deployed(make, cluster_size=1)
        one = await node(ctx, "n11")
        ctx.provider.link(one).refuse = LinkRefused("the key was refused")
        health = (await ctx.system.health(ctx, [one]))["n11"]
        assert health.parts["ssh"].value is Health.UNKNOWN
        assert health.healthy.value is Health.UNKNOWN
        assert (await ctx.system.status(ctx)).state.value == ""

    asyncio.run(scenario())


def test_the_service_has_the_run_in_its_environment_and_its_parameters_as_flags(make):
    async def scenario():
        ctx = make(SAMPLE, misbehave=["slow", "no_admin_ui"])
        await ctx.system.deploy(ctx)
        service = ctx.provider.services["n12"]
        assert service.env["E2E_RUN_ID"] == ctx.trial_id
        assert service.argv[-2:] == ("--misbehave", "slow,no_admin_ui")
        assert all("${{" not in word for word in service.argv)
        assert service.argv[service.argv.index("--peers") + 1].count("=http://127.0.0.1:") == 3

    asyncio.run(scenario())


def test_nodes_are_counted_by_cluster_size_unless_they_are_named():
    made = settings(ProcessSettings, SAMPLE)
    assert Processes.node_names(made, {}) == ("n11", "n12", "n13")
    assert Processes.node_names(made, {"cluster_size": "2"}) == ("n11", "n12")
    named = dataclasses.replace(made, nodes=("a", "b"))
    assert Processes.node_names(named, {"cluster_size": 5}) == ("a", "b")
    with pytest.raises(UsageError, match="invalid cluster_size 0"):
        Processes.node_names(made, {"cluster_size": 0})


@pytest.mark.parametrize(
    ("rule", "states"),
    [("all", ["critical"]), ("any", ["degraded", "degraded"]), ("healthy >= 2", ["degraded", "critical"])],
)
def test_the_rule_for_the_whole_decides_what_is_critical(make, rule, states):
    async def scenario():
        mapping = {
            "service": {"command": ["sleep", "60"]},
            "ports": {},
            "health": {"command": "test ! -e ${{ node.folder }}/sick"},
            "rule": rule,
        }
        ctx = await deployed(make, mapping)
        for name, state in zip(("n11", "n12"), states, strict=False):
            (ctx.provider.folder / name / "sick").touch()
            assert (await ctx.system.status(ctx)).state.value == state

    asyncio.run(scenario())


def test_a_state_of_its_own_takes_the_place_of_the_usual(make):
    async def scenario():
        states = {"half_up": "healthy == 1 && members.n11.parts.service == 'not_ok'"}
        mapping = {"service": {"command": ["sleep", "60"]}, "states": states,
                   "health": {"command": "test ! -e ${{ node.folder }}/sick"}}  # fmt: skip
        ctx = await deployed(make, mapping, cluster_size=2)
        (ctx.provider.folder / "n11" / "sick").touch()
        assert (await ctx.system.status(ctx)).state.value == "half_up"

    asyncio.run(scenario())


def test_a_tcp_probe_sees_whether_a_port_takes_connections(make):
    async def scenario():
        mapping = {**{key: SAMPLE[key] for key in ("ports", "peer", "service")}, "health": {"tcp": "client"}}
        ctx = await deployed(make, mapping, cluster_size=1)
        ctx.provider.end(await node(ctx, "n11"), 9)
        ctx.provider.powers_of["n11"] = PowerState.RUNNING
        assert (await ctx.system.status(ctx)).state.value == "critical"

    asyncio.run(scenario())


def test_an_unknown_name_in_a_template_is_named_with_what_is_known(make):
    async def scenario():
        service = {"command": ["sleep", "${{ node.ports.clientt }}"]}
        mapping = {"service": service, "health": {"tcp": 1}, "ports": {"client": 0}}
        ctx = make(mapping, cluster_size=1)
        with pytest.raises(UsageError, match="did you mean 'client'"):
            await ctx.system.deploy(ctx)

    asyncio.run(scenario())


def test_without_services_of_the_provider_the_link_starts_stops_and_restarts_the_service(tmp_path):
    from seatrial.systems.processes import link_service

    async def scenario():
        system: Any = Processes(settings(ProcessSettings, SAMPLE), tmp_path)
        ctx: Any = FakeContext(tmp_path / "suite", system, Bare(tmp_path / "nodes"), cluster_size=1)
        await system.deploy(ctx)
        (one,) = await system.nodes(ctx)
        service = system._service(ctx, one)
        try:
            await state_is(ctx, "running")
            pid_file = ctx.provider.folder / "n11" / "service.pid"
            first = pid_file.read_text()
            await system.ensure_running(ctx, one)
            assert pid_file.read_text() == first
            await link_service.stop(ctx, one, service)
            await state_is(ctx, "critical")
            pid_file.write_text("1 1\n")  # somebody else has the number now
            await system.ensure_running(ctx, one)
            await state_is(ctx, "running")
            assert "serves its records" in (await system.evidence(ctx))["n11"]
        finally:
            await link_service.stop(ctx, one, service)

    asyncio.run(scenario())


def test_another_instance_goes_on_with_the_cluster_and_starts_its_services_as_they_were(make, tmp_path):
    async def scenario():
        service: Any = SAMPLE["service"]
        mapping = {**SAMPLE, "service": {**service, "env": {"BY": "${{ trial.id }}"}}}
        first = await deployed(make, mapping, cluster_size=2)
        await first.system.before_outage(first)
        again: Any = Processes(settings(ProcessSettings, mapping), tmp_path)
        second: Any = FakeContext(tmp_path / "second", again, first.provider, cluster_size=2)
        before = second.system.hand_over()
        memory = first.system.hand_over()
        await first.system.destroy(first)
        await second.system.take_over(second, memory)
        assert [one.name for one in await second.system.nodes(second)] == ["n11", "n12"]
        await state_is(second, "running")
        assert (await second.system.records(second)).acknowledged == 0
        assert {one.env["BY"] for one in second.system._services.values()} == {first.trial_id}
        await second.system.take_over(second, before)
        assert (await second.system.status(second)).state.value == ""
        with pytest.raises(CannotTell, match="dict was not handed over"):
            await second.system.take_over(second, {})

    asyncio.run(scenario())


def test_what_a_service_is_started_with_is_not_filled_in_anew():
    anew: Any = Processes.filled_anew(settings(ProcessSettings, SAMPLE))
    assert "health" in anew
    assert "data" in anew
    assert not {"service", "peer", "ports", "nodes"} & set(anew)
