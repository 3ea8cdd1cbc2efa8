"""Azure's own SDK, as the tests use it: clients, a network, machines."""

from __future__ import annotations

import base64
import contextlib
from typing import Any, Self

from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

from seatrial_stand_ins.azure import AzureServer

AT = "westeurope"
DEBIAN = {"publisher": "Debian", "offer": "debian-12", "sku": "12-gen2", "version": "latest"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFFVJvY6vGRgLtQF0t8Vl2pQDkBzC5sRkTq4kVQ7cS6p us"


class Client:
    """The three clients of one subscription; the server is in the environment."""

    def __init__(self, server: AzureServer, *, secret: str = "") -> None:
        self.server = server
        given = (server.tenant, server.client, secret or server.secret)
        credential = ClientSecretCredential(*given, authority=server.root, disable_instance_discovery=True)
        more: dict[str, Any] = {
            "base_url": server.url, "credential_scopes": [f"{server.url}/.default"], "retry_total": 0,
            "polling_interval": 0.05,
        }  # fmt: skip
        with contextlib.ExitStack() as opened:
            opened.enter_context(credential)
            self.compute: Any = opened.enter_context(ComputeManagementClient(credential, server.subscription, **more))
            self.network: Any = opened.enter_context(NetworkManagementClient(credential, server.subscription, **more))
            resources: Any = opened.enter_context(ResourceManagementClient(credential, server.subscription, **more))
            self.groups = resources.resource_groups
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def card(self, group: str, name: str, *, public: bool = True) -> str:
        """A group with a network, and an interface in it; its identifier."""
        self.groups.create_or_update(group, {"location": AT})
        subnets = [{"name": "nodes", "properties": {"addressPrefix": "10.7.0.0/24"}}]
        properties = {"addressSpace": {"addressPrefixes": ["10.7.0.0/16"]}, "subnets": subnets}
        net = self.network.virtual_networks.begin_create_or_update(
            group, "net", {"location": AT, "properties": properties}
        ).result()
        at: dict[str, Any] = {"subnet": {"id": net.subnets[0].id}}
        if public:
            body = {"location": AT, "sku": {"name": "Standard"}}
            address = self.network.public_ip_addresses.begin_create_or_update(group, f"{name}-ip", body).result()
            at["publicIPAddress"] = {"id": address.id}
        body = {"location": AT, "properties": {"ipConfigurations": [{"name": "main", "properties": at}]}}
        return str(self.network.network_interfaces.begin_create_or_update(group, name, body).result().id)

    def make(self, name: str, group: str = "shop", *, public: bool = True, **more: Any) -> Any:
        """A machine, once it runs."""
        card = self.card(group, f"{name}-card", public=public)
        return self.compute.virtual_machines.begin_create_or_update(group, name, machine(name, card, **more)).result()

    def power(self, name: str, group: str = "shop") -> str:
        """The word for its power."""
        view = self.compute.virtual_machines.instance_view(group, name)
        return next((one.code for one in view.statuses if one.code.startswith("PowerState/")), "")


def machine(name: str, card: str, *, key: str = KEY, data: str = "", **more: Any) -> dict[str, Any]:
    """The body of a machine."""
    keys = [{"path": "/home/deck/.ssh/authorized_keys", "keyData": key}]
    linux = {"disablePasswordAuthentication": True, "ssh": {"publicKeys": keys}}
    system = {"computerName": name, "adminUsername": "deck", "linuxConfiguration": linux}
    if data:
        system["customData"] = base64.b64encode(data.encode()).decode()
    disk = {"createOption": "FromImage", "deleteOption": "Delete"}
    properties = {
        "hardwareProfile": {"vmSize": "Standard_B1s"}, "osProfile": system,
        "storageProfile": {"imageReference": DEBIAN, "osDisk": disk},
        "networkProfile": {"networkInterfaces": [{"id": card}]},
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
        **more,
    }  # fmt: skip
    return {"location": AT, "tags": {"team": "shop"}, "properties": properties}


def code(error: HttpResponseError) -> str:
    """Azure's code of an error."""
    return str(error.error.code if error.error else "")
