"""The ssh provider beyond the contract: whose machines it takes, and what it must never do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from pathlib import Path

import pytest
from tests.links.ssh_server import serving
from tests.providers.ssh.local_machines import machines, registry

import seatrial
from seatrial.errors import CannotTell, LeaseTaken, LeftBehind, LinkDown, LinkLost, PowersMissing, UsageError
from seatrial.links.ssh import SSHLink, ending, guest
from seatrial.loading.provider_settings import settings_from
from seatrial.model.cluster import PowerState
from seatrial.model.reading import Source
from seatrial.model.resource import Node, NodeSpec
from seatrial.providers.ssh import SSH, claims
from seatrial.providers.ssh.machines import machines as named
from seatrial.spi import power_reading
from seatrial.testing import context, flow

N11 = NodeSpec(name="n11", ports={"client": 0})


def run_suite(work):
    asyncio.run(asyncio.wait_for(work, 90))


def trial(folder: Path, settings, provider="attended", **more):
    return context(folder, flow(provider=provider), providers={provider: settings}, registry=registry(), **more)


def settings_of(server, **more):
    host = {"name": "n11", "host": "127.0.0.1", "port": server.port, "user": "root", "key": str(server.folder / "key")}
    return {"hosts": [host | {"known_host": server.known_host}], "folder": str(server.folder / "base"), **more}


def test_the_machine_that_seatrial_runs_on_is_not_claimed_and_nothing_is_done_to_it(tmp_path):
    async def act():
        async with serving(tmp_path) as server, trial(tmp_path / "t", settings_of(server), "ssh") as ctx:
            before = set(tmp_path.iterdir())
            with pytest.raises(UsageError, match=r"n11 .* is the machine that Seatrial itself runs on"):
                await ctx.create_node(N11)
            assert not (tmp_path / "base").exists()
            assert set(tmp_path.iterdir()) == before
            readiness = await SSH.readiness(settings_from(SSH, settings_of(server)))
            assert not readiness.ready
            assert "itself runs on" in readiness.tried
            node = server.node()
            for power in (ctx.provider.guest_stop, ctx.provider.guest_reboot, ctx.provider.guest_crash):
                with pytest.raises(UsageError, match="itself runs on"):
                    await power(node)
            await ctx.provider.link(node).close()

    run_suite(act())


@pytest.mark.parametrize(
    ("kernel", "namespace", "refused"),
    [
        ("ours", "pid:[2]", True),
        ("ours", guest.INITIAL, True),
        ("ours", "-", True),
        ("ours", "pid:[3]", False),
        ("other", "pid:[2]", False),
        ("other", guest.INITIAL, False),
    ],
)
def test_our_own_machine_is_known_from_inside_a_container_too(kernel, namespace, refused):
    own = guest.Seen("ours", "pid:[2]", "")
    with pytest.raises(UsageError) if refused else contextlib.nullcontext():
        guest.require_other(SSHLink(Node(name="n11")), guest.Seen(kernel, namespace, "7"), own)


@pytest.mark.slow
def test_a_crash_goes_by_sysrq_but_never_on_our_own_kernel(tmp_path, monkeypatch):
    async def act():
        async with machines(tmp_path / "m", "n11") as standing, trial(tmp_path / "t", standing.settings) as ctx:
            node = await ctx.create_node(N11)
            sent = []
            link = ctx.provider.link(node)
            by_sudo = link.sudo

            async def listened(command, **more):
                sent.append(command)
                return await by_sudo(command, **more)

            monkeypatch.setattr(link, "sudo", listened)
            assert await ctx.provider.guest_crash(node) == "off"
            assert not any("sysrq" in one for one in sent)
            await standing.power_on()
            # Seen from another kernel, the same machine is crashed by its SysRq, which a local node obeys itself.
            monkeypatch.setattr(guest, "ours", lambda: guest.Seen("another kernel", guest.INITIAL, ""))
            assert await ctx.provider.guest_crash(node) == "rebooting"
            assert "sysrq" in sent[-1]

    run_suite(act())


@pytest.mark.slow
def test_a_machine_of_another_trial_is_left_alone_and_its_holder_is_named(tmp_path):
    async def act():
        async with machines(tmp_path / "m", "n11") as standing:
            async with trial(tmp_path / "one", standing.settings) as one:
                node = await one.create_node(N11)
                claim = (standing.base("n11") / "claim").read_text()
                assert json.loads(claim.splitlines()[1])["project"]
                # Another control machine has other leases: only the claim on the machine itself keeps them apart.
                async with trial(tmp_path / "two", standing.settings) as two:
                    with pytest.raises(LeaseTaken, match=f"held by run {one.run_id} .*seatrial clean"):
                        await two.create_node(N11)
                assert (standing.base("n11") / "claim").read_text() == claim
                assert (await one.link(node).run(["true"])).ok
            assert not (standing.base("n11") / "claim").exists()
            async with trial(tmp_path / "three", standing.settings) as three:
                await three.create_node(N11)

    run_suite(act())


@pytest.mark.slow
def test_names_that_the_inventory_does_not_have_take_its_machines_in_order_and_skip_what_is_down(tmp_path):
    async def act():
        async with machines(tmp_path / "m", "a", "b", "c") as standing, trial(tmp_path / "t", standing.settings) as ctx:
            await standing.local.crash(standing.nodes["b"])
            one, two = await asyncio.gather(*(ctx.create_node(NodeSpec(name=name)) for name in ("x1", "x2")))
            assert {one.detail["machine"], two.detail["machine"]} == {"a", "c"}
            assert one.address != two.address
            with pytest.raises(LeaseTaken, match=r"no machine could be had for x3: .*b: .*does not answer"):
                await ctx.create_node(NodeSpec(name="x3"))

    run_suite(act())


@pytest.mark.slow
def test_destroy_ends_what_the_trial_runs_there_and_leaves_the_rest(tmp_path):
    async def act():
        async with machines(tmp_path / "m", "n11") as standing, trial(tmp_path / "t", standing.settings) as ctx:
            node = await ctx.create_node(N11)
            theirs = SSHLink(node, trial="t-of-somebody")
            for link, start in (
                (ctx.link(node), "setsid nohup sleep 300 >/dev/null 2>&1 & echo $!"),
                (ctx.link(node), "env -i setsid sleep 300 >/dev/null 2>&1 & echo $!"),
                (theirs, "setsid nohup sleep 300 >/dev/null 2>&1 & echo $!"),
            ):
                assert (await link.run(start, env={"E2E_RUN_ID": "somebody"})).stdout.strip()
            await theirs.close()
            (standing.base("n11") / "theirs").touch()
            assert Path(node.folder).is_dir()
            await ctx.destroy_node(node)
            assert [path.name for path in standing.base("n11").iterdir()] == ["theirs"]
            left = await ctx.provider.link(node).run("pgrep -fx 'sleep 300' | wc -l")
            assert left.stdout.strip() == "1"
            await ctx.provider.link(node).close()

    run_suite(act())


def test_what_cannot_be_ended_at_the_end_is_left_behind_with_its_claim(tmp_path, monkeypatch):
    async def act():
        async with machines(tmp_path / "m", "n11") as standing, trial(tmp_path / "t", standing.settings) as ctx:
            node = await ctx.create_node(N11)
            with monkeypatch.context() as patched:
                stays = "echo 'these processes do not end: 7 (db)' >&2; exit 46"
                patched.setattr(ending, "of_trial", lambda trial: stays)
                with pytest.raises(LeftBehind, match=r"these processes do not end: 7 \(db\)"):
                    await ctx.destroy_node(node)
                assert (standing.base("n11") / "claim").exists()
            await ctx.destroy_node(node)
            assert not (standing.base("n11") / "claim").exists()

    run_suite(act())


@pytest.mark.slow
def test_silence_is_a_power_off_only_where_we_asked_for_it_and_a_person_ends_it(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BACK", 0.3)

    async def act():
        async with machines(tmp_path / "m", "n11") as standing, trial(tmp_path / "t", standing.settings, "ssh") as ctx:
            node = await ctx.create_node(N11)
            await standing.local.crash(standing.nodes["n11"])
            assert await ctx.provider.state(node) is PowerState.UNREACHABLE
            assert (await power_reading(ctx.provider, node, "ssh")).source is Source.MEASURED
            await standing.power_on()
            assert await ctx.provider.state(node) is PowerState.RUNNING
            assert (await power_reading(ctx.provider, node, "ssh")).source is Source.MEASURED
            await ctx.provider.guest_stop(node)
            assert await ctx.provider.state(node) is PowerState.STOPPED
            assert (await power_reading(ctx.provider, node, "ssh")).source is Source.REMEMBERED
            with pytest.raises(LinkDown):
                await ctx.provider.boot_id(node)
            assert await ctx.provider.find(ctx.run_id) == []
            claim = f"{ctx.trial_id}-n11@{node.ssh['host']}:{node.ssh['port']}"
            with pytest.raises(LeftBehind, match=r"may still claim n11: .*power it on, then `seatrial clean`"):
                await ctx.give_back("claim", claim)
            await standing.power_on()
            assert await ctx.provider.state(node) is PowerState.RUNNING
            await standing.local.crash(standing.nodes["n11"])
            assert await ctx.provider.state(node) is PowerState.UNREACHABLE
            await standing.power_on()

    run_suite(act())


@pytest.mark.slow
def test_a_node_that_crashes_while_a_command_runs_ends_it_at_once_as_a_lost_link(tmp_path):
    async def act():
        async with machines(tmp_path / "m", "n11") as standing, trial(tmp_path / "t", standing.settings) as ctx:
            link = ctx.link(await ctx.create_node(N11))
            mark = tmp_path / "began"
            running = asyncio.create_task(link.run(f"touch {mark}; sleep 60"))
            async with asyncio.timeout(30):
                while not mark.exists():
                    await asyncio.sleep(0.01)
            begun = time.monotonic()
            await standing.local.crash(standing.nodes["n11"])
            with pytest.raises(LinkLost, match="no exit code"):
                await running
            assert time.monotonic() - begun < 15  # half of the silence that would end it too

    run_suite(act())


@pytest.mark.slow
def test_a_host_key_that_nobody_knows_is_refused_unless_it_is_accepted_and_then_it_must_stay(tmp_path):
    async def act():
        async with machines(tmp_path / "m", "n11") as standing:
            (standing.folder / "known").write_text("")
            async with trial(tmp_path / "one", standing.settings) as ctx:
                with pytest.raises(LeaseTaken, match="ssh-keyscan -p"):
                    await ctx.create_node(N11)
            async with trial(tmp_path / "two", standing.settings | {"accept_new": True}) as ctx:
                node = await ctx.create_node(N11)
                assert str(node.ssh["known_host"]).startswith("ssh-")
            assert (standing.folder / "known").read_text() == ""

    run_suite(act())


@pytest.mark.slow
def test_readiness_says_which_machines_answer(tmp_path):
    async def act():
        async with machines(tmp_path / "m", "n11", "n12") as standing:
            await standing.local.crash(standing.nodes["n12"])
            readiness = await SSH.readiness(settings_from(SSH, standing.settings))
            assert readiness.ready
            assert "1 of 2 machines answer: n11" in readiness.tried
            assert "n12 " in readiness.tried

    run_suite(act())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"inventroy": "x"}, "did you mean 'inventory'"),
        ({"hosts": "n11"}, "hosts: 'n11' is not a list"),
        ({"become": "yes"}, "become: 'yes' is not true or false"),
        ({"inventory": "x", "hosts": ["n11"]}, "name `inventory` or `hosts`, not both"),
    ],
)
def test_wrong_settings_are_refused(settings, said):
    with pytest.raises(UsageError, match=said):
        SSH(settings_from(SSH, settings))


def test_without_machines_nothing_is_found_and_nothing_can_be_made(tmp_path):
    async def act():
        assert await SSH(settings_from(SSH, {})).find("*") == []
        assert not (await SSH.readiness(settings_from(SSH, {}))).ready
        async with trial(tmp_path, {}, "ssh") as ctx:
            with pytest.raises(UsageError, match=r"names no machines.*\[providers.ssh\]"):
                await ctx.create_node(N11)

    run_suite(act())


def test_an_inventory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CannotTell, match=r"nowhere.ini of providers.ssh cannot be read"):
        asyncio.run(SSH(settings_from(SSH, {"inventory": str(tmp_path / "nowhere.ini")})).find("*"))


def test_paths_are_relative_to_the_project(tmp_path, monkeypatch):
    (tmp_path / "seatrial.toml").touch()
    (tmp_path / "deep").mkdir()
    (tmp_path / "hosts").write_text("n11 ansible_host=h ansible_user=u folder=/srv/own\nn12")
    monkeypatch.chdir(tmp_path / "deep")
    settings = {"inventory": "hosts", "key": "id", "user": "root", "become": True, "folder": "/srv/seatrial"}
    first, second = named(settings_from(SSH, settings))
    assert (first.folder, second.folder) == ("/srv/own", "/srv/seatrial")
    assert (first.ssh["user"], first.ssh["key"], first.ssh["become"]) == ("u", str(tmp_path / "id"), True)
    assert (second.ssh["user"], second.ssh["known_hosts"]) == ("root", os.path.expanduser("~/.ssh/known_hosts"))


@pytest.mark.parametrize(
    ("step", "power"),
    [
        ("{step: crash_node, target_node: n11, method: destroy}", "crash"),
        ("{step: start_node, target_node: n11}", "start"),
        ("{step: restart_node, target_node: n11, method: graceful}", "graceful restart"),
    ],
)
def test_powers_that_machines_do_not_have_are_refused_before_anything_is_done(tmp_path, step, power):
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        f"test_suites:\n  a:\n    provider: ssh\n    workflow:\n      - {{step: deploy}}\n      - {step}\n"
    )
    with pytest.raises(PowersMissing, match=rf"suite.yaml:6:9: .*'{power}'") as refused:
        seatrial.plan(suite)
    assert isinstance(refused.value, NotImplementedError)
    assert "a person must power on" in str(refused.value)
