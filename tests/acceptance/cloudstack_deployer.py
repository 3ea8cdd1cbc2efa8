"""A deployer as teams have one: it makes machines in CloudStack by its API, and tells of them in an inventory."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from cs import CloudStack, read_config

RUN = os.environ["E2E_RUN_ID"]
NAMES = [f"notes-{name}-{RUN[-8:]}" for name in ("web", "worker", "db")]


def deploy(cloud: Any) -> None:
    """Three machines with a tag, and a disk for the last; the inventory names them n11, n12, n13."""
    zone = cloud.listZones()["zone"][0]["id"]
    template = cloud.listTemplates(templatefilter="executable")["template"][0]["id"]
    offering = cloud.listServiceOfferings(name="small")["serviceoffering"][0]["id"]
    disks = cloud.listDiskOfferings(name="custom")["diskoffering"][0]["id"]
    lines = []
    for number, name in enumerate(NAMES):
        disk = {"diskofferingid": disks, "size": 2} if name.startswith("notes-db") else {}
        made = cloud.deployVirtualMachine(
            zoneid=zone, templateid=template, serviceofferingid=offering, name=name, **disk
        )["virtualmachine"]
        cloud.createTags(resourceids=made["id"], resourcetype="UserVm", tags=[{"key": "app", "value": "notes"}])
        address = made["nic"][0]["ipaddress"]
        lines.append(f"n{11 + number} ansible_host={address} ansible_connection=local\n")
    Path("inventory.ini").write_text("".join(lines))


def destroy(cloud: Any) -> None:
    """All of them with their disks; those that are gone already are gone."""
    for one in cloud.listVirtualMachines(fetch_list=True):
        if one["name"] in NAMES:
            disks = cloud.listVolumes(virtualmachineid=one["id"], type="DATADISK").get("volume", [])
            ids = {"volumeids": ",".join(disk["id"] for disk in disks)} if disks else {}
            cloud.destroyVirtualMachine(id=one["id"], expunge=True, **ids)
    Path("inventory.ini").unlink(missing_ok=True)


if __name__ == "__main__":
    {"deploy": deploy, "destroy": destroy}[sys.argv[1]](
        CloudStack(**{**read_config(), "fetch_result": True, "poll_interval": 0.05})
    )
