"""Instances in Google's words: what is asked for, and what is read from an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from seatrial.model.cluster import PowerState
from seatrial.providers.clouds.vendor import Machine, Order, addresses

RIGHTS = tuple(
    f"compute.{kind}.{verb}"
    for kind, verbs in {
        "disks": "create delete list setLabels",
        "firewalls": "create delete get list",
        "instances": "create delete get getSerialPortOutput list reset setLabels setMetadata setTags start stop",
        "networks": "get updatePolicy", "subnetworks": "use useExternalIp", "zoneOperations": "get", "regions": "get",
        "globalOperations": "get", "projects": "get", "machineTypes": "get list", "zones": "get list",
    }.items()
    for verb in verbs.split()
)  # fmt: skip
"""All rights that the provider uses; the guide has them as a role."""

POWER = {
    **dict.fromkeys(("RUNNING", "STOPPING", "PENDING_STOP", "SUSPENDING"), PowerState.RUNNING),
    **dict.fromkeys(("TERMINATED", "STOPPED", "PROVISIONING", "STAGING", "PENDING"), PowerState.STOPPED),
    "SUSPENDED": PowerState.PAUSED,
}
SETTLED = ("RUNNING", "TERMINATED", "STOPPED", "SUSPENDED")

BOOTS = re.compile(r"SeaBIOS|UEFI: |BdsDxe: |Linux version ")
"""The first lines of a boot on the serial port."""

ENDS = re.compile(r"systemd-shutdown|reboot: (Power down|Restarting)|Reached target .*(Shutdown|Power-Off|Reboot)")
"""Lines of an orderly shutdown."""


def path_of(link: str) -> str:
    """`projects/…` of a full address."""
    return f"projects/{link.partition('/projects/')[2]}" if "/projects/" in link else link


def filter_of(tags: Mapping[str, str]) -> str:
    """The filter for labels; an empty value: any."""
    return " AND ".join(f"(labels.{key} = {value})" if value else f"(labels.{key}:*)" for key, value in tags.items())


def booted(output: str) -> bool | None:
    """Whether the output begins with a boot (True) or with a shutdown (False); None: with neither yet."""
    boots, ends = BOOTS.search(output), ENDS.search(output)
    if ends and not (boots and boots.start() < ends.start()):
        return False
    return True if boots else None


def machine(document: Mapping[str, Any]) -> Machine:
    """An instance as the shape has it."""
    cards = document.get("networkInterfaces") or [{}]
    public = [config.get("natIP") for card in cards for config in card.get("accessConfigs", ())]
    private = [card.get("networkIP") for card in cards]
    status, message = str(document.get("status")), str(document.get("statusMessage") or "")
    return Machine(
        id=path_of(str(document["selfLink"])), name=str(document["name"]),
        power=POWER.get(status, PowerState.UNKNOWN), word=f"{status} ({message})" if message else status,
        busy=status not in SETTLED, **addresses(private, public), tags=document.get("labels", {}),
        refuses=_refuses(document),
    )  # fmt: skip


def _refuses(document: Mapping[str, Any]) -> str:
    scheduling = document.get("scheduling", {})
    if scheduling.get("preemptible") or scheduling.get("provisioningModel") == "SPOT":
        return "it is a Spot instance: Google stops it whenever it wants, so a stop proves nothing"
    for item in document.get("metadata", {}).get("items", ()):
        if item.get("key") == "created-by" and "/instanceGroupManagers/" in str(item.get("value")):
            return "it belongs to a managed instance group, which replaces a stopped instance by another one"
    return ""


def body(order: Order, image: str, zone: str, card: Mapping[str, Any]) -> dict[str, Any]:
    """The request for an instance with its disks. No service account: its guest has no rights in the project."""

    def disk(name: str, gib: int, **more: Any) -> dict[str, Any]:
        size = {"diskSizeGb": str(gib)} if gib else {}
        made = {"diskName": name, "labels": dict(order.tags), **size, **more}
        return {"autoDelete": True, "deviceName": name[-63:], "initializeParams": made}

    data = [disk(f"{order.name}-data{number}", gib) for number, gib in enumerate(order.data_gib, 1)]
    metadata = {"user-data": order.user_data, "block-project-ssh-keys": "TRUE"}
    return {
        "name": order.name, "machineType": f"zones/{zone}/machineTypes/{order.size}", "labels": dict(order.tags),
        "disks": [{**disk(order.name, order.root_gib, sourceImage=image), "boot": True}, *data],
        "networkInterfaces": [dict(card)], "tags": {"items": [order.trial_name]},
        "metadata": {"items": [{"key": key, "value": value} for key, value in metadata.items()]},
        # A machine that Google stopped stays off: a restart that nobody asked for would hide it.
        "scheduling": {"automaticRestart": False},
    }  # fmt: skip
