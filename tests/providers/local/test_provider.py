"""The provider `local`, as the engine uses it."""

import asyncio
import json
import os
import random
import signal
import socket
import uuid
from pathlib import Path

import asyncssh
import pytest

from seatrial.errors import CannotTell, LinkDown, ToolMissing, UsageError
from seatrial.loading.provider_settings import settings_from
from seatrial.model.cluster import PowerState
from seatrial.model.resource import NodeSpec, Resource, Service
from seatrial.providers.local import Local, tree
from seatrial.registry import Registry
from seatrial.spi import KeepsConsole, PausesNodes, Powers, PowersGuests, PowersNodes, Provider, RunsServices


class Trial:
    """As much of a context as a provider uses."""

    def __init__(self, folder: Path) -> None:
        self.run_id = f"r{uuid.uuid4().hex[:12]}"
        self.trial_id = f"{self.run_id}-t"
        self.state = folder / "state"
        self.artifacts = folder / "artifacts"
        self.state.mkdir()
        self.leased: list[object] = []

    def environment(self) -> dict[str, str]:
        return {**os.environ, "E2E_RUN_ID": self.trial_id, "SEATRIAL_RUN_ID": self.run_id, "UNRELATED": "secret"}

    async def lease_address(self) -> str:
        address = f"127.{random.randint(64, 127)}.{random.randint(0, 250)}.{random.randint(2, 250)}"
        self.leased.append(address)
        return address

    async def lease_port(self, address: str = "127.0.0.1") -> int:
        with socket.socket() as probe:
            probe.bind((address, 0))
            port = int(probe.getsockname()[1])
        self.leased.append((address, port))
        return port

    def record(self, local: Local, name: str = "n11") -> Resource:
        detail = json.loads(json.dumps({"node": name, **local.foresee(NodeSpec(name=name), self)}))  # type: ignore[arg-type]
        return Resource(
            kind="node", name=f"{self.trial_id}-{name}", owner="provider:local", run=self.run_id, trial=self.trial_id,
            detail=detail,
        )  # fmt: skip


@pytest.fixture
def trial(tmp_path):
    made = Trial(tmp_path)
    yield made
    local = Local(settings_from(Local, {}))
    for name in ("n11", "n12"):
        asyncio.run(local.destroy(made.record(local, name)))
    assert tree.find_tagged(made.run_id) == []


def create(trial, name="n11", settings=None, **ports):
    local = Local(settings_from(Local, settings or {}))
    return local, asyncio.run(local.create(NodeSpec(name=name, ports=ports), trial))


def test_it_is_found_by_its_name_and_keeps_every_promise_of_the_interfaces():
    provider = Registry().get("provider", "local")
    local = provider(settings_from(provider, {}))
    for promise in (Provider, PowersNodes, PowersGuests, PausesNodes, RunsServices, KeepsConsole):
        assert isinstance(local, promise)
    assert local.powers == frozenset(Powers) - {Powers.SNAPSHOT, Powers.DISCONNECT, Powers.HEAL}


def test_a_node_is_created_with_leased_address_ports_and_a_key_of_the_trial(trial):
    local, node = create(trial, client=0, peer=2380)
    assert node.address in trial.leased
    assert (node.address, node.ports["client"]) in trial.leased
    assert node.ports["peer"] == 2380
    assert asyncio.run(local.state(node)) is PowerState.RUNNING
    key = Path(node.ssh["key"])
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.is_relative_to(trial.state)
    _, other = create(trial, "n12")
    assert other.ssh["key"] == node.ssh["key"]
    assert other.ssh["known_host"] != node.ssh["known_host"]
    assert other.address != node.address


def test_its_ssh_shows_the_recorded_host_key_and_takes_the_trials_key(trial):
    _, node = create(trial)

    async def go() -> str:
        known = asyncssh.import_known_hosts(str(node.ssh["known_host"]))
        async with asyncssh.connect(
            node.ssh["host"], node.ssh["port"], username=node.ssh["user"], client_keys=[node.ssh["key"]],
            known_hosts=known, config=None,
        ) as link:  # fmt: skip
            return str(
                (await link.run("echo $E2E_RUN_ID:$SEATRIAL_RUN_ID:$SEATRIAL_NODE:$UNRELATED", check=True)).stdout
            )

    assert asyncio.run(go()).strip() == f"{trial.trial_id}:{trial.run_id}:{trial.trial_id}/n11:"


def test_its_service_is_installed_started_stopped_and_logged(trial):
    local, node = create(trial)

    async def logged(times: int) -> bool:
        return (await local.service_log(node, "service")).count("green") == times

    async def go() -> None:
        argv = ("/bin/sh", "-c", "echo in $PWD $COLOUR; exec sleep 1000")
        service = Service(name="service", argv=argv, env={"COLOUR": "green"}, folder=f"{node.folder}/deep")
        await local.install_service(node, service)
        assert await local.service_log(node, "service") == ""
        await local.start_service(node, "service")
        await soon(lambda: logged(1))
        assert await local.service_log(node, "service") == f"in {node.folder}/deep green\n"
        await local.stop_service(node, "service")
        await local.crash(node)
        await local.start(node)
        await soon(lambda: logged(2))

    asyncio.run(go())
    assert (trial.artifacts / "nodes/n11/service.log").exists()


def test_a_service_whose_program_is_missing_is_a_missing_tool(trial):
    local, node = create(trial)
    asyncio.run(local.install_service(node, Service(name="service", argv=("/no/such/program",))))
    with pytest.raises(ToolMissing, match="/no/such/program"):
        asyncio.run(local.start_service(node, "service"))
    with pytest.raises(CannotTell, match="no service 'other'"):
        asyncio.run(local.stop_service(node, "other"))


def test_stop_start_and_crash_by_the_providers_power(trial):
    local, node = create(trial)

    async def go() -> None:
        first = await local.boot_id(node)
        await local.stop(node)
        await local.stop(node)
        assert await local.state(node) is PowerState.STOPPED
        await local.start(node)
        await local.start(node)
        assert await local.state(node) is PowerState.RUNNING
        second = await local.boot_id(node)
        await local.crash(node)
        await local.crash(node)
        assert await local.state(node) is PowerState.STOPPED
        await local.start(node)
        assert len({first, second, await local.boot_id(node)}) == 3

    asyncio.run(go())
    assert tree.read_state(Path(node.detail["folder"]))["reason"] == "running"


def test_an_init_that_is_off_does_not_answer(trial):
    local, node = create(trial)
    asyncio.run(local.crash(node))
    with pytest.raises(LinkDown):
        asyncio.run(local.start_service(node, "service"))


def test_a_frozen_node_is_paused_and_can_be_resumed_stopped_and_destroyed(trial):
    local, node = create(trial)

    async def go() -> None:
        await local.pause(node)
        assert await local.state(node) is PowerState.PAUSED
        await local.resume(node)
        assert await local.state(node) is PowerState.RUNNING
        await local.pause(node)
        await local.stop(node)
        assert await local.state(node) is PowerState.STOPPED

    asyncio.run(go())


@pytest.mark.parametrize("settings", [{}, {"confinement": "plain"}])
def test_powers_in_the_guest(trial, settings):
    pytest.importorskip("seatrial.links.ssh")
    local, node = create(trial, settings=settings)

    async def booted_since(boot: str) -> bool:
        return await local.boot_id(node) != boot

    async def go() -> None:
        first = await local.boot_id(node)
        await local.guest_reboot(node)
        await soon(lambda: booted_since(first))
        await soon(lambda: answers(local, node))
        second = await local.boot_id(node)
        assert await local.guest_crash(node) == "rebooting"
        await soon(lambda: booted_since(second))
        await soon(lambda: answers(local, node))
        await local.guest_stop(node)
        assert await local.state(node) is PowerState.STOPPED

    asyncio.run(go())


async def soon(look, within=30):
    async with asyncio.timeout(within):
        while not await look():
            await asyncio.sleep(0.01)


async def answers(local, node):
    link = local.link(node)
    try:
        return (await link.run(["true"], timeout=20)).ok
    except CannotTell:
        return False
    finally:
        await link.close()


def test_destroy_needs_the_record_alone_and_is_done_twice_without_harm(trial):
    local, node = create(trial)
    record = trial.record(local)
    asyncio.run(Local(settings_from(Local, {})).destroy(record))
    assert tree.find_tagged(trial.run_id) == []
    assert not Path(node.detail["folder"]).exists()
    assert (trial.artifacts / "nodes/n11/console.log").exists()
    asyncio.run(Local(settings_from(Local, {})).destroy(record))


def test_destroy_of_a_node_whose_box_was_killed(trial):
    local, node = create(trial, settings={"confinement": "plain"})
    asyncio.run(local.install_service(node, Service(name="service", argv=("sleep", "1000"))))
    asyncio.run(local.start_service(node, "service"))
    os.kill(tree.read_state(Path(node.detail["folder"]))["machine_pid"], signal.SIGKILL)
    asyncio.run(Local(settings_from(Local, {})).destroy(trial.record(local)))
    assert tree.find_tagged(trial.run_id) == []


def test_destroy_leaves_a_folder_alone_that_is_not_the_nodes(trial, tmp_path):
    local = Local(settings_from(Local, {}))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/machine.json").write_text(json.dumps({"env": {"SEATRIAL_NODE": "another/n11"}}))
    detail = {"node": "n11", "tag": f"{trial.trial_id}/n11", "folder": str(tmp_path / "mine")}
    asyncio.run(local.destroy(Resource(kind="node", name="x", owner="provider:local", run="r", detail=detail)))
    assert (tmp_path / "mine/machine.json").exists()


def test_find_names_the_nodes_of_a_run_and_destroy_takes_what_it_found(trial):
    _, node = create(trial)
    create(trial, "n12")
    other = Local(settings_from(Local, {}))
    found = asyncio.run(other.find(trial.run_id))
    assert sorted(one.name for one in found) == [f"{trial.trial_id}-n11", f"{trial.trial_id}-n12"]
    assert {one.trial for one in found} == {trial.trial_id}
    assert {one.run for one in found} == {trial.run_id}
    assert asyncio.run(other.find("another-run")) == []
    assert trial.run_id in {one.run for one in asyncio.run(other.find("*"))}
    for one in found:
        asyncio.run(other.destroy(one))
    assert asyncio.run(other.find(trial.run_id)) == []
    assert not Path(node.detail["folder"]).exists()


def test_a_node_that_cannot_boot_says_why_and_leaves_nothing(trial):
    local, node = create(trial)

    real_address, real_port = node.ssh["host"], node.ssh["port"]

    async def address() -> str:
        return real_address

    async def port(_: str = "") -> int:
        return real_port

    trial.lease_address, trial.lease_port = address, port
    with pytest.raises(CannotTell, match="address already in use"):
        asyncio.run(local.create(NodeSpec(name="n12"), trial))
    asyncio.run(local.destroy(trial.record(local, "n12")))


def test_a_folder_that_path_cannot_carry_is_refused_before_anything_is_made(tmp_path):
    (tmp_path / "a:b").mkdir()
    trial = Trial(tmp_path / "a:b")
    with pytest.raises(UsageError, match="has no ':'"):
        create(trial)
    assert tree.find_tagged(trial.run_id) == []


def test_an_unknown_setting_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'confinement'"):
        Local(settings_from(Local, {"confinment": "plain"}))
    with pytest.raises(UsageError, match="allowed: auto, plain"):
        Local(settings_from(Local, {"confinement": "strict"}))


def test_readiness_boots_a_node_and_gives_it_back():
    ready = asyncio.run(Local.readiness(settings_from(Local, {})))
    assert ready.ready
    assert "booted" in ready.tried
    assert not [found for found in tree.find_tagged() if found.node.startswith("readiness-")]
