"""The cloudstack provider on machines that are real: disks to measure, and a login by a key pair."""

from __future__ import annotations

import asyncio

import pytest

from seatrial.model.resource import NodeSpec
from seatrial.registry import Registry
from seatrial.testing import context, flow

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman")]


def test_a_machine_with_disks_lets_us_in_by_a_key_pair_that_goes_with_the_trial(real_cloud, tmp_path):
    settings = {"template": "debian-12", "offering": "small", "login": "keypair"}
    parameters = {"data_volumes_per_node": 2, "data_volume_size": 2}

    async def scenario():
        suite = flow(provider="cloudstack")
        async with context(tmp_path, suite, providers={"cloudstack": settings}, registry=Registry()) as ctx:
            nodes = [await ctx.create_node(NodeSpec(name=name, parameters=parameters)) for name in ("n11", "n12")]
            assert list(real_cloud.cloud.keypairs) == [f"seatrial-{ctx.trial_id}"]
            for node in nodes:
                done = await ctx.link(node).run("blockdev --getsize64 /dev/vdb /dev/vdc; hostname")
                assert done.stdout == f"{2 * 1024**3}\n{2 * 1024**3}\nseatrial-{ctx.trial_id}-{node.name}\n"
            assert len(await ctx.provider.find(ctx.run_id)) == 2

    asyncio.run(scenario())
    left = (real_cloud.cloud.keypairs, real_cloud.cloud.machines, real_cloud.cloud.volumes)
    assert left == ({}, {}, {})
