"""What a link into a pod cannot tell, on a real cluster; tests/links/test_link_contract.py has what it can."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from scripts.cluster import shared
from tests.links.kubernetes.pods import INIT, pod

from seatrial.errors import CannotTell, LinkDown, LinkLost, LinkRefused
from seatrial.links.process import TimedOut
from seatrial.model.reading import Health
from seatrial.model.resource import Connection, Node
from seatrial.spi.measuring import link_of
from seatrial.testing import context, flow

pytestmark = pytest.mark.backend("kubernetes")

MAIN: dict[str, object] = {"name": "main", "command": ["sh", "-c", INIT]}
BARE: dict[str, object] = {"name": "bare", "command": ["sh", "-c", "rm /bin/sh; exec sleep 100000"]}


@pytest.fixture
def inside(tmp_path: Path, cluster: shared.Use) -> Callable[..., None]:
    """Run something with the cluster, a way to name a node in a pod, and a context."""

    def on(act: Callable[..., Awaitable[None]], *containers: dict[str, object]) -> None:
        async def main() -> None:
            async with (
                pod(str(cluster.kubeconfig), *containers) as (there, name),
                context(tmp_path, flow(provider="deployer")) as ctx,
            ):

                def node(kubeconfig: object = cluster.kubeconfig, **more: object) -> Node:
                    way: dict[str, object] = {"target": name, "environment": {"KUBECONFIG": str(kubeconfig)}, **more}
                    return Node(name="n11", connection=Connection(kind="kubectl", **way))  # type: ignore[arg-type]

                await act(there, node, ctx)

        asyncio.run(asyncio.wait_for(main(), 90))

    return on


def test_what_cannot_be_entered_is_named_and_only_a_pod_that_is_gone_is_measured(inside, tmp_path, cluster):
    text = cluster.kubeconfig.read_text()
    (tmp_path / "away").write_text(re.sub(r"(https://[^:\s\"]+):\d+", r"\1:1", text))

    async def act(there, node, ctx):
        assert (await ctx.link(node()).run("echo $HOSTNAME")).stdout == f"{node().connection.target}\n"
        assert await ctx.link(node(container="main", context=cluster.context, namespace="default")).run("exit 3")
        for wrong, kind, why, health in (
            (node(container="bare"), CannotTell, r"Seatrial needs a shell \(`sh`\) in the container", Health.UNKNOWN),
            (node(container="x"), LinkRefused, "has no container 'x'; it has: main, bare", Health.UNKNOWN),
            (node(become=True), LinkRefused, "has the user of its container; remove `ansible_become`", Health.UNKNOWN),
            (node(context="x"), CannotTell, "has no context 'x'", Health.UNKNOWN),
            (node(tmp_path / "none"), CannotTell, "there is no kubeconfig", Health.UNKNOWN),
            (node(tmp_path / "away"), CannotTell, "the API server .* does not answer", Health.UNKNOWN),
            (node(target="no-such-pod"), LinkDown, "does not exist in the namespace default", Health.NOT_OK),
            (node(target=""), LinkDown, "its pod does not exist", Health.NOT_OK),
        ):
            with pytest.raises(CannotTell, match=why) as raised:
                await ctx.link(wrong).run(["true"])
            assert type(raised.value) is kind
            assert (await link_of(ctx, wrong)).value is health

    inside(act, MAIN, BARE)


def test_a_command_has_no_result_when_its_container_goes_down(inside):
    async def act(there, node, ctx):
        link = ctx.link(node())
        running = asyncio.create_task(link.run("echo >/tmp/begun; sleep 100001; true"))
        while not (await link.run(["test", "-e", "/tmp/begun"])).ok:
            pass
        await there.delete(await there.kind("v1/Pod"), node().connection.target, grace=0)
        with pytest.raises(CannotTell, match="so the result is unknown") as raised:
            await running
        assert type(raised.value) in (CannotTell, LinkLost)

    inside(act)


def test_a_command_whose_shell_is_killed_from_outside_has_no_result(inside):
    async def act(there, node, ctx):
        with pytest.raises(CannotTell, match=r"was ended from outside, so the result is unknown"):
            await ctx.link(node()).run("kill -s KILL $PPID")

    inside(act)


def test_output_is_whole_while_the_input_still_comes_and_has_no_mark(inside):
    async def act(there, node, ctx):
        much = "0123456789abcde\n" * 2**16
        lines: list[bytes] = []
        done = await ctx.link(node()).follow("tee /dev/stderr", input=much, output=lines.append)
        assert (done.exit_code, done.stdout == much, done.stderr == much) == (0, True, True)
        assert b"".join(lines).count(b"\n") == 2**17
        with pytest.raises(TimedOut) as late:
            await ctx.link(node()).run("echo out; echo err >&2; sleep 100002", timeout=2)
        assert late.value.stdout == "out\n"
        assert late.value.stderr.startswith("err\n")

    inside(act)
