"""Accepted host keys that stay: the first one counts, for every link of the trial."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import asyncssh
import pytest
from tests.links.ssh_server import serving

from seatrial.errors import LinkRefused
from seatrial.links.ssh import SSHLink
from seatrial.model.resource import Node


def test_the_first_host_key_is_pinned_and_another_one_later_is_refused_by_every_link(tmp_path):
    async def main():
        pins = tmp_path / "state" / "host_keys"
        async with serving(tmp_path) as server:
            ssh = {**server.node().ssh, "accept": True, "pins": str(pins)}
            del ssh["known_host"]
            node = Node(name="n11", ssh=ssh)
            assert await run(node) == "hello\n"
            (line,) = pins.read_text().splitlines()
            assert line == f"[127.0.0.1]:{server.port} {server.known_host}"
            assert await run(node) == "hello\n"
            assert len(pins.read_text().splitlines()) == 1
            other = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode().strip()
            pins.write_text(f"[127.0.0.1]:{server.port} {other}\n")
            with pytest.raises(LinkRefused, match="shows another host key than the recorded one"):
                await run(node)
            pins.write_text(f"[127.0.0.1]:{server.port + 1} {other}\n")  # another machine's
            assert await run(node) == "hello\n"
            with pytest.raises(LinkRefused, match="no host key is recorded"):
                await run(replace(node, ssh={**ssh, "accept": False}))

    asyncio.run(asyncio.wait_for(main(), 30))


async def run(node: Node) -> str:
    link = SSHLink(node)
    try:
        return (await link.run("echo hello")).stdout
    finally:
        await link.close()
