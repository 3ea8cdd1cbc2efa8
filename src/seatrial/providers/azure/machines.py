"""Virtual machines in Azure's words: what is asked for, and what is read from an answer."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.errors import UsageError
from seatrial.model.cluster import PowerState
from seatrial.providers.clouds.vendor import Machine, Order

POWER = {
    **dict.fromkeys(("running", "stopping", "deallocating"), PowerState.RUNNING),
    **dict.fromkeys(("stopped", "deallocated", "starting"), PowerState.STOPPED),
}
BUSY = ("Creating", "Updating", "Deleting", "Migrating")

ADMIN = "seatrial"
"""The first user, where the settings name one that Azure does not allow, such as `root`: cloud-init makes that one."""
RESERVED = ("root", "admin", "administrator", "user", "test", "guest", "console", "backup", "server", "sys", "owner")

NET, NODES, WALL = "net", "nodes", "wall"
"""The names of a trial's own network, its subnet and its rules, in the trial's resource group."""


def where(id: str) -> tuple[str, str]:
    """The resource group and the name in the identifier of a resource."""
    parts = id.split("/")
    if len(parts) < 9:
        raise UsageError(f"{id!r} is not the identifier of a resource of Azure: /subscriptions/…/NAME")
    return parts[4], parts[8]


def reference(image: str) -> dict[str, str]:
    """The image, as a request names it."""
    if image.startswith("/"):
        return {"id": image}
    parts = image.split(":")
    if len(parts) not in (3, 4) or not all(parts):
        raise UsageError(
            f"providers.azure.image is {image!r}; allowed: PUBLISHER:OFFER:SKU:VERSION, such as "
            "Debian:debian-12:12-gen2:latest, or the identifier of an image"
        )
    publisher, offer, sku = parts[:3]
    return {"publisher": publisher, "offer": offer, "sku": sku, "version": parts[3] if parts[3:] else "latest"}


def body(order: Order, location: str, user: str, subnet: str, wall: str, *, public: bool) -> dict[str, Any]:
    """The request for a machine, its disks, its interface and its address: they go with it."""
    goes = {"deleteOption": "Delete"}
    at: dict[str, Any] = {"subnet": {"id": subnet}}
    if public:
        properties = {**goes, "publicIPAllocationMethod": "Static"}
        at["publicIPAddressConfiguration"] = {
            "name": f"{order.name}-ip", "sku": {"name": "Standard"}, "properties": properties,
        }  # fmt: skip
    interface = {
        **goes, "primary": True, "networkSecurityGroup": {"id": wall},
        "ipConfigurations": [{"name": "main", "properties": at}],
    }  # fmt: skip
    admin = ADMIN if user.lower() in RESERVED else user
    key = {"path": f"/home/{admin}/.ssh/authorized_keys", "keyData": order.public_key}
    root = {"diskSizeGB": order.root_gib} if order.root_gib else {}
    return {
        "location": location, "tags": dict(order.tags),
        "properties": {
            "hardwareProfile": {"vmSize": order.size},
            "storageProfile": {
                "imageReference": reference(order.image),
                "osDisk": {"name": f"{order.name}-os", "createOption": "FromImage", **goes, **root},
                "dataDisks": [
                    {"lun": lun, "name": f"{order.name}-data{lun + 1}", "createOption": "Empty", "diskSizeGB": gib,
                     **goes}
                    for lun, gib in enumerate(order.data_gib)
                ],
            },
            "osProfile": {
                "computerName": order.name, "adminUsername": admin,
                "customData": base64.b64encode(order.user_data.encode()).decode(),
                "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [key]}},
            },
            "networkProfile": {
                "networkApiVersion": "2022-11-01",
                "networkInterfaceConfigurations": [{"name": f"{order.name}-nic", "properties": interface}],
            },
            "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
        },
    }  # fmt: skip


def rules(location: str, port: int, lets_in: Sequence[str], tags: Mapping[str, str]) -> dict[str, Any]:
    """The request for a trial's rules: SSH from anywhere; all ports from `lets_in`. Those of one network may talk."""

    def rule(name: str, priority: int, **more: Any) -> dict[str, Any]:
        ends = {"sourcePortRange": "*", "destinationAddressPrefix": "*"}
        given = {"priority": priority, "direction": "Inbound", "access": "Allow", **ends, **more}
        return {"name": name, "properties": given}

    made = [rule("ssh", 100, protocol="Tcp", sourceAddressPrefix="*", destinationPortRange=str(port))]
    if lets_in:
        made.append(rule("all", 110, protocol="*", sourceAddressPrefixes=list(lets_in), destinationPortRange="*"))
    return {"location": location, "tags": dict(tags), "properties": {"securityRules": made}}


def network(location: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """The request for a trial's own network."""
    subnets = [{"name": NODES, "properties": {"addressPrefix": "10.0.0.0/20"}}]
    space = {"addressPrefixes": ["10.0.0.0/16"]}
    return {"location": location, "tags": dict(tags), "properties": {"addressSpace": space, "subnets": subnets}}


def machine(document: Mapping[str, Any], cards: Sequence[Mapping[str, Any]] = ()) -> Machine:
    """A machine with its view; `cards`: its interfaces, each with its public addresses."""
    properties = document.get("properties", {})
    codes = [str(one.get("code")) for one in properties.get("instanceView", {}).get("statuses", ())]
    power = next((code.partition("/")[2] for code in codes if code.startswith("PowerState/")), "")
    state = str(properties.get("provisioningState", ""))
    private, public = list[str](), list[str]()
    for card in cards:
        for one in card.get("properties", {}).get("ipConfigurations", ()):
            at = one.get("properties", {})
            private.append(str(at.get("privateIPAddress") or ""))
            public.append(str(at.get("publicIPAddress", {}).get("properties", {}).get("ipAddress") or ""))
    private, public = list(filter(None, private)), list(filter(None, public))
    word = power or "without a power state"
    return Machine(
        id=str(document["id"]).lower(), name=str(document["name"]), busy=state in BUSY,
        power=POWER.get(power, PowerState.STOPPED if state == "Creating" else PowerState.UNKNOWN),
        word=word if state in ("Succeeded", "") else f"{word}, {failure(document)[0] or state}",
        private=private[0] if private else "", public=public[0] if public else "",
        others=(*private[1:], *public[1:]), tags=document.get("tags") or {}, refuses=_refuses(properties, codes),
    )  # fmt: skip


def failure(document: Mapping[str, Any]) -> tuple[str, str]:
    """The code and the words of a machine's last failed change; empty: it did not fail."""
    for one in document.get("properties", {}).get("instanceView", {}).get("statuses", ()):
        kind, _, code = str(one.get("code")).partition("/failed/")
        if kind == "ProvisioningState" and code:
            return code, str(one.get("message") or one.get("displayStatus") or "nothing more")
    return "", ""


def _refuses(properties: Mapping[str, Any], codes: Sequence[str]) -> str:
    if properties.get("priority") in ("Spot", "Low"):
        return "it is a Spot machine: Azure evicts it whenever it wants, so a stop proves nothing"
    if properties.get("virtualMachineScaleSet"):
        return "it belongs to a scale set, which may replace a stopped machine by another one"
    if "HibernationState/Hibernated" in codes:
        return "it is hibernated: it would go on with its old memory"
    return ""
