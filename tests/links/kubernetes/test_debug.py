"""Commands in a container without a shell, by an ephemeral container, on the real cluster."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from scripts.cluster import shared
from scripts.cluster.images import BUSYBOX
from tests.links.kubernetes.pods import pod

from seatrial.errors import CannotTell
from seatrial.model.resource import Connection, Node
from seatrial.testing import context, flow

pytestmark = pytest.mark.backend("kubernetes")

ONLY_A_PROGRAM = "echo shop >/name; cp /bin/sleep /sleep; rm -r /bin; exec /sleep 100000"
"""What remains is a program with a file of its own, as in an image without a distribution."""
PROGRAM = {"name": "main", "command": ["/bin/sh", "-c", ONLY_A_PROGRAM]}


def inside(act, tmp_path, cluster, *containers, image=BUSYBOX):
    async def main():
        async with (
            pod(str(cluster.kubeconfig), *containers) as (there, name),
            context(tmp_path, flow(provider="deployer")) as ctx,
        ):
            way = Connection(
                kind="kubectl", target=name, environment={"KUBECONFIG": str(cluster.kubeconfig)}, debug_image=image
            )
            await act(there, ctx.link(Node(name="n11", connection=way)), ctx, name)

    asyncio.run(asyncio.wait_for(main(), 150))


def test_commands_in_a_container_without_a_shell_see_its_files_and_its_processes(
    tmp_path: Path, cluster: shared.Use
) -> None:
    async def act(there, link, ctx, name):
        assert (await link.run(["cat", "/name"])).stdout == "shop\n"
        assert (await link.run("ls -d /bin || echo $X; exit 3", env={"X": "no bin"})).stdout == "no bin\n"
        assert (await link.run("tr '\\0' ' ' </proc/1/cmdline")).stdout == "/sleep 100000 "
        assert (await link.run(["/bin/sh", "-c", "exit 7"])).exit_code == 7
        assert (await link.run("cat", input="a  b")).stdout == "a  b"
        assert " /tmp " in (await link.run("cat /proc/${SEATRIAL_PROCESS:-self}/mountinfo")).stdout
        with pytest.raises(TimeoutError):
            await link.run("touch /tmp/begun; sleep 1000", timeout=5)
        assert (await link.run("ps | grep -c '[s]leep 1000$'")).stdout == "0\n"
        (tmp_path / "in").write_text("into")
        await link.put(tmp_path / "in", "/tmp/in")
        await link.get("/tmp/in", tmp_path / "out")
        assert (tmp_path / "out").read_text() == "into"
        assert "by its debug container seatrial-debug-main" in str(link)
        found = await there.get(await there.kind("v1/Pod"), name)
        assert [one["name"] for one in found["spec"]["ephemeralContainers"]] == ["seatrial-debug-main"]

    inside(act, tmp_path, cluster, PROGRAM)


def test_a_debug_image_that_is_not_there_is_refused_by_name(tmp_path: Path, cluster: shared.Use) -> None:
    async def absent(there, link, ctx, name):
        for _ in range(2):  # the second time, no further container is made
            with pytest.raises(CannotTell, match=r"main does not start, because of its image [^ ]+: Err"):
                await link.run(["true"])
        found = await there.get(await there.kind("v1/Pod"), name)
        assert len(found["spec"]["ephemeralContainers"]) == 1

    inside(absent, tmp_path, cluster, PROGRAM, image="localhost/seatrial/nothing:1")
