"""The containers provider on Podman: what the contract does not ask."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest
from scripts.images.engines import IMAGE

from seatrial.errors import CannotTell, LeaseTaken, LinkLost, Overrun, ToolMissing
from seatrial.links.containers import NoSuchImage
from seatrial.links.containers.engines import find
from seatrial.loading.provider_settings import settings_from
from seatrial.model.cluster import PowerState
from seatrial.model.resource import NodeSpec
from seatrial.providers.containers import Containers, removal, trial_resources
from seatrial.testing import context, flow

pytestmark = [pytest.mark.backend("podman"), pytest.mark.slow]

N11 = NodeSpec(name="n11", ports={"client": 0})
DEAF = '["/bin/sh", "-c", "trap : TERM; while :; do sleep 1000 & wait $!; done"]'
"""An init that hears what it is told, and goes on."""


def trial(folder: Path, **settings: object):
    given = {"engine": "podman", "image": IMAGE, **settings}
    return context(folder, flow(provider="containers"), providers={"containers": given})


def run_suite(work):
    asyncio.run(asyncio.wait_for(work, 240))


async def inspected(kind: str, name: str):
    engine = await find("podman")
    return json.loads(await engine.call(kind, "inspect", name, what=f"looking at {name}"))[0]


async def up(ctx, spec: NodeSpec = N11):
    """A node that answers."""
    node = await ctx.create_node(spec)
    await answer(ctx.link(node))
    return node


async def answer(link) -> None:
    async with asyncio.timeout(60):
        while True:
            with suppress(CannotTell):
                if (await link.run(["true"])).ok:
                    return
            await asyncio.sleep(0.05)


async def nothing_is_left(run: str) -> None:
    """Of no kind, by a provider that made nothing itself."""
    assert not await Containers(settings_from(Containers, {})).find(run)


def test_nodes_know_each_other_by_name_and_all_that_is_theirs_carries_the_trials_names(tmp_path):
    async def scene():
        async with trial(tmp_path) as ctx:
            one, two = await asyncio.gather(*(up(ctx, NodeSpec(name=name)) for name in ("n11", "n12")))
            link = ctx.link(one)
            assert two.address in (await link.run(["getent", "hosts", "n12"])).stdout
            assert one.address in (await ctx.link(two).run(["getent", "hosts", "n11"])).stdout
            assert (await link.run(["hostname"])).stdout == "n11\n"
            seen = (await link.run("echo $E2E_RUN_ID $SEATRIAL_RUN_ID; tr '\\0' '\\n' </proc/1/environ")).stdout.split()
            assert seen[:2] == [ctx.trial_id, ctx.run_id]
            assert f"E2E_RUN_ID={ctx.trial_id}" in seen
            labels = ctx.labels().items()
            assert labels <= (await inspected("container", str(one.detail["container"])))["Config"]["Labels"].items()
            assert labels <= (await inspected("network", ctx.trial_id))["labels"].items()
            assert list(ctx.provider.enter(one))[-4:] == ["exec", "-it", str(one.detail["container"]), "sh"]
            run = ctx.run_id
        await nothing_is_left(run)

    run_suite(scene())


def test_a_crash_breaks_commands_off_and_leaves_data_console_and_address(tmp_path):
    async def scene():
        async with trial(tmp_path, command=["sh", "-c", "echo the product speaks"]) as ctx:
            node = await up(ctx)
            provider, link = ctx.provider, ctx.link(node)
            assert (await link.run("echo precious >/var/lib/seatrial/data; sync")).ok
            running = asyncio.create_task(link.run(["sleep", "987"], timeout=120))
            while not (await link.run(["pgrep", "-f", "sleep 987"])).ok:
                await asyncio.sleep(0.05)
            await provider.crash(node)
            begun = time.monotonic()
            with pytest.raises(LinkLost):
                await running
            assert time.monotonic() - begun < 3
            assert await provider.state(node) is PowerState.STOPPED
            assert await provider.power_reason(node) == "exited with 137"
            assert "the product speaks" in await provider.console(node)
            await provider.start(node)
            await answer(link)
            assert (await link.run(["cat", "/var/lib/seatrial/data"])).stdout == "precious\n"
            assert node.address in (await link.run(["hostname", "-I"])).stdout
            assert await provider.guest_crash(node) == "off"
            assert await provider.state(node) is PowerState.STOPPED

    run_suite(scene())


@pytest.mark.parametrize("ssh", ["yes", "no"])
def test_a_frozen_node_does_not_hang_who_asks_it_and_can_be_crashed(ssh, tmp_path):
    async def scene():
        async with trial(tmp_path, ssh=ssh) as ctx:
            node = await up(ctx)
            link = ctx.link(node)
            assert (await link.run(["true"])).ok
            await ctx.provider.pause(node)
            begun = time.monotonic()
            with pytest.raises((CannotTell, TimeoutError)):
                await link.run(["true"], timeout=2)
            assert time.monotonic() - begun < 20
            await ctx.provider.crash(node)
            assert await ctx.provider.state(node) is PowerState.STOPPED

    run_suite(scene())


def test_limits_and_volumes_are_the_suites_and_volumes_go_with_their_node(tmp_path):
    async def scene():
        async with trial(tmp_path, ssh="no", volumes=["/extra"]) as ctx:
            parameters = {"containers_memory_gb": 0.25, "containers_cpus": 0.5, "data_volumes_per_node": 1}
            node = await up(ctx, NodeSpec(name="n11", parameters=parameters))
            link = ctx.link(node)
            seen = await inspected("container", str(node.detail["container"]))
            assert seen["HostConfig"]["Memory"] == 256 * 2**20
            assert seen["HostConfig"]["NanoCpus"] == 5 * 10**8
            for path in ("/extra", "/data1"):
                assert f" {path} " in (await link.run(["cat", "/proc/mounts"])).stdout
                assert (await link.run(["touch", f"{path}/kept"])).ok
            names = list(node.detail["volumes"])
            assert len(names) == 2
            assert ctx.labels().items() <= (await inspected("volume", names[0]))["Labels"].items()
            await ctx.provider.crash(node)
            await ctx.provider.start(node)
            assert (await link.run(["ls", "/data1"])).stdout == "kept\n"
            assert not node.ssh
            await ctx.destroy_node(node)
            engine = await find("podman")
            assert not (await engine.run("volume", "inspect", *names)).ok

    run_suite(scene())


def test_ports_are_published_on_loopback_when_that_is_asked_for(tmp_path):
    async def scene():
        async with trial(tmp_path, publish="yes") as ctx:
            node = await up(ctx, NodeSpec(name="n11", ports={"a": 0, "b": 20001, "c": 0, "ssh2": 22}))
            published = int(node.detail["published"]["ssh2"])
            assert (node.ports["b"], node.ports["ssh2"]) == (20001, 22)
            assert len(set(node.ports.values())) == 4
            reader, writer = await asyncio.open_connection("127.0.0.1", published)
            assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"SSH-2.0-OpenSSH")
            writer.close()

    run_suite(scene())


def test_an_image_that_starts_its_own_ssh_server_gets_keys_of_the_trial(tmp_path):
    async def scene():
        async with trial(tmp_path, command="image", ssh="yes") as ctx:
            node = await up(ctx)
            link = ctx.link(node)
            await answer(link)
            first = (await link.run(["cat", "/proc/1/comm"])).stdout
            assert first == "sshd\n"
            assert (await link.run(["test", "-w", node.folder])).ok

    run_suite(scene())


def test_a_guest_that_ignores_what_it_is_told_is_not_started_anew_and_no_stop(tmp_path, monkeypatch):
    monkeypatch.setattr("seatrial.providers.containers.OBEYED", 1.5)

    async def scene():
        async with trial(tmp_path, command="image", ssh="no", options=["--entrypoint", DEAF]) as ctx:
            node = await up(ctx)
            boot = await ctx.provider.boot_id(node)
            await ctx.provider.guest_reboot(node)
            assert await ctx.provider.boot_id(node) == boot
            assert await ctx.provider.state(node) is PowerState.RUNNING
            with pytest.raises(Overrun, match="did not power itself off within"):
                await ctx.provider.guest_stop(node)
            assert await ctx.provider.boot_id(node) == boot

    run_suite(scene())


def test_what_is_planted_and_in_no_ledger_is_listed_and_given_back_and_the_users_own_stays(tmp_path):
    users = f"seatrial-test-{uuid.uuid4().hex[:10]}"

    async def scene():
        engine = await find("podman")

        async def do(*argv: str) -> None:
            await engine.call(*argv, what=" ".join(argv[:3]))

        try:
            await do("run", "--detach", "--network=none", "--name", users, IMAGE, "sleep", "1000")
            async with trial(tmp_path, ssh="no") as ctx:
                node = await up(ctx)
                labels = [word for pair in ctx.labels().items() for word in ("--label", "=".join(pair))]
                await do("volume", "create", *labels, f"{users}-v")
                await do("network", "create", *labels, f"{users}-n")
                await do(
                    "run", "--detach", f"--network={users}-n", "--volume", f"{users}-v:/v", "--name", f"{users}-c",
                    *labels, IMAGE, "sleep", "1000",
                )  # fmt: skip
                await do("volume", "create", *labels, f"{users}-w")
                other = Containers(settings_from(Containers, {}))
                listed = [(one.kind, one.name) for one in await other.find(ctx.run_id)]
                assert {("node", f"{users}-c"), ("volume", f"{users}-w"), ("network", f"{users}-n")} <= set(listed)
                assert ("node", f"{ctx.trial_id}-n11") in listed
                kinds = [kind for kind, _ in listed]
                assert kinds == sorted(kinds, key=["node", "volume", "network"].index)
                for one in await other.find(ctx.run_id):
                    assert (one.run, one.trial) == (ctx.run_id, ctx.trial_id)
                    assert one.detail["project"] == ctx.labels()["seatrial.project"]
                    assert one.detail["expires"] == ctx.labels()["seatrial.expires"]
                    if one.name.startswith(users):
                        await other.destroy(one)
                        await other.destroy(one)
                assert [one.name for one in await other.find(ctx.run_id)] == [f"{ctx.trial_id}-n11", ctx.trial_id]
                assert await ctx.provider.state(node) is PowerState.RUNNING
            for kind in ("volume", "network", "container"):
                assert users + "-" not in await engine.call(kind, "ls", *(["--all"] * (kind == "container")), what="ls")
            assert (await engine.call("inspect", "--format", "{{.State.Status}}", users, what="look")) == "running\n"
        finally:
            for name in (users, f"{users}-c"):  # one that is gone would keep podman from taking the other
                await engine.run("rm", "--force", "--time", "0", name)
            await engine.run("network", "rm", f"{users}-n")
            await engine.run("volume", "rm", "--force", f"{users}-v", f"{users}-w")

    run_suite(scene())


def test_what_a_node_said_is_kept_after_it_is_gone_and_tells_no_secret(tmp_path):
    async def scene():
        async with trial(tmp_path, ssh="no", command=["sh", "-c", "seq 15000; echo the key is hush-hush"]) as ctx:
            ctx.secret("hush-hush")
            node = await up(ctx)
            async with asyncio.timeout(30):
                while not (said := await ctx.provider.console(node)).endswith("hush-hush\n"):
                    await asyncio.sleep(0.1)
            assert len(said) <= 64 * 1024
            assert int(said.splitlines()[0]) > 1000
            await ctx.destroy_node(node)
            kept = (ctx.artifacts / "nodes" / "n11" / "console.log").read_text()
            assert "\n15000\n" in kept
            assert "the key is" in kept
            assert "hush-hush" not in kept
            node = await up(ctx)
            await other_process(node, ctx)

    run_suite(scene())


async def other_process(node, ctx) -> None:
    """Give it back as somebody does who does not know the trial's secrets."""
    kept = ctx.artifacts / "nodes" / "n11" / "console.log"
    kept.unlink()
    hide = removal.HIDING.pop(ctx.trial_id)
    await ctx.destroy_node(node)
    assert not kept.exists()
    removal.HIDING[ctx.trial_id] = hide


async def refused(folder: Path, error: type[BaseException], match: str, **settings: object) -> None:
    """A node cannot be made, for this reason; and nothing is left of the attempt."""
    async with trial(folder, **settings) as ctx:
        with pytest.raises(error, match=match) as caught:
            await ctx.create_node(N11)
        assert isinstance(caught.value, CannotTell), "the verdict would not be unknown"
        run = ctx.run_id
    await nothing_is_left(run)


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"image": ""}, CannotTell, r"has no image: name one in seatrial.toml"),
        ({"image": "localhost/none"}, NoSuchImage, r"localhost/none is not in podman's store: build it"),
        ({"image": "registry.invalid/x:1", "pull": "never"}, NoSuchImage, r"not in podman's store"),
        (
            {"image": "registry.invalid/x:1"},
            CannotTell,
            r"pulling registry.invalid/x:1, named in `.* image \(.*seatrial.toml\)`: .* can this machine reach",
        ),
        ({"engine": "/opt/none/podman"}, ToolMissing, r"/opt/none/podman is not installed.*apt-get install podman"),
        ({"options": ["--user", "nobody-there"], "command": "image"}, CannotTell, r"making the container n11: podman"),
        ({"user": "nobody-there"}, CannotTell, r"(?s)n11 did not come up: .*the image has no user nobody-there"),
        ({"options": ["--memory", "1m"]}, CannotTell, r"making the container n11: podman"),
    ],
)
def test_what_is_missing_or_wrong_is_told_and_nothing_is_left(settings, error, match, tmp_path):
    run_suite(refused(tmp_path, error, match, **settings))


def test_a_port_that_another_program_holds_is_told_and_nothing_is_left(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        options = ["--publish", f"127.0.0.1:{port}:22"]
        run_suite(
            refused(tmp_path, LeaseTaken, rf"127.0.0.1:{port}: .*already in use; another program", options=options)
        )


def test_a_subnet_that_is_taken_is_passed_over_and_told_when_there_is_no_other(tmp_path, monkeypatch):
    name = f"seatrial-test-{uuid.uuid4().hex[:10]}"
    taken, free = "10.207.41.0/24", "10.207.42.0/24"

    async def scene():
        engine = await find("podman")
        await engine.call("network", "create", "--subnet", taken, name, what="taking a subnet")
        try:
            monkeypatch.setattr(trial_resources, "subnets", lambda *_: iter([taken, free]))
            async with trial(tmp_path / "one") as ctx:
                node = await ctx.create_node(N11)
                assert node.address.startswith("10.207.42.")
            monkeypatch.setattr(trial_resources, "subnets", lambda *_: iter([taken]))
            await refused(tmp_path / "two", LeaseTaken, r"held|10\.207\.41")
        finally:
            await engine.run("network", "rm", name)

    run_suite(scene())


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted by root alone")
def test_a_full_disk_is_told_and_nothing_is_left(tmp_path, monkeypatch, podman):
    store = tmp_path / "store"
    store.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", store], check=True)
    try:
        asked = ["podman", "info", "--format", "{{.Store.GraphRoot}}"]
        images = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        (tmp_path / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{store}/g"\nrunroot = "{tmp_path}/run"\n'
            f'[storage.options]\nadditionalimagestores = ["{images}"]\n'
        )
        monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(tmp_path / "storage.conf"))
        for name, value in podman.items():  # it is not found out again which it needs
            monkeypatch.setenv(name, value)

        async def scene():
            engine = await find("podman")
            assert (await engine.call("ps", "--quiet", what="making the store")) == ""
            _fill(store)
            await refused(tmp_path / "t", CannotTell, "no space left on device; the disk is full: .*system prune")

        run_suite(scene())
    finally:
        subprocess.run(["umount", "--recursive", "--lazy", store], check=True)


def _fill(folder: Path) -> None:
    with suppress(OSError), (folder / "ballast").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


@pytest.mark.parametrize(
    ("settings", "ready", "tried"),
    [
        ({}, True, "a container of .* was started on a network of its own by .*podman.*, and removed"),
        ({"image": "localhost/none"}, False, "its store has no image localhost/none"),
        ({"engine": "/opt/none/docker"}, False, "/opt/none/docker is not installed"),
        ({"image": ""}, True, ""),
    ],
)
def test_readiness_is_found_out_by_doing(settings, ready, tried):
    told = asyncio.run(
        Containers.readiness(settings_from(Containers, {"engine": "podman", "image": IMAGE, **settings}))
    )
    assert told.ready is ready, told
    assert re.search(tried, told.tried), told
    assert told.remedy or told.ready
