"""The DigitalOcean answers as DigitalOcean does, to DigitalOcean's own client."""

from __future__ import annotations

import ssl
import time

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, IncompleteReadError
from pydo import Client

from seatrial_stand_ins.digitalocean import DigitalOceanServer

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFFVJvY6vGRgLtQF0t8Vl2pQDkBzC5sRkTq4kVQ7cS6p us"
WEB = {"name": "web1", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
RULE = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"]}}


@pytest.fixture(scope="module")
def shared():
    with DigitalOceanServer() as running:
        yield running


@pytest.fixture
def server():
    with DigitalOceanServer() as running:
        yield running


@pytest.fixture
def client(server):
    with Client(server.token, endpoint=server.url, connection_verify=server.authority, retry_total=0) as made:
        yield made


def ended(client: Client, action: int) -> str:
    """The status of an action that has ended."""
    end = time.monotonic() + 30
    while (status := client.actions.get(action)["action"]["status"]) == "in-progress":
        assert time.monotonic() < end
        time.sleep(0.01)
    return str(status)


def create(client: Client, **more):
    """A droplet, once it runs."""
    made = client.droplets.create(body={**WEB, **more})
    assert ended(client, made["links"]["actions"][0]["id"]) == "completed"
    return client.droplets.get(made["droplet"]["id"])["droplet"]


def test_a_droplet_goes_through_its_power_and_away(server, client):
    key = client.ssh_keys.create(body={"name": "us", "public_key": KEY})["ssh_key"]
    vpc = client.vpcs.create(body={"name": "net", "region": "fra1", "ip_range": "10.9.0.0/20"})["vpc"]
    web = create(client, ssh_keys=[key["fingerprint"]], vpc_uuid=vpc["id"], tags=["a:b"])
    wall = client.firewalls.create(body={"name": "wall", "inbound_rules": [RULE], "droplet_ids": [web["id"]]})
    assert (web["status"], {one["type"]: one["ip_address"] for one in web["networks"]["v4"]}) == (
        "active",
        {"private": "10.9.0.2", "public": "192.0.2.1"},
    )
    for power, status in (
        ("power_off", "off"), ("power_on", "active"), ("power_cycle", "active"), ("reboot", "active"),
        ("shutdown", "off"),
    ):  # fmt: skip
        action = client.droplet_actions.post(web["id"], body={"type": power})["action"]
        assert ended(client, action["id"]) == "completed"
        assert client.droplets.get(web["id"])["droplet"]["status"] == status
    with pytest.raises(HttpResponseError, match="members"):
        client.vpcs.delete(vpc["id"])
    client.droplets.destroy(web["id"])
    end = time.monotonic() + 30
    while client.droplets.list(tag_name="a:b")["droplets"]:
        assert time.monotonic() < end
    client.firewalls.delete(wall["firewall"]["id"])
    client.vpcs.delete(vpc["id"])
    client.ssh_keys.delete(key["id"])
    client.tags.delete("a:b")
    assert (server.machines, server.keys, server.firewalls, server.tags, len(server.vpcs)) == ({}, {}, {}, {}, 3)


def test_names_are_not_unique_and_lists_come_in_pages_with_links(client):
    for _ in range(2):
        create(client)
    page = client.droplets.list(name="web1", per_page=1)
    assert (len(page["droplets"]), page["meta"]["total"]) == (1, 2)
    assert "page=2" in page["links"]["pages"]["next"]
    assert "name=web1" in page["links"]["pages"]["next"]


@pytest.mark.parametrize(
    ("plant", "code"),
    [
        (lambda server: setattr(server.plants, "token_expired", True), "unauthorized"),
        (lambda server: server.plants.denied.add("POST /droplets"), "forbidden"),
        (lambda server: setattr(server.plants, "quota_full", True), "exceed your droplet limit"),
        (lambda server: setattr(server.plants, "no_capacity", True), "not available in this region"),
        (lambda server: server.plants.broken.update({"POST /droplets": 1}), "server_error"),
    ],
)
def test_a_refused_droplet_is_not_there(server, client, plant, code):
    plant(server)
    try:
        told = str(client.droplets.create(body=WEB))
    except HttpResponseError as error:
        told = f"{error.response and error.response.text()}"
    assert code in told
    assert server.machines == {}


def test_a_droplet_with_an_action_is_locked(server, client):
    web = create(client)
    server.plants.slow = 30
    client.droplet_actions.post(web["id"], body={"type": "power_off"})
    assert client.droplets.get(web["id"])["droplet"]["locked"]
    with pytest.raises(HttpResponseError, match="pending event"):
        client.droplet_actions.post(web["id"], body={"type": "power_on"})


def test_too_many_requests_are_told_by_the_headers(shared):
    shared.plants.throttled["GET /droplets"], shared.plants.retry_after = 1, 7
    head = {"Authorization": f"Bearer {shared.token}"}
    trust = ssl.create_default_context(cafile=shared.authority)
    first, second = (httpx.get(f"{shared.url}/v2/droplets", headers=head, verify=trust) for _ in range(2))
    assert (first.status_code, first.json()["id"], first.headers["Retry-After"]) == (429, "too_many_requests", "7")
    assert (second.status_code, second.headers["RateLimit-Limit"]) == (200, "5000")


def test_a_lost_answer_has_its_effect(server, client):
    server.plants.lost["POST /droplets"] = 1
    with pytest.raises(IncompleteReadError):
        client.droplets.create(body=WEB)
    assert [machine.name for machine in server.machines.values()] == ["web1"]


def test_lists_lag_behind_and_the_lies_are_told(server, client):
    server.plants.late = 60
    web = create(client)
    assert client.droplets.list()["droplets"] == []
    server.plants.late = 0
    server.plants.ignores_acpi.add("web1")
    action = client.droplet_actions.post(web["id"], body={"type": "shutdown"})["action"]
    assert ended(client, action["id"]) == "errored"
    assert client.droplets.get(web["id"])["droplet"]["status"] == "active"
    server.plants.goes_on.add("web1")
    action = client.droplet_actions.post(web["id"], body={"type": "power_off"})["action"]
    assert ended(client, action["id"]) == "completed"
    assert client.droplets.get(web["id"])["droplet"]["status"] == "off"
    assert server.backing.running == {str(web["id"])}
    server.plants.keeps.add("web1")
    client.droplets.destroy(web["id"])
    assert client.droplets.get(web["id"])["droplet"]["name"] == "web1"
