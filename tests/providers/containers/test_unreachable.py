"""An engine whose containers this host does not reach by their addresses, as one without root: ports are published."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from scripts.images.engines import IMAGE
from tests.backends.answers import answers

from seatrial.errors import CannotTell
from seatrial.model.resource import NodeSpec
from seatrial.providers.containers import trial_resources
from seatrial.testing import FakeRun, flow

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman")]


@pytest.fixture(autouse=True)
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    async def reachable(engine: object) -> bool:
        return False

    monkeypatch.setattr(trial_resources, "reachable", reachable)


def trial(folder: Path, **settings: object) -> FakeRun:
    given = {"engine": "podman", "image": IMAGE, **settings}
    return FakeRun(folder, flow(provider="containers"), providers={"containers": given})


def test_this_host_reaches_nodes_by_loopback_and_they_each_other_by_name_and_the_same_number(tmp_path):
    async def act():
        async with trial(tmp_path).trial() as ctx:
            specs = [NodeSpec(name=name, ports={"client": 0}) for name in ("n11", "n12")]
            one, two = await asyncio.gather(*map(ctx.create_node, specs))
            assert one.address == two.address == one.ssh["host"] == "127.0.0.1"
            assert len({one.ports["client"], two.ports["client"], one.ssh["port"], two.ssh["port"]}) == 4
            sshd = f"/usr/sbin/sshd -f /seatrial/sshd.conf -p {two.ports['client']} -o PidFile=none"
            await answers(ctx, two, sshd)
            greeting = f"exec 3<>/dev/tcp/n12/{two.ports['client']} && head -c 4 <&3"
            assert await answers(ctx, one, f'bash -c "{greeting}"') == "SSH-"
            reader, writer = await asyncio.open_connection(two.address, two.ports["client"])
            assert await asyncio.wait_for(reader.readexactly(4), 20) == b"SSH-"
            writer.close()

    asyncio.run(act())


def test_ports_that_may_not_be_published_are_refused(tmp_path):
    async def act():
        async with trial(tmp_path, publish="no").trial() as ctx:
            with pytest.raises(CannotTell, match="have to be published"):
                await ctx.create_node(NodeSpec(name="n11", ports={"client": 0}))

    asyncio.run(act())
