"""The gcp provider against an API whose instances are no more than their state."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gcp_server.calls import AT, Client, instance, ours
from seatrial.errors import CannotTell, NotSupported
from seatrial.loading.provider_settings import settings_from
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec, Resource
from seatrial.providers.clouds.vendor import Denied, NoAnswer, NoRoom
from seatrial.providers.gcp import GoogleCloud, engine, instances
from seatrial.registry import Registry
from seatrial.testing import context, flow

SETTINGS = {"image": "ubuntu-os-cloud/ubuntu-2404-lts-amd64", "size": "e2-small", "zone": "europe-west3-a"}
DISKS = {"data_volumes_per_node": 1, "data_volume_size": 3, "root_volume_size": 20}


@contextlib.asynccontextmanager
async def trial(folder: Path, **more: Any):
    suite = replace(flow(provider="gcp"), deadlines={"start": 2.0})
    async with context(folder, suite, providers={"gcp": {**SETTINGS, **more}}, registry=Registry()) as ctx:
        yield ctx


def provider(**settings: Any) -> GoogleCloud:
    return GoogleCloud(settings_from(GoogleCloud, settings))


def at(document: dict[str, Any]) -> Node:
    address = document["networkInterfaces"][0]["accessConfigs"][0]["natIP"]
    return Node(name=document["name"], address=address, ssh={"host": address})


def attempt(folder: Path, said: str, kind: type[Exception] = CannotTell, **settings: Any) -> None:
    """Make an instance: it fails, and nothing is left."""

    async def scenario() -> None:
        async with trial(folder, **settings) as ctx:
            with pytest.raises(kind, match=said):
                await ctx.create_node(NodeSpec(name="n11", parameters=DISKS))

    asyncio.run(scenario())


def test_an_instance_has_its_disks_labels_and_rules_and_they_go_with_it(google, tmp_path):
    place = {"google_project": "seatrial-test"}

    async def scenario():
        async with trial(tmp_path) as ctx:
            with pytest.raises(CannotTell, match="did not let us in within 2 s"):
                await ctx.create_node(NodeSpec(name="n11", parameters=DISKS))
            (made,) = google.cloud.instances.values()
            assert made.document["labels"].items() >= {"seatrial-run": ctx.run_id, "seatrial-node": "n11"}.items()
            assert "seatrial-expires" in made.document["labels"]
            disks = [thing for path, thing in google.cloud.things.items() if "/disks/" in path]
            assert sorted(disk.document["sizeGb"] for disk in disks) == ["20", "3"]
            assert all(disk.document["labels"] == made.document["labels"] for disk in disks)
            assert sum("/firewalls/" in path for path in ours(google)) == 2
            found = await ctx.provider.find(ctx.run_id)
            assert {one.kind for one in found} == {"node", "firewall"}
            assert found[0].detail.items() >= {"project": ctx.labels()["seatrial.project"], **place}.items()
            for resource in found:
                await ctx.provider.destroy(resource)
            assert await ctx.provider.find(ctx.run_id) == []

    asyncio.run(scenario())
    assert ours(google) == []


@pytest.mark.parametrize(
    ("plant", "value", "said", "kind"),
    [
        ("no_capacity", True, "does not have enough resources", NoRoom),
        ("quota", 1, "Quota 'CPUS' exceeded", NoRoom),
        ("rights_missing", {"compute.instances.create"}, r"Required 'compute\.instances\.create' permission", Denied),
        ("operation_fails", {"instances.insert": ("INTERNAL_ERROR", "Internal error.")}, "Internal error", CannotTell),
        ("late", 2.0, "did not run within 2 s|did not let us in", CannotTell),
        ("lost", {"instances.insert": 2, "firewalls.insert": 1, "instances.delete": 1}, "did not let", CannotTell),
        ("too_fast", {"*": 3}, "did not let us in", CannotTell),
        ("too_many", {"instances.insert": 1, "instances.aggregatedList": 1}, "did not let us in", CannotTell),
        ("broken", {"*": 3}, "did not let us in", CannotTell),
    ],
)  # fmt: skip
def test_a_bad_day_is_the_infrastructures_fault_and_leaves_nothing(
    google, tmp_path, monkeypatch, plant, value, said, kind
):
    setattr(google.plants, plant, value)
    if plant == "late":
        monkeypatch.setattr(GoogleCloud, "lag", 4.0)
    attempt(tmp_path, said, kind)
    assert ours(google) == []
    tokens = [given["requestId"] for name, given in google.cloud.calls if name == "instances.insert"]
    assert len(set(tokens)) <= 1  # none is asked for twice


def test_a_missing_image_or_zone_is_named(google, tmp_path):
    attempt(tmp_path / "a", "debian-cloud has no such image or family", image="debian-cloud/debian-99")
    attempt(tmp_path / "b", "set `zone` under", Exception, zone="")
    assert ours(google) == []


def test_a_token_that_expires_is_renewed(google):
    async def scenario():
        cloud = await provider(**SETTINGS).cloud()
        await cloud.machines()
        google.credentials.expire()
        await cloud.machines()

    asyncio.run(scenario())


def test_machines_of_a_deployer_are_recognised_powered_and_followed(google):
    google.plants.moves = True
    with Client(google) as client:
        made = client.make("web1")
        client.make("web2")
        stranger = Node(name="n13", address="203.0.113.250")

        async def scenario():
            cloud = provider(adopt="web1")
            web, other = await cloud.adopt([at(made), stranger])
            assert (web.adopted, web.detail["id"]) == (True, instances.path_of(made["selfLink"]))
            assert other == stranger
            await cloud.crash(web)
            assert await cloud.power_reason(web) == "TERMINATED"
            await cloud.start(web)
            assert await cloud.state(web) is PowerState.RUNNING
            (again,) = await cloud.adopt([at(made)])
            assert again.adopted
            assert again.address != web.address  # it has another one since its start
            assert "Linux version" in await cloud.console(web)

        asyncio.run(scenario())
        names = [name for name, given in google.cloud.calls if given.get("instance") == "web1" and "." in name]
        assert [name for name in names if name.endswith((".reset", ".stop", ".start"))] == [
            "instances.reset", "instances.stop", "instances.start",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("plant", "said"),
    [("ignores_reset", "shows no boot within .* a crash is not proven"), ("resets_gently", "it was not a crash")],
)
def test_a_reset_that_was_none_never_passes_as_a_crash(google, monkeypatch, plant, said):
    monkeypatch.setattr(engine, "BOOT", 0.5)
    getattr(google.plants, plant).add("web1")
    with Client(google) as client:
        made = client.make("web1")

        async def scenario():
            cloud = provider()
            (web,) = await cloud.adopt([at(made)])
            with pytest.raises(CannotTell, match=said):
                await cloud.crash(web)
            assert await cloud.state(web) is PowerState.RUNNING

        asyncio.run(scenario())


def test_a_list_that_lacks_a_zone_is_no_word_about_what_is_in_it(google, monkeypatch):
    monkeypatch.setattr("seatrial.providers.clouds.calls.PATIENCE", 0.1)
    from seatrial_stand_ins.gcp import catalog
    from seatrial_stand_ins.gcp.calling import METHODS

    async def partial(call: Any) -> dict[str, Any]:
        answer = await catalog.aggregated(call)
        for part in answer["items"].values():
            part["warning"] = {"code": "UNREACHABLE", "message": "The zone does not answer."}
        return answer

    monkeypatch.setitem(METHODS, "instances.aggregatedList", partial)
    with pytest.raises(NoAnswer, match=r"lacks zones/.*: The zone does not answer"):
        asyncio.run(provider(**SETTINGS).find("*"))


def test_what_another_project_or_account_does_not_show_is_not_gone(google):
    detail = {"machine": "seatrial-t0123456789-n11", "node": "n11", "google_project": "elsewhere"}
    record = Resource(kind="node", name="t0123456789-n11", owner="provider:gcp", run="r", trial="t0123456789",
                      detail=detail)  # fmt: skip
    google.plants.rights_missing.add("compute.instances.list")
    with pytest.raises(Denied, match=r"compute\.instances\.list"):
        asyncio.run(provider(**SETTINGS).destroy(record))


def test_clean_touches_none_of_twenty_foreign_instances(google, tmp_path):
    with Client(google) as client:
        for number in range(20):
            labels = {"seatrial": "yes", "seatrial-node": "n11"} if number % 2 else {}
            client.ask("instances.insert", **AT, body=instance(f"seatrial-x{number}", labels=labels))
    attempt(tmp_path, "did not let us in")

    async def clean():
        for found in await provider(**SETTINGS).find("*"):
            await provider(**SETTINGS).destroy(found)

    asyncio.run(clean())
    assert len(google.cloud.instances) == 20


def test_readiness_names_what_is_missing(google):
    def ready(**settings: Any) -> Any:
        return asyncio.run(GoogleCloud.readiness(settings_from(GoogleCloud, {**SETTINGS, **settings})))

    good = ready()
    assert good.ready
    assert "trials@seatrial-test.iam.gserviceaccount.com in the project seatrial-test" in good.tried
    assert "1000 CPUs left in europe-west3" in good.tried
    assert "size 'e2-smal' does not exist (existing: e2-medium, e2-micro, e2-small" in ready(size="e2-smal").tried
    google.plants.rights_missing |= {"compute.instances.stop", "compute.firewalls.create"}
    assert "missing rights: compute.firewalls.create, compute.instances.stop" in ready().tried
    assert "missing rights: compute.instances.stop" in ready(firewall=False).tried


def test_the_role_of_the_guide_is_what_the_provider_uses():
    guide = (Path(__file__).parents[3] / "docs" / "guides" / "google.md").read_text()
    role = [line.strip("- ") for line in guide.splitlines() if line.startswith("  - compute.")]
    assert sorted(role) == sorted(instances.RIGHTS)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"scheduling": {"provisioningModel": "SPOT"}}, "it is a Spot instance"),
        (
            {"metadata": {"items": [{"key": "created-by", "value": "projects/1/zones/z/instanceGroupManagers/web"}]}},
            "a managed instance group, which replaces",
        ),
    ],
)
def test_an_instance_over_which_google_has_power_too_is_refused(google, more, said):
    with Client(google) as client:
        made = client.make("web1", **more)

        async def scenario():
            cloud = provider()
            (web,) = await cloud.adopt([at(made)])
            with pytest.raises(NotSupported, match=said):
                await cloud.crash(web)

        asyncio.run(scenario())


def test_a_hundred_states_are_few_questions(google):
    with Client(google) as client:
        for number in range(30):
            client.ask("instances.insert", **AT, body=instance(f"web{number}"))

        async def scenario():
            cloud = provider()
            found = await (await cloud.cloud()).machines()
            nodes = [Node(name=one.name, detail={"id": one.id}) for one in found]
            google.cloud.calls.clear()
            began = time.monotonic()
            states = await asyncio.gather(*(cloud.state(node) for node in nodes))
            assert set(states) == {PowerState.RUNNING}
            assert len(google.cloud.calls) <= 3, time.monotonic() - began

        asyncio.run(scenario())
