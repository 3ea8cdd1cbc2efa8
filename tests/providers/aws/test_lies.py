"""An AWS that lies about the power of a machine is found out by the machine itself."""

from __future__ import annotations

import asyncio

import pytest

from aws_server.calls import IMAGE
from seatrial.errors import CannotTell
from seatrial.model.resource import NodeSpec
from seatrial.providers.aws import Aws
from seatrial.registry import Registry
from seatrial.testing import context, flow

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman"), pytest.mark.xdist_group("aws-contract")]

SETTINGS = {"image": IMAGE, "size": "t3.small", "address": "private"}


def test_a_shutdown_is_no_crash_and_a_machine_that_answers_is_not_off(real_aws, tmp_path):
    async def scenario():
        async with context(tmp_path, flow(provider="aws"), providers={"aws": SETTINGS}, registry=Registry()) as ctx:
            node, provider = await ctx.create_node(NodeSpec(name="n11")), ctx.provider
            assert isinstance(provider, Aws)
            await provider.crash(node)
            await provider.start(node)  # a crash is one
            real_aws.plants.graceful = True
            await provider.crash(node)
            with pytest.raises(CannotTell, match="n11 was shut down in an orderly way, though AWS was asked to cut"):
                await provider.start(node)
            real_aws.plants.graceful, real_aws.plants.goes_on = False, True
            for power in (provider.stop, provider.crash):
                with pytest.raises(CannotTell, match=r"n11 is off for AWS .* and it still runs commands"):
                    await power(node)
                real_aws.instances.known[node.detail["id"]].state = "running"
            real_aws.plants.goes_on = False

    asyncio.run(scenario())


def test_a_machine_that_comes_back_as_another_one_is_found_out_by_its_disk(real_aws, tmp_path):
    """Its host key is the same: the same user data gave it to both."""

    async def scenario():
        async with context(tmp_path, flow(provider="aws"), providers={"aws": SETTINGS}, registry=Registry()) as ctx:
            node, provider = await ctx.create_node(NodeSpec(name="n11")), ctx.provider
            assert isinstance(provider, Aws)
            for power in (provider.stop, provider.crash):
                await power(node)
                await provider.start(node)  # the same machine
                real_aws.plants.comes_back_new = True
                await power(node)
                with pytest.raises(CannotTell, match="n11 came back without the file that Seatrial left on its disk"):
                    await provider.start(node)
                real_aws.plants.comes_back_new = False

    asyncio.run(scenario())
