"""The Azure answers as Azure does, to Azure's own SDK."""

from __future__ import annotations

import ssl

import httpx
import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, IncompleteReadError

from azure_server.calls import AT, Client, code, machine
from loopback.calls import named
from seatrial_stand_ins.azure import AzureServer, cloud


@pytest.fixture
def server():
    with AzureServer() as running, named(running):
        yield running
        assert running.wrong == []


@pytest.fixture
def client(server):
    with Client(server) as made:
        yield made


def test_a_machine_goes_through_its_power_and_away_and_its_group_is_deleted_whole(server, client):
    made = client.make("web1")
    assert (made.provisioning_state, made.tags, client.power("web1")) == (
        "Succeeded",
        {"team": "shop"},
        "PowerState/running",
    )
    vms = client.compute.virtual_machines
    for begin, more, word in (
        (vms.begin_power_off, {"skip_shutdown": True}, "stopped"), (vms.begin_start, {}, "running"),
        (vms.begin_restart, {}, "running"), (vms.begin_deallocate, {}, "deallocated"), (vms.begin_start, {}, "running"),
        (vms.begin_redeploy, {}, "running"), (vms.begin_power_off, {}, "stopped"),
    ):  # fmt: skip
        begin("shop", "web1", **more).result()
        assert client.power("web1") == f"PowerState/{word}"
    address = client.network.public_ip_addresses.get("shop", "web1-card-ip")
    card = client.network.network_interfaces.get("shop", "web1-card", expand="ipConfigurations/publicIPAddress")
    assert address.ip_address == card.ip_configurations[0].public_ip_address.ip_address == "192.0.2.1"
    assert card.ip_configurations[0].private_ip_address.startswith("10.7.0.")
    assert card.virtual_machine.id == made.id
    with pytest.raises(HttpResponseError, match="is used by"):
        client.network.network_interfaces.begin_delete("shop", "web1-card").result()
    assert [disk.name for disk in client.compute.disks.list()] == ["web1_OsDisk_1"]
    vms.begin_delete("shop", "web1").result()
    assert list(vms.list("shop")) == list(client.compute.disks.list()) == []
    assert len(list(client.network.network_interfaces.list_all())) == 1  # its `deleteOption` is not `Delete`
    client.make("web2")
    client.groups.begin_delete("shop").result()
    assert (server.machines, server.groups, server.backing.addresses) == ({}, {}, {})
    assert list(client.network.network_interfaces.list_all()) == []
    assert client.groups.check_existence("shop") is False


def test_interfaces_and_addresses_are_made_and_deleted_with_a_machine(server, client):
    client.card("shop", "other", public=False)
    net = client.network.virtual_networks.get("shop", "net")
    configuration = {"name": "main", "properties": {
        "subnet": {"id": net.subnets[0].id},
        "publicIPAddressConfiguration": {"name": "web-ip", "sku": {"name": "Standard"}, "tags": {"a": "b"}},
    }}  # fmt: skip
    card = {"name": "web-card", "tags": {"a": "b"}}
    card["properties"] = {"deleteOption": "Delete", "primary": True, "ipConfigurations": [configuration]}
    network = {"networkApiVersion": "2022-11-01", "networkInterfaceConfigurations": [card]}
    vms, body = client.compute.virtual_machines, machine("web", "", networkProfile=network)
    vms.begin_create_or_update("shop", "web", body).result()
    assert {one.name: one.tags for one in client.network.public_ip_addresses.list_all()} == {"web-ip": {"a": "b"}}
    with pytest.raises(HttpResponseError) as raised:
        vms.begin_create_or_update("shop", "web", body, etag="*", match_condition=MatchConditions.IfMissing)
    assert raised.value.status_code == 412
    vms.begin_delete("shop", "web").result()
    assert [one.name for one in client.network.network_interfaces.list_all()] == ["other"]
    assert list(client.network.public_ip_addresses.list_all()) == []


def test_lists_come_in_pages_with_groups_in_capitals_and_their_power_by_a_second_list(server, client, monkeypatch):
    monkeypatch.setattr(cloud, "PAGE", 3)
    for number in range(8):
        client.make(f"web{number}")
    vms = client.compute.virtual_machines
    found = list(vms.list_all())
    assert len(found) == 8
    assert {one.id.split("/")[4] for one in found} == {"SHOP"}
    assert {one.instance_view for one in found} == {None}
    power = {one.instance_view.statuses[-1].code for one in vms.list_all(status_only="true")}
    assert power == {"PowerState/running"}
    assert vms.get("shOP", "WEB1").name == "web1"
    client.groups.create_or_update("ours", {"location": AT, "tags": {"run": "r1", "x": "y"}})
    for wanted in ("tagName eq 'run'", "tagName eq 'run' and tagValue eq 'r1'"):
        assert [one.name for one in client.groups.list(filter=wanted)] == ["ours"]
    assert list(client.groups.list(filter="tagName eq 'run' and tagValue eq 'r2'")) == []


@pytest.mark.parametrize(
    ("plant", "word"),
    [
        (lambda server: setattr(server.plants, "token_expired", True), "InvalidAuthenticationToken"),
        (lambda server: server.plants.denied.add("Microsoft.Compute/virtualMachines/write"), "AuthorizationFailed"),
        (lambda server: setattr(server.plants, "quota_full", True), "OperationNotAllowed"),
        (lambda server: server.plants.broken.update({"Microsoft.Compute/virtualMachines/write": 1}), "Internal"),
        (lambda server: server.plants.throttled.update({"*": 1}), "SubscriptionRequestsThrottled"),
    ],
)
def test_a_refused_machine_is_not_there(server, client, plant, word):
    card = client.card("shop", "card")
    plant(server)
    with pytest.raises(HttpResponseError) as raised:
        client.compute.virtual_machines.begin_create_or_update("shop", "web", machine("web", card))
    assert code(raised.value).startswith(word)
    assert server.machines == {}


def test_no_room_is_told_by_the_operation_and_a_failed_machine_stays_in_the_list(server, client):
    server.plants.no_capacity = True
    with pytest.raises(HttpResponseError, match="sufficient capacity") as raised:
        client.make("web1")
    assert code(raised.value) == "AllocationFailed"
    (left,) = client.compute.virtual_machines.list("shop")
    assert left.provisioning_state == "Failed"
    (status,) = client.compute.virtual_machines.instance_view("shop", "web1").statuses
    assert status.code == "ProvisioningState/failed/AllocationFailed"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hardwareProfile": {"vmSize": "Standard_B1s", "vmsize": "x"}}, "Could not find member 'vmsize'"),
        ({"hardwareProfile": {"vmSize": 3}}, "hardwareProfile.vmSize is 3, and must be a str"),
        ({"hardwareProfile": {"vmSize": "Standard_Z"}}, "vmSize is invalid"),
        ({"networkProfile": {}}, "must have a network interface"),
        ({"storageProfile": {"imageReference": {"publisher": "x"}}}, "platform image"),
        ({"osProfile": {"computerName": "web", "adminUsername": "root"}}, "Admin Username"),
    ],
)
def test_a_wrong_body_is_refused_as_the_models_of_the_sdk_have_it(server, client, change, said):
    card = client.card("shop", "card")
    with pytest.raises(HttpResponseError, match=said):
        client.compute.virtual_machines.begin_create_or_update("shop", "web", machine("web", card, **change))


def test_a_wrong_secret_gives_no_token_and_names_that_do_not_exist_are_told(server, client):
    with Client(server, secret="wrong") as nobody, pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        list(nobody.groups.list())
    with pytest.raises(HttpResponseError) as raised:
        client.compute.virtual_machines.get("shop", "web1")
    assert code(raised.value) == "ResourceGroupNotFound"
    client.card("shop", "card")
    with pytest.raises(HttpResponseError) as raised:
        client.compute.virtual_machines.get("shop", "web1")
    assert code(raised.value) == "ResourceNotFound"
    server.subscription = "another"
    with pytest.raises(HttpResponseError) as raised:
        list(client.groups.list())
    assert code(raised.value) == "SubscriptionNotFound"


def test_a_busy_machine_is_in_conflict_and_the_lies_are_told(server, client):
    client.make("web1")
    vms = client.compute.virtual_machines
    server.plants.slow = 30
    vms.begin_power_off("shop", "web1", polling=False)
    with pytest.raises(HttpResponseError) as raised:
        vms.begin_start("shop", "web1", polling=False)
    assert (code(raised.value), vms.get("shop", "web1").provisioning_state) == ("Conflict", "Updating")
    server.plants.slow = 0
    client.make("web2", "two")
    server.plants.goes_on.add("web2")
    vms.begin_power_off("two", "web2", skip_shutdown=True).result()
    assert client.power("web2", "two") == "PowerState/stopped"
    assert len(server.backing.running) == 2
    server.plants.operation_fails["start"] = "no such luck"
    with pytest.raises(HttpResponseError, match="no such luck"):
        vms.begin_start("two", "web2").result()


def test_a_lost_answer_has_its_effect_and_lists_lag(server, client):
    card = client.card("shop", "card")
    server.plants.lost["Microsoft.Compute/virtualMachines/write"] = 1
    server.plants.late = 60
    with pytest.raises(IncompleteReadError):
        client.compute.virtual_machines.begin_create_or_update("shop", "web", machine("web", card))
    assert [one.name for one in server.machines.values()] == ["web"]
    assert list(client.compute.virtual_machines.list_all()) == []


def test_sizes_images_quota_and_console(server, client):
    compute = client.compute
    assert "Standard_B1s" in {size.name for size in compute.virtual_machine_sizes.list(AT)}
    (cores,) = compute.usage.list(AT)
    assert (cores.name.value, cores.current_value, cores.limit) == ("cores", 0, 100)
    found = compute.virtual_machine_images.list(AT, "Debian", "debian-12", "12-gen2")
    assert [one.name for one in found] == ["0.20261101.2290", "0.20261124.2313"]
    assert compute.virtual_machine_images.get(AT, "Debian", "debian-12", "12-gen2", found[0].name).name == found[0].name
    client.make("web1")
    at = compute.virtual_machines.retrieve_boot_diagnostics_data("shop", "web1").serial_console_log_blob_uri
    assert at.startswith(server.root)
    assert "Linux version" in httpx.get(at, verify=ssl.create_default_context(cafile=server.authority)).text
