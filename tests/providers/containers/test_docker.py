"""The containers provider on Docker: where it differs from Podman."""

from __future__ import annotations

import asyncio
import re

import pytest
from scripts.images.engines import IMAGE
from tests.backends import tables
from tests.backends.answers import answers

from seatrial.errors import CannotTell, LinkLost, ToolMissing
from seatrial.links.containers import NoSuchImage
from seatrial.loading.provider_settings import settings_from
from seatrial.model.resource import NodeSpec
from seatrial.providers.containers import Containers
from seatrial.testing import context, flow

pytestmark = [pytest.mark.backend("docker"), pytest.mark.slow]


@pytest.fixture(autouse=True)
def docker(dockerd, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", dockerd.host)
    return dockerd


def trial(folder, **settings):
    given = {"engine": "docker", "image": IMAGE, **settings}
    return context(folder, flow(provider="containers"), providers={"containers": given})


def run_suite(work):
    asyncio.run(asyncio.wait_for(work, 240))


@tables.ON_ENGINES
def test_names_volumes_and_what_nobody_recorded_are_there_and_given_back(docker, tmp_path, monkeypatch):
    async def scene():
        async with trial(tmp_path, volumes=["/extra"]) as ctx:
            one, two = await asyncio.gather(*(ctx.create_node(NodeSpec(name=name)) for name in ("n11", "n12")))
            assert two.address in await answers(ctx, one, "getent hosts n12")
            assert " /extra " in (await ctx.link(one).run(["cat", "/proc/mounts"])).stdout
            labels = [word for pair in ctx.labels().items() for word in ("--label", "=".join(pair))]
            assert docker.run("volume", "create", *labels, "planted-v").returncode == 0
            assert docker.run("network", "create", *labels, "planted-n").returncode == 0
            planted = docker.run("run", "--detach", "--name", "planted-c", "--network", "planted-n", *labels, IMAGE)
            assert planted.returncode == 0
            assert docker.run("volume", "create", "of-the-user").returncode == 0
            # As from another shell, that knows nothing of where the daemon is.
            monkeypatch.delenv("DOCKER_HOST")
            found = await Containers(settings_from(Containers, {})).find(ctx.run_id)
            names = {(resource.kind, resource.name) for resource in found}
            assert {("node", "planted-c"), ("volume", "planted-v"), ("network", "planted-n")} <= names
            assert len(names) == 6, names
            for resource in found:
                await Containers(settings_from(Containers, {})).destroy(resource)
                await Containers(settings_from(Containers, {})).destroy(resource)
            assert not await Containers(settings_from(Containers, {})).find(ctx.run_id)
        assert docker.run("volume", "rm", "of-the-user").returncode == 0
        assert docker.left() == []

    run_suite(scene())


@pytest.mark.parametrize("ssh", ["yes", "no"])
def test_a_container_that_dies_ends_its_command_as_a_lost_link(docker, ssh, tmp_path):
    async def scene():
        async with trial(tmp_path, ssh=ssh) as ctx:
            node = await ctx.create_node(NodeSpec(name="n11"))
            link = ctx.link(node)
            await answers(ctx, node)
            running = asyncio.create_task(link.run(["sleep", "987"], timeout=120))
            while not (await link.run(["pgrep", "-f", "sleep 987"])).ok:
                await asyncio.sleep(0.05)
            assert docker.run("kill", str(node.detail["container"])).returncode == 0
            with pytest.raises(LinkLost):
                await asyncio.wait_for(running, 30)

    run_suite(scene())


def test_a_missing_image_and_a_silent_daemon_are_told(tmp_path, monkeypatch):
    async def refused(kind, match, **settings):
        async with trial(tmp_path / re.sub(r"\W", "", match), **settings) as ctx:
            with pytest.raises(kind, match=match):
                await ctx.create_node(NodeSpec(name="n11"))

    async def scene():
        await refused(NoSuchImage, "localhost/none is not in docker's store", image="localhost/none")
        await refused(CannotTell, "making the container n11: docker", options=["--memory", "1m"])
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
        await refused(ToolMissing, "daemon does not answer .*systemctl start docker")

    run_suite(scene())
