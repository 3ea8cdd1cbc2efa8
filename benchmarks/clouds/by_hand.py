"""The same calls without Seatrial: `python -m benchmarks.clouds.by_hand COUNT CLOUD …`; its last line is JSON.

Each vendor's own SDK (Google: its REST API with google-auth). Changes go out by a thread for each machine; one list
says of all machines of a cloud how far they are, so nothing is asked more often than it has to be.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from scripts.clouds import CLOUDS

PAUSE = 0.2
"""Seconds between two lists."""
LATE = 120.0
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFFVJvY6vGRgLtQF0t8Vl2pQDkBzC5sRkTq4kVQ7cS6p us"
TRIAL = "byhand"


class Hand(Protocol):
    """One cloud; made: with what machines need."""

    on: str
    """The vendor's word for a machine that runs."""
    off: str

    def create(self, name: str) -> object: ...

    def crash(self, id: Any) -> object: ...

    def start(self, id: Any) -> object: ...

    def remove(self, id: Any) -> object: ...

    def states(self) -> dict[Any, str]:
        """All machines with the vendor's words."""

    def end(self) -> None:
        """Remove what machines needed."""


class Aws:
    on, off = "running", "stopped"

    def __init__(self, image: str, size: str, **_: str) -> None:
        import boto3
        from botocore.config import Config

        self._client = boto3.client("ec2", config=Config(max_pool_connections=50))
        self._image, self._size = image, size
        self._group = self._client.create_security_group(GroupName=TRIAL, Description=TRIAL)["GroupId"]

    def create(self, name: str) -> object:
        words = {"Name": name, "trial": self._group}
        named = [{"Key": key, "Value": value} for key, value in words.items()]
        tags = [{"ResourceType": "instance", "Tags": named}]
        made = self._client.run_instances(
            ImageId=self._image, InstanceType=self._size, MinCount=1, MaxCount=1, SecurityGroupIds=[self._group],
            TagSpecifications=tags,
        )  # fmt: skip
        return made["Instances"][0]["InstanceId"]

    def crash(self, id: Any) -> object:
        return self._client.stop_instances(InstanceIds=[id], Force=True, SkipOsShutdown=True)

    def start(self, id: Any) -> object:
        return self._client.start_instances(InstanceIds=[id])

    def remove(self, id: Any) -> object:
        return self._client.terminate_instances(InstanceIds=[id])

    def states(self) -> dict[Any, str]:
        own = [{"Name": "tag:trial", "Values": [self._group]}]  # AWS lists terminated ones of earlier turns too
        found = self._client.describe_instances(Filters=own)["Reservations"]
        states = {one["InstanceId"]: one["State"]["Name"] for each in found for one in each["Instances"]}
        return {id: state for id, state in states.items() if state != "terminated"}

    def end(self) -> None:
        self._client.delete_security_group(GroupId=self._group)


class Azure:
    on, off = "PowerState/running", "PowerState/stopped"

    def __init__(self, image: str, size: str, location: str, **_: str) -> None:
        from azure.identity import DefaultAzureCredential
        from azure.mgmt.compute import ComputeManagementClient
        from azure.mgmt.network import NetworkManagementClient
        from azure.mgmt.resource.resources import ResourceManagementClient

        endpoint, subscription = os.environ["ARM_ENDPOINT"], os.environ["AZURE_SUBSCRIPTION_ID"]
        credential = DefaultAzureCredential(disable_instance_discovery=True)
        more: dict[str, Any] = {"base_url": endpoint, "credential_scopes": [f"{endpoint}/.default"]}
        self._machines: Any = ComputeManagementClient(credential, subscription, **more).virtual_machines
        self._groups: Any = ResourceManagementClient(credential, subscription, **more).resource_groups
        network: Any = NetworkManagementClient(credential, subscription, **more)
        self._image = dict(zip(("publisher", "offer", "sku", "version"), image.split(":"), strict=True))
        self._size, self._own = size, {"location": location}
        self._groups.create_or_update(TRIAL, self._own)
        rule = {
            "direction": "Inbound", "access": "Allow", "protocol": "Tcp", "priority": 100, "sourcePortRange": "*",
            "sourceAddressPrefix": "*", "destinationAddressPrefix": "*", "destinationPortRange": "22",
        }  # fmt: skip
        rules = {**self._own, "properties": {"securityRules": [{"name": "ssh", "properties": rule}]}}
        self._wall = network.network_security_groups.begin_create_or_update(TRIAL, "wall", rules).result().id
        subnets = [{"name": "nodes", "properties": {"addressPrefix": "10.0.0.0/20"}}]
        net = {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": subnets}
        made = network.virtual_networks.begin_create_or_update(TRIAL, "net", {**self._own, "properties": net})
        self._subnet = made.result().subnets[0].id

    def create(self, name: str) -> object:
        goes = {"deleteOption": "Delete"}
        address = {"name": f"{name}-ip", "sku": {"name": "Standard"}, "properties": goes}
        at = {"subnet": {"id": self._subnet}, "publicIPAddressConfiguration": address}
        card = {**goes, "primary": True, "networkSecurityGroup": {"id": self._wall},
                "ipConfigurations": [{"name": "main", "properties": at}]}  # fmt: skip
        keys = [{"path": "/home/deck/.ssh/authorized_keys", "keyData": KEY}]
        linux = {"disablePasswordAuthentication": True, "ssh": {"publicKeys": keys}}
        properties = {
            "hardwareProfile": {"vmSize": self._size},
            "osProfile": {"computerName": name, "adminUsername": "deck", "linuxConfiguration": linux},
            "storageProfile": {"imageReference": self._image, "osDisk": {"createOption": "FromImage", **goes}},
            "networkProfile": {"networkApiVersion": "2022-11-01",
                               "networkInterfaceConfigurations": [{"name": "card-" + name, "properties": card}]},
        }  # fmt: skip
        self._machines.begin_create_or_update(TRIAL, name, {**self._own, "properties": properties}, polling=False)
        return name

    def crash(self, id: Any) -> object:
        return self._machines.begin_power_off(TRIAL, id, skip_shutdown=True, polling=False)

    def start(self, id: Any) -> object:
        return self._machines.begin_start(TRIAL, id, polling=False)

    def remove(self, id: Any) -> object:
        return self._machines.begin_delete(TRIAL, id, polling=False)

    def states(self) -> dict[Any, str]:
        listed = [one.as_dict() for one in self._machines.list_all(status_only="true")]
        return {
            one["name"]: next((status["code"] for status in one["properties"]["instanceView"]["statuses"]
                               if status["code"].startswith("PowerState/")), "")
            for one in listed
        }  # fmt: skip

    def end(self) -> None:
        self._groups.begin_delete(TRIAL, polling=False)
        while self._groups.check_existence(TRIAL):
            time.sleep(PAUSE)


class Google:
    on, off = "RUNNING", "TERMINATED"

    def __init__(self, image: str, size: str, zone: str, **_: str) -> None:
        import google.auth
        import httpx
        from google.auth.transport.requests import Request

        found: Any = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        credentials, project = found
        credentials.refresh(Request())
        headers = {"Authorization": f"Bearer {credentials.token}"}
        at = f"{os.environ['CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE']}projects/"
        self._client = httpx.Client(base_url=at, headers=headers, timeout=LATE)
        owner, family = image.split("/")
        newest = self._call("GET", f"{owner}/global/images/family/{family}")
        self._image, self._size, self._zone = str(newest["selfLink"]), size, f"{project}/zones/{zone}"
        self._rules = f"{project}/global/firewalls"
        ssh = {"name": TRIAL, "network": f"projects/{project}/global/networks/default", "sourceRanges": ["0.0.0.0/0"],
               "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}]}  # fmt: skip
        self._done(self._call("POST", self._rules, ssh))

    def _call(self, verb: str, path: str, body: Any = None) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.request(verb, path, json=body).raise_for_status().json()
        return answer

    def _done(self, operation: dict[str, Any]) -> None:
        """Google answers when the operation has ended."""
        self._call("POST", f"{operation['selfLink'].partition('/projects/')[2]}/wait")

    def create(self, name: str) -> object:
        size = f"zones/{self._zone.rpartition('/')[2]}/machineTypes/{self._size}"
        disk = {"boot": True, "autoDelete": True, "initializeParams": {"sourceImage": self._image}}
        card = {"accessConfigs": [{"type": "ONE_TO_ONE_NAT", "name": "external-nat"}]}
        body = {"name": name, "machineType": size, "disks": [disk], "networkInterfaces": [card]}
        self._call("POST", f"{self._zone}/instances", body)
        return name

    def crash(self, id: Any) -> object:
        """Only a reset cuts the power, and it comes back at once."""
        self._done(self._call("POST", f"{self._zone}/instances/{id}/reset"))
        return self._call("POST", f"{self._zone}/instances/{id}/stop")

    def start(self, id: Any) -> object:
        return self._call("POST", f"{self._zone}/instances/{id}/start")

    def remove(self, id: Any) -> object:
        return self._call("DELETE", f"{self._zone}/instances/{id}")

    def states(self) -> dict[Any, str]:
        return {one["name"]: one["status"] for one in self._call("GET", f"{self._zone}/instances").get("items", [])}

    def end(self) -> None:
        self._done(self._call("DELETE", f"{self._rules}/{TRIAL}"))


class DigitalOcean:
    on, off = "active", "off"

    def __init__(self, image: str, size: str, **_: str) -> None:
        from pydo import Client

        self._client: Any = Client(os.environ["DIGITALOCEAN_TOKEN"], endpoint=os.environ["DIGITALOCEAN_API_URL"])
        self._image, self._size = image, size
        self._key = self._client.ssh_keys.create(body={"name": TRIAL, "public_key": KEY})["ssh_key"]["id"]

    def create(self, name: str) -> object:
        body = {"name": name, "region": "fra1", "size": self._size, "image": self._image, "ssh_keys": [self._key]}
        return self._client.droplets.create(body=body)["droplet"]["id"]

    def crash(self, id: Any) -> object:
        return self._client.droplet_actions.post(id, body={"type": "power_off"})

    def start(self, id: Any) -> object:
        return self._client.droplet_actions.post(id, body={"type": "power_on"})

    def remove(self, id: Any) -> object:
        return self._client.droplets.destroy(id)

    def states(self) -> dict[Any, str]:
        return {one["id"]: one["status"] for one in self._client.droplets.list(per_page=200)["droplets"]}

    def end(self) -> None:
        self._client.ssh_keys.delete(self._key)


class Hetzner:
    on, off = "running", "off"

    def __init__(self, image: str, size: str, **_: str) -> None:
        from hcloud import Client
        from hcloud.images import Image
        from hcloud.server_types import ServerType

        self._client: Any = Client(os.environ["HCLOUD_TOKEN"], api_endpoint=os.environ["HCLOUD_ENDPOINT"])
        self._image, self._size = Image(name=image), ServerType(name=size)
        self._key = self._client.ssh_keys.create(name=TRIAL, public_key=KEY)

    def create(self, name: str) -> object:
        made = self._client.servers.create(name=name, server_type=self._size, image=self._image, ssh_keys=[self._key])
        return made.server.id

    def _server(self, id: int) -> Any:
        from hcloud.servers import Server

        return Server(id=id)

    def crash(self, id: Any) -> object:
        return self._client.servers.power_off(self._server(id))

    def start(self, id: Any) -> object:
        return self._client.servers.power_on(self._server(id))

    def remove(self, id: Any) -> object:
        return self._client.servers.delete(self._server(id))

    def states(self) -> dict[Any, str]:
        return {server.id: server.status for server in self._client.servers.get_all()}

    def end(self) -> None:
        self._client.ssh_keys.delete(self._key)


HANDS: dict[str, Callable[..., Hand]] = {
    "aws": Aws, "azure": Azure, "gcp": Google, "digitalocean": DigitalOcean, "hetzner": Hetzner,
}  # fmt: skip


def drive(name: str, count: int) -> dict[str, float]:
    """Plan, create, crash, start and give back, each for all machines at once; the seconds of each."""
    seconds, since = dict[str, float](), time.perf_counter()

    def measured(what: str) -> None:
        nonlocal since
        seconds[what], since = time.perf_counter() - since, time.perf_counter()

    hand = HANDS[name](**CLOUDS[name].settings)
    measured("plan")
    with ThreadPoolExecutor(count) as pool:

        def all_of(act: Callable[[Any], object], things: Sequence[Any], wanted: list[str]) -> list[Any]:
            done, late = list(pool.map(act, things)), time.monotonic() + LATE
            while [*(states := hand.states()).values()] != wanted:
                if time.monotonic() > late:
                    raise TimeoutError(f"{name}: {states}")
                time.sleep(PAUSE)
            return done

        ids = all_of(hand.create, [f"n{number}" for number in range(count)], [hand.on] * count)
        measured("create")
        all_of(hand.crash, ids, [hand.off] * count)
        measured("power off")
        all_of(hand.start, ids, [hand.on] * count)
        measured("power on")
        all_of(hand.remove, ids, [])
        hand.end()
    measured("give back")
    return seconds


SDKS = (
    "boto3", "azure.identity", "azure.mgmt.compute.models", "azure.mgmt.network.models",
    "azure.mgmt.resource.resources.models", "google.auth.transport.requests", "pydo", "hcloud",
)  # fmt: skip


def load() -> None:
    """Import the vendors' SDKs: that is no cloud's own time."""
    for name in SDKS:
        importlib.import_module(name)


def main(count: int, names: Sequence[str]) -> None:
    load()
    with ThreadPoolExecutor(len(names)) as clouds:
        told = list(clouds.map(lambda name: drive(name, count), names))
    print(json.dumps(dict(zip(names, told, strict=True))))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
