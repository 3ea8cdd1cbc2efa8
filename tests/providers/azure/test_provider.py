"""The azure provider against an API whose machines are no more than their state."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from azure_server.calls import AT, Client
from seatrial.errors import CannotTell, NotSupported, UsageError
from seatrial.loading.provider_settings import settings_from
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec, Resource
from seatrial.providers.azure import AzureCloud
from seatrial.providers.azure.refusals import RIGHTS, refusal
from seatrial.providers.clouds import calls, removal
from seatrial.providers.clouds.vendor import Denied, NoAnswer, NoRoom, Order, Part, Throttled
from seatrial.registry import Registry
from seatrial.testing import context, flow
from seatrial_stand_ins.azure import AzureServer

SETTINGS = {"image": "Debian:debian-12:12-gen2:latest", "size": "Standard_B1s", "location": AT}
DISKS = {"data_volumes_per_node": 1, "data_volume_size": 3, "root_volume_size": 40}
RUN, TRIAL = "r1m8p7mhy800z3jv78h0ay8p", "t1m8p7mhy800z3jv78h0ay8q"
GROUP, NAME = f"seatrial-{RUN}-{TRIAL}", f"seatrial-{TRIAL}-n11"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFFVJvY6vGRgLtQF0t8Vl2pQDkBzC5sRkTq4kVQ7cS6p us"
LABELS = {
    "seatrial.run": RUN, "seatrial.trial": TRIAL, "seatrial.node": "n11", "seatrial.project": "_Shop ä/7-",
    "seatrial.expires": "2026-11-30T12:00:00Z",
}  # fmt: skip
KIND = "Microsoft.Compute/virtualMachines"
CREATE, POWER_OFF = f"{KIND}/write", f"{KIND}/powerOff/action"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "PATIENCE", 5.0)


def provider(**settings: Any) -> AzureCloud:
    return AzureCloud(settings_from(AzureCloud, {**SETTINGS, **settings}))


def order(node: str = "n11", **more: Any) -> Order:
    made = Order(
        name=f"seatrial-{TRIAL}-{node}", trial_name=GROUP, token="1", image=SETTINGS["image"], size=SETTINGS["size"],
        user_data="", public_key=KEY, tags={**LABELS, "seatrial.node": node},
    )  # fmt: skip
    return replace(made, **more)


async def ready(**settings: Any) -> tuple[AzureCloud, Any]:
    """A provider and its cloud, with the group of the trial; a group that exists is success."""
    made = provider(**settings)
    cloud = await made.cloud()
    (part,) = cloud.needs(GROUP)
    for _ in range(2):
        tags = {name: LABELS[name] for name in ("seatrial.run", "seatrial.trial")}
        await cloud.make_part(Part(kind=part.kind, name=part.name, tags=tags), KEY)
    return made, cloud


def record(*, begun: float = 0.0, **place: object) -> Resource:
    detail = {"node": "n11", "machine": NAME, "begun": begun, **place}
    return Resource(
        kind="node",
        name=f"{TRIAL}-n11",
        owner="provider:azure",
        run=RUN,
        trial=TRIAL,
        detail=detail,
        outlives_host=True,
    )


def things(server: AzureServer) -> list[str]:
    """The names of all that is in the subscription."""
    shelves = [server.groups, *server.shelves.values()]
    return [thing.name for shelf in shelves for thing in shelf.values()]


def sent(server: AzureServer, call: str) -> int:
    return [name for name, _ in server.calls].count(call)


@contextlib.asynccontextmanager
async def trial(folder: Path, **more: Any):
    suite = replace(flow(provider="azure"), deadlines={"start": 2.0})
    async with context(folder, suite, providers={"azure": {**SETTINGS, **more}}, registry=Registry()) as ctx:
        yield ctx


def attempt(folder: Path, said: str, kind: type[Exception] = CannotTell, **settings: Any) -> None:
    """Make a machine: it fails, and nothing is left."""

    async def scenario() -> None:
        async with trial(folder, **settings) as ctx:
            with pytest.raises(kind, match=said):
                await ctx.create_node(NodeSpec(name="n11", parameters=DISKS))

    asyncio.run(scenario())


def test_a_machine_has_its_disks_tags_and_address_and_all_goes_with_its_group(azure):
    async def scenario():
        cloud_provider, cloud = await ready()
        id = await cloud.create(order(data_gib=(3,), root_gib=40))
        (machine,) = await cloud.machines()
        assert (machine.id, machine.power, machine.busy) == (id, PowerState.RUNNING, False)
        assert (machine.public, machine.private) == ("192.0.2.1", "10.0.0.5")
        assert {name: cloud_provider.tagging.read(machine.tags, name) for name in LABELS} == LABELS
        assert await cloud.machines(ids=(id.replace("n11", "n99"), id)) == [machine]
        assert [one.id for one in await cloud.machines(tags={"seatrial.run": RUN, "seatrial.node": ""})] == [id]
        assert await cloud.machines(tags={"seatrial.run": "r2"}) == []
        sizes = {
            one.name: one.told["properties"]["diskSizeGB"] for one in azure.shelves["Microsoft.Compute/disks"].values()
        }
        assert sizes == {f"{NAME}-os": 40, f"{NAME}-data1": 3}
        (machine_asked,) = azure.machines.values()
        assert machine_asked.told["properties"]["osProfile"]["adminUsername"] == "seatrial"  # Azure allows no root
        found = await cloud_provider.find(RUN)
        assert [one.kind for one in found] == ["node", "resource group"]
        assert found[0].detail["project"] == "_Shop ä/7-"
        await cloud_provider.destroy(found[0])
        assert sorted(things(azure)) == ["net", GROUP, "wall"]
        await cloud.create(order())
        await cloud_provider.destroy(found[1])  # whole
        assert await cloud_provider.find("*") == []
        await cloud_provider.destroy(found[1])  # gone is success

    asyncio.run(scenario())
    assert things(azure) == []


def test_a_private_address_and_a_network_of_ones_own_are_used(azure):
    with Client(azure) as client:
        client.card("shop", "card", public=False)

    async def scenario():
        _, cloud = await ready(network="shop/net/nodes", address="private", lets_in=["203.0.113.0/24"], user="ada")
        id = await cloud.create(order())
        (machine,) = await cloud.machines(ids=(id,))
        assert (machine.private, machine.public) == ("192.0.2.1", "")

    asyncio.run(scenario())
    assert things(azure).count("net") == 1
    (wall,) = azure.shelves["Microsoft.Network/networkSecurityGroups"].values()
    rules = {rule["name"]: rule["properties"] for rule in wall.told["properties"]["securityRules"]}
    assert (rules["ssh"]["destinationPortRange"], rules["rest"]["sourceAddressPrefixes"]) == ("22", ["203.0.113.0/24"])
    assert next(iter(azure.machines.values())).told["properties"]["osProfile"]["adminUsername"] == "ada"


def test_a_deployers_machines_are_recognised_in_any_case_and_powered(azure):
    with Client(azure) as client:
        client.make("web1")
        client.make("web2", "Shop2")
        named_id = client.compute.virtual_machines.get("Shop2", "web2").id

        async def scenario():
            cloud = provider()
            nodes = [
                Node(name="a", address="192.0.2.1"), Node(name="b", detail={"id": named_id.upper()}),
                Node(name="x", address="192.0.2.9"),
            ]  # fmt: skip
            web, by_id, other = await cloud.adopt(nodes)
            assert (web.adopted, by_id.detail["machine"], other.adopted) == (True, "web2", False)
            with pytest.raises(CannotTell, match="was not recognised"):
                await cloud.crash(other)
            await cloud.crash(web)
            await cloud.crash(web)  # off already
            assert (await cloud.state(web), await cloud.power_reason(web)) == (PowerState.STOPPED, "stopped")
            await cloud.start(web)
            await cloud.stop(web)
            await cloud.start(web)
            assert await cloud.state(web) is PowerState.RUNNING
            assert "Linux version" in await cloud.console(web)
            strict = provider(adopt="shop-*")
            assert not (await strict.adopt(nodes[:1]))[0].adopted
            thrifty = provider(deallocate=True)
            await thrifty.stop(by_id)
            assert await thrifty.power_reason(by_id) == "deallocated"

        azure.calls.clear()
        asyncio.run(scenario())
    assert sent(azure, POWER_OFF) == 2
    assert sent(azure, f"{KIND}/deallocate/action") == 1
    assert sent(azure, f"{KIND}/delete") == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"priority": "Spot"}, "it is a Spot machine"),
        ({"virtualMachineScaleSet": {"id": "/x"}}, "it belongs to a scale set"),
    ],
)
def test_a_machine_whose_power_proves_nothing_is_refused_by_name(azure, change, said):
    with Client(azure) as client:
        client.make("web1", **change)

    async def scenario():
        cloud = provider()
        (web,) = await cloud.adopt([Node(name="web", address="192.0.2.1")])
        with pytest.raises(NotSupported, match=said):
            await cloud.crash(web)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("plant", "refused"),
    [
        (lambda server: server.plants.denied.add(CREATE), Denied),
        (lambda server: setattr(server.plants, "token_expired", True), Denied),
        (lambda server: setattr(server.plants, "quota_full", True), NoRoom),
        (lambda server: server.plants.throttled.update({CREATE: 99}), Throttled),
        (lambda server: setattr(server.plants, "broken_until", time.monotonic() + 60), NoAnswer),
    ],
    ids=["denied", "expired", "quota", "throttled", "broken"],
)
def test_a_refused_machine_is_named_by_its_kind(azure, plant, refused):
    async def scenario():
        _, cloud = await ready()
        plant(azure)
        with pytest.raises(refused) as raised:
            await cloud.create(order())
        assert azure.token not in str(raised.value)
        assert azure.secret not in str(raised.value)

    asyncio.run(scenario())
    assert azure.machines == {}
    assert sent(azure, CREATE) <= 1


@pytest.mark.parametrize(
    ("plant", "value", "said", "kind"),
    [
        ("no_capacity", True, "sufficient capacity", NoRoom),
        ("quota_full", True, "Cores quota", NoRoom),
        ("denied", {CREATE}, "does not have authorization", Denied),
        ("operation_fails", {"create": "Internal error."}, "Internal error", CannotTell),
        ("late", 2.0, "did not let us in|did not run within 2 s", CannotTell),
        ("lost", {CREATE: 2, f"{KIND}/delete": 1, "Microsoft.Resources/subscriptions/resourceGroups/write": 1,
                  "Microsoft.Resources/subscriptions/resourceGroups/delete": 1}, "did not let us in", CannotTell),
        ("throttled", {"*": 2}, "did not let us in", CannotTell),
        ("broken", {"*": 3}, "did not let us in", CannotTell),
    ],
)  # fmt: skip
def test_a_bad_day_is_the_infrastructures_fault_and_leaves_nothing(
    azure, tmp_path, monkeypatch, plant, value, said, kind
):
    monkeypatch.setattr(calls, "PATIENCE", 60.0)
    setattr(azure.plants, plant, value)
    if plant == "late":
        monkeypatch.setattr(AzureCloud, "lag", 4.0)
    attempt(tmp_path, said, kind)
    assert things(azure) == []
    assert azure.backing.addresses == {}


def test_a_lost_answer_is_no_second_machine(azure):
    async def scenario():
        _, cloud = await ready()
        azure.plants.lost[CREATE] = 1
        id = await cloud.create(order())
        assert list(azure.machines) == [id]
        azure.plants.lost[POWER_OFF] = 1
        await cloud.crash(id)
        assert (await cloud.machines(ids=(id,)))[0].power is PowerState.STOPPED

    asyncio.run(scenario())
    assert len(azure.backing.addresses) == 1


def test_queries_wait_for_a_throttling_and_a_broken_cloud(azure, monkeypatch):
    monkeypatch.setattr(calls, "PATIENCE", 30.0)

    async def scenario():
        cloud = await provider().cloud()
        azure.plants.throttled["*"] = 2
        began = time.monotonic()
        assert await cloud.machines() == []
        assert time.monotonic() - began > 1  # as Azure asked for
        azure.plants.broken_until = time.monotonic() + 1
        assert await cloud.machines() == []

    asyncio.run(scenario())


def test_a_lie_is_not_believed(azure, monkeypatch):
    monkeypatch.setattr(removal, "BELIEVED", 0.5)

    async def scenario():
        cloud_provider, cloud = await ready()
        id = await cloud.create(order())
        azure.plants.operation_fails["powerOff"] = "no such luck"
        with pytest.raises(CannotTell, match="no such luck"):
            await cloud.crash(id)
        azure.plants.operation_fails.clear()
        azure.plants.keeps.add(NAME)
        cloud_provider.deadlines = {**cloud_provider.deadlines, "destroy": 2.0}
        with pytest.raises(CannotTell, match="was not gone within"):
            await cloud_provider.destroy(record(**cloud.place))
        azure.plants.keeps.clear()
        await cloud_provider.destroy(record(**cloud.place))

    asyncio.run(scenario())
    assert azure.machines == {}


def test_an_operation_that_goes_on_is_told_after_its_deadline(azure, monkeypatch):
    monkeypatch.setattr("seatrial.providers.azure.cloud.OPERATION", 0.5)

    async def scenario():
        _, cloud = await ready()
        id = await cloud.create(order())
        azure.plants.operation_never_ends.add("powerOff")
        with pytest.raises(CannotTell, match=r"the operation of Azure goes on after 0\.5 s"):
            await cloud.crash(id)

    asyncio.run(scenario())


def test_a_machine_that_no_list_shows_yet_is_removed_and_one_of_another_subscription_is_not_gone(azure, monkeypatch):
    monkeypatch.setattr(AzureCloud, "lag", 3.0)

    async def scenario():
        cloud_provider, cloud = await ready()
        azure.plants.late = 1.5
        await cloud.create(order())
        await cloud_provider.destroy(record(begun=time.time(), **cloud.place))
        assert azure.machines == {}
        with pytest.raises(Denied, match="could not be found"):
            await cloud_provider.destroy(record(subscription="6329ed23-6c5a-4fa9-8c77-b07973fec349"))
        azure.plants.denied.add(f"{KIND}/read")
        with pytest.raises(Denied, match="does not have authorization"):
            await cloud_provider.destroy(record(**cloud.place))

    asyncio.run(scenario())


def test_clean_touches_none_of_twenty_foreign_machines(azure, tmp_path):
    with Client(azure) as client:
        for number in range(20):
            client.make(f"seatrial-x{number}", f"seatrial-{number}")
    before = sorted(things(azure))
    attempt(tmp_path, "did not let us in")

    async def clean():
        for found in await provider().find("*"):
            await provider().destroy(found)

    asyncio.run(clean())
    assert sorted(things(azure)) == before


def test_wrong_settings_are_named_before_anything_is_made(azure, tmp_path):
    attempt(tmp_path / "a", "set `location` under", UsageError, location="")
    attempt(tmp_path / "b", "allowed: GROUP/NETWORK/SUBNET", UsageError, network="net")
    attempt(tmp_path / "c", "allowed: PUBLISHER:OFFER:SKU:VERSION", UsageError, image="debian")
    assert things(azure) == []
    attempt(tmp_path / "d", "is not available", CannotTell, image="Debian:debian-99:x")
    attempt(tmp_path / "e", "vmSize is invalid", CannotTell, size="Standard_X")
    assert things(azure) == []


def readiness(**settings: Any) -> Any:
    return asyncio.run(AzureCloud.readiness(settings_from(AzureCloud, {**SETTINGS, **settings})))


def test_doctor_names_the_account_what_is_missing_and_the_rights_one_by_one(azure):
    well = readiness()
    assert well.ready, well.tried
    assert azure.client in well.tried
    assert azure.subscription in well.tried
    assert "by Azure's EnvironmentCredential; 100 CPUs left in westeurope" in well.tried
    for settings, said in (
        ({"size": "Standard_B9"}, "size 'Standard_B9' does not exist"),
        ({"location": "mars"}, "location 'mars' does not"),
        ({"image": "Debian:debian-99:x"}, "image 'Debian:debian-99:x' does not exist"),
        ({"image": "Debian:debian-12:12-gen2:1"}, "image 'Debian:debian-12:12-gen2:1' does not exist"),
    ):  # fmt: skip
        missing = readiness(**settings)
        assert (missing.ready, said in missing.tried) == (False, True), missing.tried
    azure.plants.denied |= {"Microsoft.Compute/disks/write", "Microsoft.Network/*/delete"}
    lacking = readiness()
    lacks = [right for right in RIGHTS if right.endswith("disks/write") or ("Network" in right and "delete" in right)]
    assert (lacking.ready, lacking.tried.rpartition("missing rights: ")[2]) == (False, ", ".join(lacks))


def test_doctor_tells_that_a_subscription_or_a_token_is_missing(azure, monkeypatch):
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID")
    assert "no subscription: set `subscription` of [providers.azure]" in readiness().tried
    assert readiness(subscription=azure.subscription).ready
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", azure.subscription)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "wrong-and-secret")
    nobody = readiness()
    assert (nobody.ready, nobody.remedy, "AADSTS7000215" in nobody.tried) == (False, AzureCloud.remedy, True)
    assert "wrong-and-secret" not in nobody.tried


def test_secrets_are_told_to_the_masker(azure):
    cloud: Any = asyncio.run(provider().cloud())
    assert cloud.secrets == (azure.secret,)


@pytest.mark.parametrize(
    ("code", "words", "status", "kind"),
    [
        ("SkuNotAvailable", "", 409, NoRoom), ("OperationNotAllowed", "exceeding approved Cores Quota", 409, NoRoom),
        ("OperationNotAllowed", "not allowed", 409, CannotTell), ("Conflict", "", 409, Throttled),
        ("SubscriptionNotFound", "", 404, Denied), ("ServiceUnavailable", "", 503, NoAnswer),
    ],
)  # fmt: skip
def test_azures_words_have_their_kind(code, words, status, kind):
    assert type(refusal("x", code, words, status)) is kind or kind is CannotTell


def test_the_guide_has_every_right_in_its_role():
    guide = (Path(__file__).resolve().parents[3] / "docs" / "guides" / "azure.md").read_text()
    assert [right for right in RIGHTS if f'"{right}"' not in guide and "Compute/locations" not in right] == []
