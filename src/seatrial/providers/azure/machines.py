"""Virtual machines in Azure's words: what is asked for, and what is read from an answer."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.errors import UsageError
from seatrial.model.cluster import PowerState
from seatrial.providers.azure.settings import TABLE, AzureSettings
from seatrial.providers.clouds.vendor import Machine, Order, addresses

POWER = {
    **dict.fromkeys(("running", "stopping", "deallocating"), PowerState.RUNNING),
    **dict.fromkeys(("stopped", "deallocated", "starting"), PowerState.STOPPED),
}
BUSY = ("Creating", "Updating", "Deleting", "Migrating")

NET, NODES, WALL = "net", "nodes", "wall"
"""The names of a trial's own network, its subnet and its rules, in the trial's resource group."""


def reference(image: str) -> dict[str, str]:
    """The image, as a request names it."""
    if image.startswith("/"):
        return {"id": image}
    parts = image.split(":")
    if len(parts) not in (3, 4) or not all(parts):
        raise UsageError(f"{TABLE}.image is {image!r}; allowed: PUBLISHER:OFFER:SKU:VERSION, or an image's identifier")
    return dict(zip(("publisher", "offer", "sku", "version"), [*parts, "latest"], strict=False))


def body(order: Order, location: str, settings: AzureSettings, subnet: str, wall: str) -> dict[str, Any]:
    """The request for a machine, its disks, its interface and its address: they go with it."""
    name, goes = order.name, {"deleteOption": "Delete"}
    at: dict[str, Any] = {"subnet": {"id": subnet}}
    if settings.address == "public":
        address = {"sku": {"name": "Standard"}, "properties": {**goes, "publicIPAllocationMethod": "Static"}}
        at["publicIPAddressConfiguration"] = {"name": f"{name}-ip", **address}
    card = {**goes, "primary": True, "networkSecurityGroup": {"id": wall}}
    interface = {**card, "ipConfigurations": [{"name": "main", "properties": at}]}
    root = {"name": f"{name}-os", **({"diskSizeGB": order.root_gib} if order.root_gib else {})}
    disks = [
        {"lun": lun, "name": f"{name}-data{lun + 1}", "createOption": "Empty", "diskSizeGB": gib, **goes}
        for lun, gib in enumerate(order.data_gib)
    ]
    admin = settings.user if settings.user != "root" else "seatrial"  # Azure allows no first user root: cloud-init does
    key = {"path": f"/home/{admin}/.ssh/authorized_keys", "keyData": order.public_key}
    linux = {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [key]}}
    data = base64.b64encode(order.user_data.encode()).decode()
    system = {"computerName": name, "adminUsername": admin, "customData": data, "linuxConfiguration": linux}
    os_disk = {"createOption": "FromImage", **goes, **root}
    interfaces = [{"name": f"{name}-nic", "properties": interface}]
    properties = {
        "hardwareProfile": {"vmSize": order.size}, "osProfile": system,
        "storageProfile": {"imageReference": reference(order.image), "osDisk": os_disk, "dataDisks": disks},
        "networkProfile": {"networkApiVersion": "2022-11-01", "networkInterfaceConfigurations": interfaces},
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
    }  # fmt: skip
    return {"location": location, "tags": dict(order.tags), "properties": properties}


def rules(port: int, lets_in: Sequence[str]) -> dict[str, Any]:
    """A trial's rules: SSH from anywhere; all ports from `lets_in`. Azure lets machines of one network talk."""
    rule = {"direction": "Inbound", "access": "Allow", "sourcePortRange": "*", "destinationAddressPrefix": "*"}
    ssh = {"priority": 100, "protocol": "Tcp", "sourceAddressPrefix": "*", "destinationPortRange": str(port)}
    rest = {"priority": 110, "protocol": "*", "sourceAddressPrefixes": list(lets_in), "destinationPortRange": "*"}
    given = {"ssh": ssh, **({"rest": rest} if lets_in else {})}
    return {"securityRules": [{"name": name, "properties": {**rule, **one}} for name, one in given.items()]}


def machine(document: Mapping[str, Any], cards: Sequence[Mapping[str, Any]] = ()) -> Machine:
    """A machine with its view; `cards`: its interfaces, each with its public addresses."""
    properties = document["properties"]
    codes = [str(one.get("code")) for one in properties.get("instanceView", {}).get("statuses", ())]
    power = next((code.partition("/")[2] for code in codes if code.startswith("PowerState/")), "")
    state, word = str(properties.get("provisioningState", "")), power or "without a power state"
    at = [one["properties"] for card in cards for one in card["properties"].get("ipConfigurations", ())]
    private = [one.get("privateIPAddress") for one in at]
    public = [one.get("publicIPAddress", {}).get("properties", {}).get("ipAddress") for one in at]
    return Machine(
        id=str(document["id"]).lower(), name=str(document["name"]), busy=state in BUSY,
        power=POWER.get(power, PowerState.STOPPED if state == "Creating" else PowerState.UNKNOWN),
        word=word if state == "Succeeded" else f"{word}, {state}", **addresses(private, public),
        tags=document.get("tags") or {}, refuses=_refuses(properties, codes),
    )  # fmt: skip


def _refuses(properties: Mapping[str, Any], codes: Sequence[str]) -> str:
    if properties.get("priority") in ("Spot", "Low"):
        return "it is a Spot machine: Azure evicts it whenever it wants, so a stop proves nothing"
    if properties.get("virtualMachineScaleSet"):
        return "it belongs to a scale set, which may replace a stopped machine by another one"
    return "it is hibernated: it goes on with its old memory" if "HibernationState/Hibernated" in codes else ""
