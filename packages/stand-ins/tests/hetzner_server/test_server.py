"""The Hetzner Cloud answers as Hetzner does, to Hetzner's own client."""

from __future__ import annotations

import time

import httpx
import pytest
from hcloud import APIException, Client
from hcloud.firewalls import FirewallRule
from hcloud.images import Image
from hcloud.networks import NetworkSubnet
from hcloud.server_types import ServerType

from seatrial_stand_ins.hetzner import HetznerServer

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFFVJvY6vGRgLtQF0t8Vl2pQDkBzC5sRkTq4kVQ7cS6p us"


@pytest.fixture
def server():
    with HetznerServer() as running:
        yield running


@pytest.fixture
def client(server):
    made = Client(server.token, api_endpoint=server.url, poll_interval=0.02)
    yield made
    made._client._session.close()


def create(client: Client, name: str = "web1", **more):
    """A server, once it runs."""
    made = client.servers.create(name, ServerType(name="cx23"), Image(name="debian-12"), **more)
    for action in (made.action, *made.next_actions):
        action.wait_until_finished()
    return client.servers.get_by_id(int(made.server.id or 0))


def test_a_server_goes_through_its_power_and_away_with_what_it_was_in(server, client):
    key = client.ssh_keys.create("us", KEY)
    subnet = NetworkSubnet(type="cloud", network_zone="eu-central", ip_range="10.9.0.0/24")
    network = client.networks.create("net", "10.9.0.0/16", subnets=[subnet])
    rule = FirewallRule(direction="in", protocol="tcp", port="22", source_ips=["0.0.0.0/0"])
    wall = client.firewalls.create("wall", rules=[rule]).firewall
    group = client.placement_groups.create("apart", "spread").placement_group
    web = create(client, ssh_keys=[key], networks=[network], firewalls=[wall], placement_group=group)
    assert (web.status, web.public_net.ipv4.ip, web.private_net[0].ip) == ("running", "192.0.2.1", "10.9.0.2")
    assert (web.location.name, web.placement_group.name, web.locked) == ("fsn1", "apart", False)
    with pytest.raises(APIException, match="still in use"):
        wall.delete()
    for power, status in (
        (web.power_off, "off"), (web.power_on, "running"), (web.reset, "running"), (web.reboot, "running"),
        (web.shutdown, "off"),
    ):  # fmt: skip
        power().wait_until_finished()
        assert client.servers.get_by_name("web1").status == status
    web.delete().wait_until_finished()
    for thing in (wall, network, group, key):
        thing.delete()
    left = (server.machines, server.ssh_keys, server.networks, server.firewalls, server.placement_groups)
    assert left == ({}, {}, {}, {}, {})


def test_labels_select_and_lists_come_in_pages(client):
    for number in range(7):
        client.ssh_keys.create(f"key{number}", f"ssh-ed25519 AAAA{number:04}", labels={"odd": str(number % 2)})
    odd = client.ssh_keys.get_all(label_selector="odd==1")
    assert [key.name for key in odd] == ["key1", "key3", "key5"]
    assert len(client.ssh_keys.get_all(label_selector="odd in (0,1),!even")) == 7
    page = client.ssh_keys.get_list(page=2, per_page=3)
    assert ([key.name for key in page.ssh_keys], page.meta.pagination.next_page) == (["key3", "key4", "key5"], 3)
    with pytest.raises(APIException) as raised:
        client.ssh_keys.create("odd", KEY, labels={"seatrial": "two words"})
    assert raised.value.code == "invalid_input"


@pytest.mark.parametrize(
    ("plant", "code"),
    [
        (lambda server: setattr(server.plants, "token_expired", True), "unauthorized"),
        (lambda server: server.plants.denied.add("POST /servers"), "forbidden"),
        (lambda server: setattr(server.plants, "quota_full", True), "resource_limit_exceeded"),
        (lambda server: setattr(server.plants, "no_capacity", True), "resource_unavailable"),
        (lambda server: server.plants.broken.update({"POST /servers": 1}), "server_error"),
    ],
)
def test_a_refused_server_is_not_there(server, client, plant, code):
    plant(server)
    with pytest.raises(APIException) as raised:
        create(client)
    assert (raised.value.code, server.machines) == (code, {})


def test_a_token_that_may_only_read_creates_nothing(server):
    client = Client(server.read_only, api_endpoint=server.url)
    assert client.servers.get_all() == []
    with pytest.raises(APIException, match="token_readonly"):
        create(client)
    client._client._session.close()


def test_a_name_is_unique_and_a_server_with_an_action_is_locked(server, client):
    web = create(client)
    with pytest.raises(APIException, match="uniqueness_error"):
        create(client)
    server.plants.slow = 30
    web.power_off()
    assert client.servers.get_by_id(web.id).locked
    with pytest.raises(APIException, match="locked"):
        web.power_on()


def test_too_many_requests_are_told_by_the_headers(server):
    server.plants.throttled["GET /servers"] = 1
    server.plants.retry_after = 7
    head = {"Authorization": f"Bearer {server.token}"}
    began = time.time()
    first, second = (httpx.get(f"{server.url}/servers", headers=head) for _ in range(2))
    assert (first.status_code, first.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert began + 5 <= int(first.headers["RateLimit-Reset"]) <= time.time() + 7
    assert (second.status_code, second.headers["RateLimit-Limit"]) == (200, "3600")
    assert int(second.headers["RateLimit-Remaining"]) in (3597, 3598)


def test_the_limit_itself_refuses(server):
    with HetznerServer(limit=3) as small:
        head = {"Authorization": f"Bearer {small.token}"}
        codes = [httpx.get(f"{small.url}/servers", headers=head).status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]


def test_a_lost_answer_has_its_effect(server, client):
    server.plants.lost["POST /servers"] = 1
    with pytest.raises(OSError, match="broken"):
        create(client)
    assert [machine.name for machine in server.machines.values()] == ["web1"]


def test_lists_lag_behind(server, client):
    server.plants.late, server.plants.lingers = 60, 60
    web = create(client)
    assert client.servers.get_all() == []
    assert client.servers.get_by_id(web.id).name == "web1"
    server.plants.late = 0
    web.delete().wait_until_finished()
    assert [one.name for one in client.servers.get_all()] == ["web1"]


def test_the_lies_are_told(server, client):
    web, machine = create(client), next(iter(server.machines.values()))
    server.plants.goes_on.add("web1")
    web.power_off().wait_until_finished()
    assert client.servers.get_by_id(web.id).status == "off"
    assert server.backing.running == {machine.wanted.id}
    server.plants.ignores_acpi.add("web1")
    web.power_on().wait_until_finished()
    web.shutdown().wait_until_finished()  # the action succeeds, as the button was pressed
    assert client.servers.get_by_id(web.id).status == "running"
    server.plants.keeps.add("web1")
    web.delete().wait_until_finished()
    assert client.servers.get_by_id(web.id).status == "running"
    server.plants.operation_fails["stop_server"] = "no such luck"
    with pytest.raises(Exception, match="no such luck"):
        web.power_off().wait_until_finished()
