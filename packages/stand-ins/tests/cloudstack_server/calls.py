"""A client of the server as a deployer has it: the `cs` package, and what of the catalog it needs."""

from __future__ import annotations

from typing import Any

from cs import CloudStack

from seatrial_stand_ins.cloudstack import CloudStackServer


def client(server: CloudStackServer, **more: Any) -> CloudStack:
    """The `cs` client, which waits for jobs by itself."""
    asked: dict[str, Any] = {"method": "post", "fetch_result": True, "poll_interval": 0.02, "job_timeout": 60, **more}
    return CloudStack(server.url, server.key, server.secret, **asked)


def catalog(cloud: CloudStack) -> dict[str, str]:
    """What deploying a machine has to name."""
    return {
        "zoneid": cloud.listZones()["zone"][0]["id"],
        "templateid": cloud.listTemplates(templatefilter="executable", name="debian-12")["template"][0]["id"],
        "serviceofferingid": cloud.listServiceOfferings(name="small")["serviceoffering"][0]["id"],
    }


def disk_offering(cloud: CloudStack, name: str = "custom") -> str:
    """The identifier of a disk offering."""
    return str(cloud.listDiskOfferings(name=name)["diskoffering"][0]["id"])
