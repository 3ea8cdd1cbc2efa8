"""The cloudstack provider against an API whose machines are no more than their state."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudstack_server.calls import catalog, client, disk_offering
from seatrial.errors import CannotTell, UsageError
from seatrial.links.cloudstack import JobNeverEnded, NoRoom
from seatrial.loading.provider_settings import settings_from
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec, Resource
from seatrial.providers.cloudstack import CloudStack, removal
from seatrial.registry import Registry
from seatrial.testing import context, flow

SETTINGS = {"template": "debian-12", "offering": "small"}


@contextlib.asynccontextmanager
async def trial(folder: Path, **more: Any):
    suite = replace(flow(provider="cloudstack"), deadlines={"start": 2.0})
    settings = {**SETTINGS, **more}
    async with context(folder, suite, providers={"cloudstack": settings}, registry=Registry()) as ctx:
        yield ctx


def deployed(cloud, name: str, **more: Any) -> dict[str, Any]:
    """A machine as a deployer makes it."""
    caller = client(cloud)
    made: dict[str, Any] = caller.deployVirtualMachine(**catalog(caller), name=name, **more)["virtualmachine"]
    return made


def at(machine: dict[str, Any], name: str = "web") -> Node:
    return Node(name=name, address=machine["nic"][0]["ipaddress"], detail={"group": "web"})


def test_machines_are_recognised_by_their_addresses_and_powered(cloud):
    ours, public = deployed(cloud, "notes-web"), deployed(cloud, "notes-db")
    caller = client(cloud)
    address = caller.associateIpAddress()["ipaddress"]
    caller.enableStaticNat(ipaddressid=address["id"], virtualmachineid=public["id"])
    stranger = Node(name="n13", address="203.0.113.9")
    behind = Node(name="db", ssh={"host": address["ipaddress"]})

    async def scenario():
        provider = CloudStack(settings_from(CloudStack, {}))
        web, db, third = await provider.adopt([at(ours), behind, stranger])
        assert (web.adopted, web.detail) == (True, {"group": "web", "id": ours["id"], "machine": "notes-web"})
        assert (db.adopted, db.detail["id"]) == (True, public["id"])
        assert third == stranger
        await provider.crash(web)
        assert [await provider.state(one) for one in (web, db)] == [PowerState.STOPPED, PowerState.RUNNING]
        await provider.stop(web)  # off already
        await provider.start(web)
        assert await provider.power_reason(web) == "Running"

    asyncio.run(scenario())
    stops = [given.get("forced") for command, given in cloud.cloud.calls if command == "stopVirtualMachine"]
    assert stops == ["true"]


def test_states_that_are_asked_for_at_once_are_one_question_and_none_is_older_than_its_asker(cloud):
    machines = [deployed(cloud, f"notes-{number}") for number in range(5)]

    async def scenario():
        provider = CloudStack(settings_from(CloudStack, {}))
        nodes = await provider.adopt([at(one, one["name"]) for one in machines])
        cloud.cloud.calls.clear()
        first = asyncio.ensure_future(provider.state(nodes[0]))
        await asyncio.sleep(0)
        later = [asyncio.ensure_future(provider.state(one)) for one in nodes[1:]]
        states = await asyncio.gather(first, *later)
        assert states == [PowerState.RUNNING] * 5
        assert len(cloud.cloud.calls) <= 2
        await provider.crash(nodes[0])
        del cloud.cloud.machines[machines[1]["id"]]
        answers = await asyncio.gather(*(provider.state(one) for one in nodes[:3]), return_exceptions=True)
        assert answers[0::2] == [PowerState.STOPPED, PowerState.RUNNING]
        assert isinstance(answers[1], CannotTell)
        assert "any more" in str(answers[1])

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("settings", "known"),
    [
        ({"adopt": "notes-*"}, ["web"]),
        ({"adopt_tag": "app=notes"}, ["other"]),
        ({"adopt_tag": "app"}, ["other"]),
        ({"adopt": "notes-*", "adopt_tag": "app"}, []),
    ],
)
def test_names_and_tags_narrow_down_what_is_recognised(cloud, settings, known):
    machines = {"web": deployed(cloud, "notes-web"), "other": deployed(cloud, "shop-web")}
    client(cloud).createTags(
        resourceids=machines["other"]["id"], resourcetype="UserVm", tags=[{"key": "app", "value": "notes"}]
    )
    nodes = asyncio.run(
        CloudStack(settings_from(CloudStack, settings)).adopt([at(machine, name) for name, machine in machines.items()])
    )
    assert [node.name for node in nodes if node.adopted] == known


def test_an_address_of_two_machines_is_not_guessed(cloud):
    one, two = deployed(cloud, "notes-a"), deployed(cloud, "notes-b")
    cloud.cloud.machines[two["id"]].address = one["nic"][0]["ipaddress"]
    with pytest.raises(CannotTell, match=r"several virtual machines \(notes-a, notes-b\)"):
        asyncio.run(CloudStack(settings_from(CloudStack, {})).adopt([at(one)]))


def test_lists_of_many_pages_are_read_to_their_end(cloud, monkeypatch):
    monkeypatch.setattr("seatrial.links.cloudstack.PAGE", 2)
    machines = [deployed(cloud, f"notes-{number}") for number in range(5)]
    nodes = asyncio.run(CloudStack(settings_from(CloudStack, {})).adopt([at(one) for one in machines]))
    assert all(node.adopted for node in nodes)


@pytest.mark.parametrize(("plant", "said"), [("no_capacity", r"\(533\).*no host has capacity"),
                                             ("over_limit", r"\(535\).*has been exceeded")])  # fmt: skip
def test_a_cloud_without_room_is_the_infrastructures_fault_and_leaves_nothing(cloud, tmp_path, plant, said):
    setattr(cloud.plants, plant, True)

    async def scenario():
        async with trial(tmp_path) as ctx:
            with pytest.raises(NoRoom, match=said) as raised:
                await ctx.create_node(NodeSpec(name="n11"))
            assert raised.value.category == "infrastructure"

    asyncio.run(scenario())
    assert cloud.cloud.machines == cloud.cloud.volumes == {}


def test_a_machine_that_ends_in_error_is_told_and_given_back(cloud, tmp_path):
    class All(set[str]):
        def __contains__(self, name: object) -> bool:
            return True

    cloud.plants.ends_in_error = All()

    async def scenario():
        async with trial(tmp_path) as ctx:
            with pytest.raises(CannotTell, match="is in the state Error though CloudStack's job succeeded"):
                await ctx.create_node(NodeSpec(name="n11"))

    asyncio.run(scenario())
    assert cloud.cloud.machines == {}


def test_a_job_that_never_ends_has_a_deadline_and_what_it_made_is_given_back(cloud, tmp_path):
    cloud.plants.job_never_ends.add("deployVirtualMachine")

    async def scenario():
        async with trial(tmp_path) as ctx:
            with pytest.raises(JobNeverEnded, match=r"deployVirtualMachine: CloudStack's job .* within 2 s"):
                await ctx.create_node(NodeSpec(name="n11"))

    asyncio.run(scenario())
    assert cloud.cloud.machines == {}


def test_what_no_list_shows_yet_is_given_back(cloud, tmp_path):
    cloud.plants.late = 600.0

    async def scenario():
        async with trial(tmp_path) as ctx:
            with pytest.raises(CannotTell, match="did not let us in within 2 s"):
                await ctx.create_node(NodeSpec(name="n11"))
            assert len(cloud.cloud.machines) == 1

    asyncio.run(scenario())
    assert cloud.cloud.machines == {}


def test_disks_are_made_to_measure_tagged_and_given_back_also_without_their_machine(cloud, tmp_path):
    cloud.plants.forgets_volumes = True

    async def scenario():
        suite = replace(flow(provider="cloudstack"), deadlines={"start": 2.0})
        async with context(tmp_path, suite, providers={"cloudstack": SETTINGS}, registry=Registry()) as ctx:
            parameters = {"data_volumes_per_node": 2, "data_volume_size": "3G", "root_volume_size": 20}
            with pytest.raises(CannotTell, match="did not let us in"):
                await ctx.create_node(NodeSpec(name="n11", parameters=parameters))
            sizes = {one.kind: one.size // 1024**3 for one in cloud.cloud.volumes.values()}
            assert sizes == {"ROOT": 20, "DATADISK": 3}
            (machine,) = cloud.cloud.machines.values()
            told = {"seatrial.run": ctx.run_id, "seatrial.trial": ctx.trial_id, "seatrial.node": "n11"}
            assert machine.tags.items() >= told.items()
            assert {"seatrial.project", "seatrial.expires"} <= set(machine.tags)
            assert machine.display == f"seatrial {ctx.run_id} {ctx.trial_id} n11"
            (entry,) = [one for one in ctx._trial.run.ledger.out() if one.resource.kind == "node"]
            assert entry.resource.outlives_host

    asyncio.run(scenario())
    assert cloud.cloud.volumes == {}


def test_a_destroyed_machine_that_stays_is_left_behind(cloud, monkeypatch):
    monkeypatch.setattr(removal, "BELIEVED", 0.3)
    name = "seatrial-t0123456789-n11"
    deployed(cloud, name)
    cloud.plants.keeps.add(name)
    detail = {"machine": name, "endpoint": cloud.url}
    node = Resource(kind="node", name="t0123456789-n11", owner="provider:cloudstack", run="r", detail=detail)
    with pytest.raises(CannotTell, match=rf"its lists still show {name} \(Running\)"):
        asyncio.run(CloudStack(settings_from(CloudStack, {})).destroy(node))
    cloud.plants.keeps.clear()
    asyncio.run(CloudStack(settings_from(CloudStack, {})).destroy(node))
    asyncio.run(CloudStack(settings_from(CloudStack, {})).destroy(node))
    assert cloud.cloud.machines == {}


def test_an_account_that_may_not_expunge_destroys_and_that_counts(cloud):
    name = "seatrial-t0123456789-n11"
    deployed(cloud, name, diskofferingid=disk_offering(client(cloud)), size=1)
    cloud.plants.may_not_expunge = True
    detail = {"machine": name, "endpoint": cloud.url}
    node = Resource(kind="node", name="t0123456789-n11", owner="provider:cloudstack", run="r", detail=detail)
    asyncio.run(CloudStack(settings_from(CloudStack, {})).destroy(node))
    assert [one.state for one in cloud.cloud.machines.values()] == ["Destroyed"]
    assert asyncio.run(CloudStack(settings_from(CloudStack, {})).find("*")) == []


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ({"machine": "notes-web"}, "not the name of a machine created by Seatrial"),
        ({"machine": "seatrial-"}, "not the name of a machine created by Seatrial"),
        (
            {"machine": "seatrial-t0123456789-n11", "endpoint": "https://elsewhere/client/api"},
            "was made at https://else",
        ),
    ],
)
def test_what_is_not_ours_is_never_destroyed(cloud, detail, said):
    deployed(cloud, "notes-web")
    node = Resource(kind="node", name="n11", owner="provider:cloudstack", run="r", detail=detail)
    with pytest.raises(CannotTell, match=said):
        asyncio.run(CloudStack(settings_from(CloudStack, {})).destroy(node))
    assert [one.name for one in cloud.cloud.machines.values()] == ["notes-web"]


def test_another_project_that_shows_nothing_is_no_word_that_a_machine_is_gone(cloud):
    from seatrial_stand_ins.cloudstack.cloud import Project

    room = cloud.cloud.add(cloud.cloud.projects, Project(name="trials"))
    name = "seatrial-t0123456789-n11"
    deployed(cloud, name, projectid=room.id)
    detail = {"machine": name, "endpoint": cloud.url, "cloud_project": room.id}
    node = Resource(kind="node", name="t0123456789-n11", owner="provider:cloudstack", run="r", detail=detail)
    said = f"was made in the project {room.id}, and the configuration names no project: set `project`"
    with pytest.raises(CannotTell, match=said):
        asyncio.run(CloudStack(settings_from(CloudStack, {})).destroy(node))
    assert len(cloud.cloud.machines) == 1
    asyncio.run(CloudStack(settings_from(CloudStack, {"project": "trials"})).destroy(node))
    assert cloud.cloud.machines == {}


def test_everything_is_asked_and_made_in_the_project_that_is_named(cloud, tmp_path):
    from seatrial_stand_ins.cloudstack.cloud import Project

    room = cloud.cloud.add(cloud.cloud.projects, Project(name="trials"))

    async def scenario():
        async with trial(tmp_path, project="trials") as ctx:
            with pytest.raises(CannotTell, match="did not let us in"):
                await ctx.create_node(NodeSpec(name="n11"))
            assert [one.project for one in cloud.cloud.machines.values()] == [room.id]
            (entry,) = [one for one in ctx._trial.run.ledger.out() if one.resource.kind == "node"]
            assert entry.resource.detail["cloud_project"] == room.id
            assert len(await ctx.provider.find(ctx.run_id)) == 1
            assert await CloudStack(settings_from(CloudStack, {})).find(ctx.run_id) == []

    asyncio.run(scenario())
    assert cloud.cloud.machines == {}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"templat": "x"}, "unknown key 'templat' of the provider .did you mean 'template'"),
        ({"login": "password"}, "login: 'password' is not allowed .allowed: keypair, user_data"),
        ({"network": 3}, "network: 3 is not allowed here .allowed: text, or a list of: text"),
        ({"port": 0}, "port: 0 is too small .allowed: from 1 to 65535"),
    ],
)
def test_wrong_settings_are_refused(settings, said):
    with pytest.raises(UsageError, match=said):
        CloudStack(settings_from(CloudStack, settings))


def test_readiness_says_what_is_not_there_and_what_there_is(cloud):
    ready = asyncio.run(CloudStack.readiness(settings_from(CloudStack, {**SETTINGS, "offering": "smal"})))
    assert not ready.ready
    assert "no such service offering: did you mean 'small'? allowed: large, medium, small" in ready.tried
    assert asyncio.run(CloudStack.readiness(settings_from(CloudStack, SETTINGS))).ready
