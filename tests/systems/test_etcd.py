"""The system of examples/etcd, on a real etcd."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml
from tests.backends import tables
from tests.systems.test_processes import node, state_is

from seatrial.model.reading import Health

EXAMPLE = Path(__file__).parents[2] / "examples" / "etcd" / "classic.yaml"


def system():
    return yaml.safe_load(EXAMPLE.read_text())["system"]


@tables.ON_ENGINES
@pytest.mark.backend("etcd")
def test_etcd_loses_its_leader_then_its_majority_and_comes_back_with_every_record(make):
    async def scenario():
        ctx = make(system())
        await ctx.system.deploy(ctx)
        await state_is(ctx, "running", 20)
        await ctx.system.before_outage(ctx)
        (leader,) = await ctx.system.role(ctx, "leader")
        await ctx.provider.crash(leader)
        await state_is(ctx, "degraded")
        (follower,) = await ctx.system.role(ctx, "leader")
        assert follower.name != leader.name
        await ctx.system.before_outage(ctx)
        report = await ctx.system.records(ctx)
        assert (report.acknowledged, len(report.read_from), dict(report.lost), dict(report.unread)) == (10, 2, {}, {})
        await ctx.provider.crash(follower)
        await state_is(ctx, "critical")
        assert (await ctx.system.status(ctx)).service.value is Health.NOT_OK
        await ctx.provider.start(leader)
        await state_is(ctx, "degraded", 20)
        await ctx.provider.start(follower)
        await state_is(ctx, "running", 20)
        report = await ctx.system.records(ctx)
        assert (report.acknowledged, len(report.read_from), dict(report.lost), dict(report.unread)) == (10, 3, {}, {})

    asyncio.run(scenario())


@pytest.mark.backend("etcd")
def test_a_record_that_etcd_does_not_have_is_lost_and_not_unread(make):
    async def scenario():
        ctx = make(system(), cluster_size=1)
        await ctx.system.deploy(ctx)
        await state_is(ctx, "running", 20)
        await ctx.system.before_outage(ctx)
        ctx.system._acknowledged.append("never-written")
        report = await ctx.system.records(ctx)
        assert dict(report.lost) == {"n11": ("never-written",)}
        assert (await node(ctx, "n11")).name in report.read_from

    asyncio.run(scenario())
