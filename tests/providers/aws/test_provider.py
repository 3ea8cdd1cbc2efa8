"""The aws provider against an API whose instances are no more than their state."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aws_server.calls import IMAGE, client, machine
from seatrial.engine import cleanup
from seatrial.errors import CannotTell, LeftBehind, NotSupported
from seatrial.loading.provider_settings import settings_from
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec, Resource
from seatrial.providers.aws import Aws
from seatrial.providers.clouds import calls
from seatrial.providers.clouds.vendor import Denied, NoRoom
from seatrial.registry import Registry
from seatrial.testing import context, flow

pytestmark = pytest.mark.xdist_group("aws-state")

SETTINGS = {"image": IMAGE, "size": "t3.small", "address": "private"}


@pytest.fixture(autouse=True)
def lag(monkeypatch):
    """Lists of the server are late by 3 s at most."""
    monkeypatch.setattr(Aws, "lag", 4.0)


def provider(**more: Any) -> Aws:
    return Aws(settings_from(Aws, {**SETTINGS, **more}))


async def refused_node(folder: Path, seconds: float = 2.0, **settings: Any) -> BaseException:
    """The error of a node whose machine has no SSH server, after the sweep."""
    suite = replace(flow(provider="aws"), deadlines={"start": seconds})
    async with context(folder, suite, providers={"aws": {**SETTINGS, **settings}}, registry=Registry()) as ctx:
        with pytest.raises(CannotTell) as raised:
            await ctx.create_node(NodeSpec(name="n11"))
    return raised.value


def alive(aws: Any) -> list[str]:
    """Instances that are not terminated, and security groups of Seatrial."""
    groups = client().describe_security_groups(Filters=[{"Name": "group-name", "Values": ["seatrial-*"]}])
    names = [group["GroupName"] for group in groups["SecurityGroups"]]
    return [one.id for one in aws.instances.known.values() if one.state != "terminated"] + names


def test_machines_are_recognised_by_identifier_and_address_and_powered(aws):
    web, db = machine(client(), "notes-web"), machine(client(), "notes-db")
    stranger = Node(name="other", address="203.0.113.9")

    async def scenario():
        aws_provider = provider()
        nodes = [
            Node(name="web", address=web["PrivateIpAddress"]),
            Node(name="db", address="10.9.9.9", detail={"instance_id": db["InstanceId"]}),
        ]
        first, second, third = await aws_provider.adopt([*nodes, stranger])
        assert [node.detail.get("id") for node in (first, second)] == [web["InstanceId"], db["InstanceId"]]
        assert (first.adopted, second.adopted, third) == (True, True, stranger)
        await aws_provider.crash(first)
        assert [await aws_provider.state(node) for node in (first, second)] == [PowerState.STOPPED, PowerState.RUNNING]
        assert "User initiated shutdown" in await aws_provider.power_reason(first)
        await aws_provider.stop(first)  # off already
        await aws_provider.start(first)
        await aws_provider.stop(second)
        with pytest.raises(CannotTell, match="other was not recognised as a machine of this account of AWS"):
            await aws_provider.state(third)

    asyncio.run(scenario())
    stops = [(given.get("Force"), given.get("SkipOsShutdown")) for name, given in aws.calls if name == "StopInstances"]
    assert stops == [("true", "true"), (None, None)]


@pytest.mark.parametrize(
    ("settings", "known"), [({"adopt": "notes-*"}, ["web"]), ({"adopt_tag": "app=shop"}, ["db"]), ({"adopt": "x*"}, [])]
)
def test_names_and_tags_narrow_down_what_is_recognised(aws, settings, known):
    machines = {"web": machine(client(), "notes-web"), "db": machine(client(), "shop-db", app="shop")}
    nodes = [Node(name=name, address=one["PrivateIpAddress"]) for name, one in machines.items()]
    assert [node.name for node in asyncio.run(provider(**settings).adopt(nodes)) if node.adopted] == known


def test_a_machine_with_another_address_after_a_stop_is_followed_and_a_new_owner_of_the_old_one_is_not_taken(aws):
    web = machine(client(), "notes-web")
    known = aws.instances.known[web["InstanceId"]]
    node, before = Node(name="web", address=web["PrivateIpAddress"]), known.address

    async def scenario():
        aws_provider = provider()
        await aws_provider.adopt([node])
        known.address = "192.0.2.200"
        await asyncio.to_thread(lambda: setattr(aws.instances.known[other["InstanceId"]], "address", before))
        (now,) = await aws_provider.adopt([node])
        assert (now.detail["id"], now.address) == (web["InstanceId"], "192.0.2.200")

    other = machine(client(), "notes-other")
    asyncio.run(scenario())


def test_a_spot_instance_is_refused_by_name(aws):
    made = client().run_instances(
        ImageId=IMAGE, InstanceType="t3.small", MinCount=1, MaxCount=1, InstanceMarketOptions={"MarketType": "spot"}
    )
    node = Node(name="web", detail={"id": made["Instances"][0]["InstanceId"]})
    for power in (Aws.stop, Aws.crash, Aws.start):
        with pytest.raises(NotSupported, match="it is a spot instance"):
            asyncio.run(power(provider(), node))


def test_a_throttled_call_is_sent_again_and_makes_one_machine(aws, tmp_path):
    aws.plants.throttled = {"RunInstances": 2, "DescribeInstances": 2, "TerminateInstances": 1}
    assert "did not let us in" in str(asyncio.run(refused_node(tmp_path)))
    assert (len(aws.instances.known), alive(aws)) == (1, [])


def test_a_lost_answer_makes_no_second_machine(aws, tmp_path):
    aws.plants.lost = {"RunInstances": 1}
    assert "did not let us in" in str(asyncio.run(refused_node(tmp_path)))
    assert [name for name, _ in aws.calls].count("RunInstances") == 2
    assert (len(aws.instances.known), alive(aws)) == (1, [])


def test_what_no_list_shows_yet_is_given_back(aws, tmp_path):
    aws.plants.late = 3.0
    assert "no list shows it yet" in str(asyncio.run(refused_node(tmp_path, 0.5)))
    assert (len(aws.instances.known), alive(aws)) == (1, [])


def test_an_old_record_of_a_machine_that_was_asked_for_only_now_is_given_back(aws):
    """Keys and networks came between the record and the request, and no list shows the machine yet."""
    aws.plants.late = 2.0
    tags = {"seatrial.run": "r0123456789", "seatrial.trial": "t0123456789", "seatrial.node": "n11"}
    words = [{"Key": key, "Value": value} for key, value in tags.items()]
    client().run_instances(
        ImageId=IMAGE, InstanceType="t3.small", MinCount=1, MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": words}],
    )  # fmt: skip
    asyncio.run(provider().destroy(record(begun=time.time() - 60.0)))
    assert alive(aws) == []


@pytest.mark.parametrize("code", ["InsufficientInstanceCapacity", "VcpuLimitExceeded"])
def test_no_room_is_told_and_leaves_nothing(aws, tmp_path, code):
    aws.plants.refused = {"RunInstances": (500 if code.startswith("Ins") else 400, code)}
    error = asyncio.run(refused_node(tmp_path))
    assert isinstance(error, NoRoom)
    assert f"RunInstances: AWS says {code}" in str(error)
    assert (aws.instances.known, alive(aws)) == ({}, [])


def test_a_machine_that_is_left_behind_tells_its_price(aws, tmp_path, monkeypatch):
    monkeypatch.setattr(cleanup, "PATIENCE", 8.0)  # that of its group, which is in use until then
    aws.plants.refused = {"TerminateInstances": (403, "UnauthorizedOperation")}
    with pytest.raises(LeftBehind, match=r"UnauthorizedOperation.*; it costs 0.0208 per hour"):
        asyncio.run(refused_node(tmp_path, 0.5, prices={"t3.small": 0.0208}))
    aws.plants.refused = {}
    for left in asyncio.run(provider().find("*")):
        asyncio.run(provider().destroy(left))


def test_an_expired_token_says_what_to_do(aws, tmp_path):
    aws.plants.refused = {"RunInstances": (403, "ExpiredToken")}
    error = asyncio.run(refused_node(tmp_path))
    assert isinstance(error, Denied)
    assert "aws sso login" in str(error)


def test_an_api_that_is_broken_for_longer_than_our_patience_is_unknown(aws, monkeypatch):
    monkeypatch.setattr(calls, "PATIENCE", 1.0)
    aws.plants.refused = {"DescribeInstances": (500, "InternalError")}
    with pytest.raises(CannotTell, match="AWS says InternalError"):
        asyncio.run(provider().find("*"))


def record(**more: object) -> Resource:
    """The record of a machine whose creation was intended a moment ago."""
    trial = "t0123456789"
    detail = {"machine": f"seatrial-{trial}-n11", "node": "n11", "begun": time.time(), **more}
    owner = "provider:aws"
    return Resource(kind="node", name=f"{trial}-n11", owner=owner, run="r0123456789", trial=trial, detail=detail)


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ({"machine": "notes-web"}, "not the name of a machine created by Seatrial"),
        ({"account": "999999999999"}, "made in the account 999999999999"),
    ],
)
def test_what_is_not_ours_is_neither_destroyed_nor_said_to_be_gone(aws, detail, said):
    web = machine(client(), "notes-web", **{"seatrial.trial": "t9999999999"})
    with pytest.raises(CannotTell, match=said):
        asyncio.run(provider().destroy(record(**detail)))
    assert aws.instances.known[web["InstanceId"]].state == "running"


def test_a_denied_list_is_no_proof_that_a_machine_is_gone(aws):
    aws.plants.refused = {"DescribeInstances": (403, "UnauthorizedOperation")}
    with pytest.raises(Denied, match="UnauthorizedOperation"):
        asyncio.run(provider().destroy(record()))


def test_a_machine_of_another_region_than_the_settings_is_found_there(aws):
    tags = {"seatrial.run": "r0123456789", "seatrial.trial": "t0123456789", "seatrial.node": "n11"}
    own = machine(client(), "seatrial-t0123456789-n11", **tags)
    asyncio.run(provider(region="us-west-2").destroy(record(region="eu-central-1")))
    assert aws.instances.known[own["InstanceId"]].state == "terminated"


def test_a_list_by_tags_names_the_machine_of_each_node_once_and_its_disks_with_it(aws):
    tags = {"seatrial.run": "r0123456789", "seatrial.trial": "t0123456789", "seatrial.node": "n11"}
    machine(client(), "seatrial-t0123456789-n11", **{**tags, "seatrial.expires": "2020-01-01T00:00:00Z"})
    machine(client(), "seatrial-of-somebody-else", team="seatrial")
    words = [{"Key": key, "Value": value} for key, value in tags.items()]
    disk = client().create_volume(
        AvailabilityZone="eu-central-1a", Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": words}]
    )
    (found,) = asyncio.run(provider().find("r0123456789"))
    assert (found.kind, found.name, found.detail["expires"]) == ("node", "t0123456789-n11", "2020-01-01T00:00:00Z")
    asyncio.run(provider().destroy(found))
    assert asyncio.run(provider().find("*")) == []
    with contextlib.suppress(client().exceptions.ClientError):
        left = client().describe_volumes(VolumeIds=[disk["VolumeId"]])["Volumes"]
        pytest.fail(f"the disk is left: {left}")


def test_readiness_names_missing_rights_and_what_does_not_exist(aws):
    def ready(**more: Any) -> Any:
        return asyncio.run(Aws.readiness(settings_from(Aws, {**SETTINGS, **more})))

    machine(client(), "notes-web")
    well = ready()
    assert well.ready, well
    assert "the account 123456789012 in eu-central-1" in well.tried
    left = re.search(
        r"; (\d+) of 64 CPUs left for on-demand instances of the families A, C, D, H, I, M, R, T, Z", well.tried
    )
    assert left, well.tried
    assert int(left[1]) < 64  # machines of other tests count too
    other = ready(size="g5.xlarge").tried
    assert "; the quota of CPUs (L-DB2E81BA) cannot be read: GetServiceQuota: AWS says NoSuchResource" in other
    aws.plants.refused = {"GetServiceQuota": (400, "AccessDeniedException")}
    denied = ready()
    assert denied.ready, denied
    assert "; the quota of CPUs (L-1216C47A) cannot be read: GetServiceQuota: AWS says AccessDenied" in denied.tried
    aws.plants.refused = {}
    wrong = ready(size="t3.nano-nano", image="debian-of-nobody")
    assert not wrong.ready
    assert "no such instance type" in wrong.tried
    assert "no such image of self, amazon" in wrong.tried
    aws.plants.refused = {"StopInstances": (403, "UnauthorizedOperation")}
    assert "missing rights: ec2:StopInstances" in ready().tried
