"""The contract of spi.Link, kept by every way into a node: SSH, this machine, containers and pods."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from scripts.images.engines import IMAGE
from tests.links.kubernetes.pods import pod
from tests.links.ssh_server import serving

from seatrial.errors import CannotTell, LinkDown, LinkRefused
from seatrial.links import process
from seatrial.model.resource import Connection, Node
from seatrial.spi import Link
from seatrial.testing import context, flow

WAYS = [
    "ssh",
    "local",
    pytest.param("podman", marks=pytest.mark.backend("podman")),
    pytest.param("docker", marks=[pytest.mark.backend("docker"), pytest.mark.slow]),
    pytest.param("kubectl", marks=pytest.mark.backend("kubernetes")),
]

INIT = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"

Act = Callable[[Link, Path], Awaitable[None]]


@pytest.fixture(params=WAYS)
def way(request, tmp_path) -> Callable[[Act], None]:
    """Run something with a link of each kind, and a folder on its node."""
    kind = request.param
    engine: Mapping[str, str] = {}
    if kind == "podman":
        engine = request.getfixturevalue("podman")
    if kind == "docker":
        engine = {"DOCKER_HOST": request.getfixturevalue("dockerd").host}
    if kind == "kubectl":
        engine = {"KUBECONFIG": str(request.getfixturevalue("cluster").kubeconfig)}

    def on(act: Act) -> None:
        async def main() -> None:
            async with reached(kind, tmp_path, engine) as node, context(tmp_path, flow(provider="deployer")) as ctx:
                await act(ctx.link(node), Path("/tmp") if engine or kind in ("podman", "docker") else tmp_path)

        asyncio.run(asyncio.wait_for(main(), 90))

    return on


@asynccontextmanager
async def reached(kind: str, folder: Path, engine: Mapping[str, str]) -> AsyncIterator[Node]:
    """A node with this way in."""
    if kind == "ssh":
        async with serving(folder) as server:
            yield server.node()
    elif kind == "local":
        yield Node(name="n11", connection=Connection(kind="local"))
    elif kind == "kubectl":
        async with pod(engine["KUBECONFIG"]) as (_, name):
            yield Node(name="n11", connection=Connection(kind=kind, target=name, environment=dict(engine)))
    else:
        name, env = f"seatrial-test-{uuid.uuid4().hex[:12]}", {**os.environ, **engine}
        words = ["run", "--detach", "--pull=never", "--network=none", "--name", name]
        made = await process.run(
            [kind, *words, "--label", f"seatrial.project={folder}", IMAGE, "sh", "-c", INIT], env=env
        )
        assert made.ok, made.stderr
        try:
            yield Node(name="n11", connection=Connection(kind=kind, target=name, environment=dict(engine)))
        finally:
            await process.run([kind, "rm", "--force", name], env=env)


def test_a_command_has_its_exit_code_and_both_streams(way):
    async def act(link, folder):
        assert isinstance(link, Link)
        done = await link.run("echo out; echo err >&2; exit 7")
        assert (done.exit_code, done.stdout, done.stderr) == (7, "out\n", "err\n")
        assert (await link.run(["echo", "$HOME; *"])).stdout == "$HOME; *\n"
        assert (await link.run(["no-such-command"])).exit_code in (126, 127)  # Docker has 126
        assert (await link.run(["sh", "-c", "kill -s KILL $$"])).exit_code == 137

    way(act)


def test_input_and_variables_reach_the_command_and_no_input_is_an_end(way):
    async def act(link, folder):
        assert (await link.run(["cat"], input="a\nb")).stdout == "a\nb"
        assert (await link.run(["cat"], timeout=20)).stdout == ""
        strange = {"X": "it's\n$Y", "PATH": os.environ["PATH"]}
        assert (await link.run(["/bin/sh", "-c", 'echo "$X"'], env=strange)).stdout == "it's\n$Y\n"

    way(act)


def test_a_command_that_takes_too_long_is_ended_with_its_children_and_the_link_goes_on(way):
    async def act(link, folder):
        word = f"98{uuid.uuid4().int % 10**6}"
        with pytest.raises(TimeoutError, match=r"did not end within 1\.5 s"):
            await link.run(f"setsid sleep {word} & sleep {word}", timeout=1.5)
        seen = await link.run(f"grep -lsz '^{word}$' /proc/[0-9]*/cmdline | wc -l")
        assert seen.stdout.strip() == "0"

    way(act)


def test_a_cancelled_command_is_ended_too(way):
    async def act(link, folder):
        word, begun = f"97{uuid.uuid4().int % 10**6}", f"{folder}/begun-{uuid.uuid4().hex}"
        running = asyncio.create_task(link.run(f"echo >{begun}; sleep {word}"))
        async with asyncio.timeout(30):
            while not (await link.run(["test", "-e", begun])).ok:
                pass
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert running.cancelled()
        seen = await link.run(f"grep -lsz '^{word}$' /proc/[0-9]*/cmdline | wc -l")
        assert seen.stdout.strip() == "0"

    way(act)


def test_files_go_both_ways_byte_for_byte_and_a_missing_one_is_named(way, tmp_path):
    async def act(link, folder):
        sent, back, there = tmp_path / "sent", tmp_path / "back", f"{folder}/a file-{uuid.uuid4().hex}"
        sent.write_bytes(bytes(range(256)) * 500)
        await link.put(sent, there)
        await link.get(there, back)
        assert back.read_bytes() == sent.read_bytes()
        with pytest.raises(FileNotFoundError):
            await link.get(f"{folder}/no-such-file", tmp_path / "nothing")
        assert not (tmp_path / "nothing").exists()
        with pytest.raises((CannotTell, FileNotFoundError)):
            await link.put(sent, f"{folder}/no-such-folder/x")

    way(act)


def test_a_closed_link_opens_again(way):
    async def act(link, folder):
        await link.close()
        assert (await link.run("echo again")).stdout == "again\n"

    way(act)


@pytest.mark.parametrize("kind", ["oc", "winrm"])
def test_a_way_in_that_does_not_exist_is_refused_by_its_name(kind, tmp_path):
    async def main():
        async with context(tmp_path, flow(provider="deployer")) as ctx:
            link = ctx.link(Node(name="n11", connection=Connection(kind=kind, target="pod")))
            with pytest.raises(
                LinkRefused, match=f"n11 cannot be reached by '{kind}'; allowed: ssh, local, docker, podman, kubectl"
            ):
                await link.run(["true"])

    asyncio.run(main())


@pytest.mark.backend("podman")
def test_a_container_that_does_not_exist_is_down(tmp_path, podman):
    async def main():
        async with context(tmp_path, flow(provider="deployer")) as ctx:
            there = Connection(kind="podman", target="seatrial-no-such-container", environment=podman)
            with pytest.raises(LinkDown, match="does not exist"):
                await ctx.link(Node(name="n11", connection=there)).run(["true"])

    asyncio.run(main())


def test_what_a_command_on_this_machine_leaves_running_ends_with_the_trial(tmp_path):
    async def main():
        async with context(tmp_path, flow(provider="deployer")) as ctx:
            link = ctx.link(Node(name="n11", connection=Connection(kind="local")))
            done = await link.run("sleep 1000 >/dev/null 2>&1 & echo $!")
            pid = int(done.stdout)
            assert Path(f"/proc/{pid}").exists()
        return pid

    pid = asyncio.run(main())
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()
