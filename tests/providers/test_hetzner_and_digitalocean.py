"""The providers hetzner and digitalocean against APIs whose machines are no more than their state."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from seatrial.errors import CannotTell, NotSupported, SeatrialError
from seatrial.loading.provider_settings import settings_from
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, Resource
from seatrial.providers.clouds import calls, removal
from seatrial.providers.clouds.provider import CloudProvider
from seatrial.providers.clouds.vendor import Denied, NoAnswer, NoRoom, NoSuchThing, Order, Part, Throttled
from seatrial.providers.digitalocean import Droplets
from seatrial.providers.hetzner import HetznerCloud
from seatrial_stand_ins.clouds.server import CloudServer
from seatrial_stand_ins.digitalocean import DigitalOceanServer
from seatrial_stand_ins.hetzner import HetznerServer

RUN, TRIAL = "r1m8p7mhy800z3jv78h0ay8p", "t1m8p7mhy800z3jv78h0ay8q"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFFVJvY6vGRgLtQF0t8Vl2pQDkBzC5sRkTq4kVQ7cS6p us"
LABELS = {
    "seatrial.run": RUN, "seatrial.trial": TRIAL, "seatrial.node": "n11", "seatrial.project": "_Shop ä/7-",
    "seatrial.expires": "2026-11-30T12:00:00Z", "team": "Blue Whale",
}  # fmt: skip


@dataclass(frozen=True)
class Vendor:
    """One of the two clouds."""

    server: type[CloudServer]
    provider: type[CloudProvider]
    image: str
    size: str
    create: str
    """The call that creates a machine."""
    power: str
    """The call of an action."""
    cut: str
    """The command that cuts the power."""

    def order(self, provider: CloudProvider, node: str = "n11") -> Order:
        name, tags = f"seatrial-{TRIAL}-{node}", provider.tagging.write({**LABELS, "seatrial.node": node})
        return Order(
            name=name, trial_name=f"seatrial-{RUN}-{TRIAL}", token="1", image=self.image, size=self.size,
            user_data="", public_key=KEY, tags=tags,
        )  # fmt: skip


HETZNER = Vendor(
    HetznerServer,
    HetznerCloud,
    "debian-12",
    "cx23",
    "POST /servers",
    "POST /servers/{id}/actions/{verb}",
    "stop_server",
)
DIGITALOCEAN = Vendor(
    DigitalOceanServer, Droplets, "debian-12-x64", "s-1vcpu-1gb", "POST /droplets", "POST /droplets/{id}/actions",
    "power_off",
)  # fmt: skip


@pytest.fixture(params=[HETZNER, DIGITALOCEAN], ids=["hetzner", "digitalocean"])
def vendor(request: pytest.FixtureRequest) -> Vendor:
    found: Vendor = request.param
    return found


@pytest.fixture
def server(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudServer]:
    with vendor.server() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(calls, "PATIENCE", 2.0)
        yield running


def provider_of(vendor: Vendor, **settings: Any) -> CloudProvider:
    named = {"image": vendor.image, "size": vendor.size, **settings}
    return vendor.provider(settings_from(vendor.provider, named))


async def ready(vendor: Vendor, **settings: Any) -> tuple[CloudProvider, Any]:
    """A provider and its cloud, with the parts of the trial."""
    provider = provider_of(vendor, **settings)
    cloud = await provider.cloud()
    for part in cloud.needs(f"seatrial-{RUN}-{TRIAL}"):
        tags = provider.tagging.write({name: LABELS[name] for name in ("seatrial.run", "seatrial.trial")})
        await cloud.make_part(Part(kind=part.kind, name=part.name, tags=tags), KEY)
        await cloud.make_part(Part(kind=part.kind, name=part.name, tags=tags), KEY)  # an existing one is success
    return provider, cloud


def record(node: str = "n11", *, begun: float = 0.0, **place: object) -> Resource:
    name = f"seatrial-{TRIAL}-{node}"
    detail = {"node": node, "machine": name, "begun": begun, **place}
    return Resource(
        kind="node", name=f"{TRIAL}-{node}", owner="provider:x", run=RUN, trial=TRIAL, detail=detail, outlives_host=True
    )


def test_a_machine_has_its_labels_is_found_by_them_and_goes_with_all_that_is_its_trials(vendor, server):
    async def scenario():
        provider, cloud = await ready(vendor)
        id = await cloud.create(vendor.order(provider))
        (machine,) = await cloud.machines(tags=provider.tagging.write({"seatrial.run": RUN}))
        assert (machine.id, machine.power, machine.busy, machine.public) == (id, PowerState.RUNNING, False, "192.0.2.1")
        told = {name: provider.tagging.read(machine.tags, name) for name in LABELS}
        assert told == LABELS
        assert await cloud.machines(ids=("1", id)) == [machine]
        found = await provider.find(RUN)
        assert {one.kind for one in found} == {"node", *(part.kind for part in cloud.needs("x"))}
        assert found[0].detail["project"] == "_Shop ä/7-"
        for resource in sorted(found, key=lambda one: one.kind != "node"):
            await provider.destroy(resource)
        assert await provider.find("*") == []

    asyncio.run(scenario())
    shelves = [getattr(server, name, {}) for name in ("machines", "ssh_keys", "keys", "tags", "placement_groups")]
    assert shelves == [{}] * 5


def test_a_deployers_machine_is_recognised_by_its_address_and_powered(vendor, server):
    async def scenario():
        provider, cloud = await ready(vendor)
        id = await cloud.create(vendor.order(provider))
        await cloud.create(vendor.order(provider, "n12"))
        web, other = await provider.adopt([Node(name="web", address="192.0.2.1"), Node(name="x", address="192.0.2.9")])
        assert (web.adopted, web.detail["id"], other.adopted) == (True, id, False)
        with pytest.raises(CannotTell, match="was not recognised"):
            await provider.crash(other)
        await provider.crash(web)
        await provider.crash(web)  # off already
        assert await provider.state(web) is PowerState.STOPPED
        await provider.start(web)
        await provider.stop(web)
        await provider.start(web)
        assert await provider.state(web) is PowerState.RUNNING
        strict = provider_of(vendor, adopt="shop-*")
        assert not (await strict.adopt([Node(name="web", address="192.0.2.1")]))[0].adopted

    asyncio.run(scenario())
    acts = [operation.command for operation in server.operations.all.values()]
    assert acts.count(vendor.cut) == 1


@pytest.mark.parametrize(
    ("plant", "refusal"),
    [
        (lambda server, call: server.plants.denied.add(call), Denied),
        (lambda server, call: setattr(server.plants, "token_expired", True), Denied),
        (lambda server, call: setattr(server.plants, "quota_full", True), NoRoom),
        (lambda server, call: setattr(server.plants, "no_capacity", True), NoRoom),
        (lambda server, call: server.plants.throttled.update({call: 99}), Throttled),
        (lambda server, call: server.plants.broken.update({call: 1}), NoAnswer),
    ],
    ids=["denied", "expired", "quota", "capacity", "throttled", "broken"],
)
def test_a_refused_machine_is_named_by_its_kind(vendor, server, monkeypatch, plant: Callable[..., None], refusal):
    monkeypatch.setattr(calls, "SEEN", 0.5)

    async def scenario():
        provider, cloud = await ready(vendor)
        plant(server, vendor.create)
        with pytest.raises(refusal) as raised:
            await cloud.create(vendor.order(provider))
        assert server.token not in str(raised.value)

    asyncio.run(scenario())
    assert server.machines == {}
    assert len([call for call, _ in server.calls if call == vendor.create]) <= 1


def test_a_lost_answer_is_no_second_machine(vendor, server):
    async def scenario():
        provider, cloud = await ready(vendor)
        server.plants.lost[vendor.create] = 1
        id = await cloud.create(vendor.order(provider))
        assert [str(machine.id) for machine in server.machines.values()] == [id]
        server.plants.lost[vendor.power] = 1
        await cloud.crash(id)
        assert (await cloud.machines(ids=(id,)))[0].power is PowerState.STOPPED

    asyncio.run(scenario())
    assert [call for call, _ in server.calls].count(vendor.create) == 1


def test_queries_wait_for_a_throttling_and_a_broken_cloud(vendor, server, monkeypatch):
    monkeypatch.setattr(calls, "PATIENCE", 30.0)

    async def scenario():
        _, cloud = await ready(vendor)
        server.plants.throttled["*"] = 2
        began = time.monotonic()
        assert await cloud.machines() == []
        assert time.monotonic() - began > 1  # as the cloud asked for
        server.plants.broken_until = time.monotonic() + 1
        assert await cloud.machines() == []

    asyncio.run(scenario())


def test_a_lie_is_not_believed(vendor, server, monkeypatch):
    monkeypatch.setattr(removal, "BELIEVED", 0.5)

    async def scenario():
        provider, cloud = await ready(vendor)
        id = await cloud.create(vendor.order(provider))
        name = f"seatrial-{TRIAL}-n11"
        server.plants.operation_fails[vendor.cut] = "no such luck"
        with pytest.raises(CannotTell):
            await cloud.crash(id)
        server.plants.operation_fails.clear()
        server.plants.keeps.add(name)
        provider.deadlines = {**provider.deadlines, "destroy": 2.0}
        with pytest.raises(CannotTell, match="was not gone within"):
            await provider.destroy(record(**cloud.place))
        server.plants.keeps.clear()
        await provider.destroy(record(**cloud.place))

    asyncio.run(scenario())
    assert server.machines == {}


def test_a_machine_that_no_list_shows_yet_is_removed_and_one_of_another_account_is_not_gone(
    vendor, server, monkeypatch
):
    monkeypatch.setattr(vendor.provider, "lag", 3.0)

    async def scenario():
        provider, cloud = await ready(vendor)
        server.plants.late = 1.5
        await cloud.create(vendor.order(provider))
        await provider.destroy(record(begun=time.time(), **cloud.place))
        assert server.machines == {}
        elsewhere = {**cloud.place, list(cloud.place)[-1]: "another"}
        with pytest.raises(CannotTell, match="say nothing about that"):
            await provider.destroy(record(**elsewhere))

    with contextlib.suppress(KeyError):
        removal.ASKED.pop(f"seatrial-{TRIAL}-n11")
    asyncio.run(scenario())


def test_names_that_are_no_names_of_ours_are_left_alone(vendor, server):
    async def scenario():
        provider, cloud = await ready(vendor)
        broken = Resource(
            kind="node", name="x", owner="provider:x", run=RUN, trial=TRIAL,
            detail={"node": "n11", "machine": "web", **cloud.place}, outlives_host=True,
        )  # fmt: skip
        with pytest.raises(CannotTell, match="nothing is destroyed"):
            await provider.destroy(broken)
        with_disk = replace(vendor.order(provider), data_gib=(1,))
        with pytest.raises(NotSupported, match="no volumes"):
            await cloud.create(with_disk)
        with pytest.raises(NotSupported, match="console"):
            await cloud.console("1")
        with pytest.raises(NoSuchThing):
            await cloud.destroy("1")

    asyncio.run(scenario())


def test_doctor_names_the_account_what_is_missing_and_rights(vendor, server, monkeypatch):
    settings = settings_from(vendor.provider, {"image": vendor.image, "size": vendor.size})
    well = asyncio.run(vendor.provider.readiness(settings))
    assert well.ready, well.tried
    wrong = settings_from(vendor.provider, {"image": "debian-1", "size": vendor.size})
    missing = asyncio.run(vendor.provider.readiness(wrong))
    assert (missing.ready, "image 'debian-1' does not exist" in missing.tried) == (False, True)
    for name in ("HCLOUD_TOKEN", "DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"):
        monkeypatch.setenv(name, server.read_only)
    reading = asyncio.run(vendor.provider.readiness(settings))
    assert "missing rights" in reading.tried
    for name in ("HCLOUD_TOKEN", "DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")
    nobody = asyncio.run(vendor.provider.readiness(settings))
    assert (nobody.ready, nobody.remedy) == (False, vendor.provider.remedy)


def test_the_token_of_a_context_of_the_vendors_own_command_is_found(vendor, server, monkeypatch, tmp_path):
    for name in ("HCLOUD_TOKEN", "DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for folder in ("hcloud", "doctl"):
        (tmp_path / folder).mkdir()
    toml = f'active_context = "shop"\n[[contexts]]\nname = "shop"\ntoken = "{server.token}"\n'
    (tmp_path / "hcloud/cli.toml").write_text(toml)
    (tmp_path / "doctl/config.yaml").write_text(f"context: shop\nauth-contexts:\n  shop: {server.token}\n")
    found = asyncio.run(vendor.provider.readiness(settings_from(vendor.provider, {"image": vendor.image})))
    assert "the context shop of" in found.tried
    unknown = settings_from(vendor.provider, {"context": "nobody"})
    with pytest.raises(SeatrialError, match="nobody"):
        asyncio.run(vendor.provider(unknown).cloud())
