"""A client of the server as a deployer has it: the `cs` package, and what of the catalog it needs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from cs import CloudStack

from seatrial_stand_ins.cloudstack import CloudStackServer


@contextlib.contextmanager
def named(server: CloudStackServer) -> Iterator[CloudStackServer]:
    """The server in the environment, as `cs` looks for it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


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
