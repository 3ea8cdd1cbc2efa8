"""The app's resources in CloudStack, found by their names: machines, their data disks, a network, a key pair."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cs import CloudStack

SERVICE = "webapp"
MACHINE = re.compile(rf"{SERVICE}-(?P<role>web|db|worker)(?:-\d+)?")
GIB = 1024**3
GONE = ("Destroyed", "Expunging", "Expunged")
JOB_SECONDS = 600

Thing = Mapping[str, Any]


class Wrong(Exception):
    """The cloud is not in the required state."""


def client() -> CloudStack:
    """The account of the environment: CLOUDSTACK_ENDPOINT, CLOUDSTACK_KEY, CLOUDSTACK_SECRET."""
    missing = [
        f"CLOUDSTACK_{name}" for name in ("ENDPOINT", "KEY", "SECRET") if not os.environ.get(f"CLOUDSTACK_{name}")
    ]
    if missing:
        raise Wrong(f"the environment has no {', '.join(missing)}")
    return CloudStack(
        endpoint=os.environ["CLOUDSTACK_ENDPOINT"],
        key=os.environ["CLOUDSTACK_KEY"],
        secret=os.environ["CLOUDSTACK_SECRET"],
        method="post",
        poll_interval=0.5,
        job_timeout=JOB_SECONDS,
    )


def listed(command: str, **filters: str) -> list[Thing]:
    """All pages of a list."""
    return list(getattr(client(), command)(fetch_list=True, **filters))


def done(command: str, **parameters: Any) -> Thing:
    """The result of a command after its job has ended."""
    told: Thing = getattr(client(), command)(fetch_result=True, **parameters)
    return told


def id_of(command: str, name: str, **filters: str) -> str:
    """The identifier of one of the cloud's offers, by its name."""
    found = listed(command, **filters)
    for one in found:
        if one["name"] == name:
            return str(one["id"])
    raise Wrong(f"{command}: nothing is called {name!r}; there are {', '.join(sorted(one['name'] for one in found))}")


def machines() -> dict[str, Thing]:
    """The app's virtual machines, by name."""
    found = listed("listVirtualMachines")
    return {one["name"]: one for one in found if MACHINE.fullmatch(one["name"]) and one["state"] not in GONE}


def volumes() -> dict[str, Thing]:
    """The app's data disks, by name."""
    found = listed("listVolumes", type="DATADISK")
    ours = {f"{name}-data" for name in [one["name"].removesuffix("-data") for one in found] if MACHINE.fullmatch(name)}
    return {one["name"]: one for one in found if one["name"] in ours and one["state"] not in GONE}


def networks() -> list[Thing]:
    """The app's own networks."""
    return [one for one in listed("listNetworks") if one["name"] == SERVICE]


def key_pairs() -> list[Thing]:
    """The app's key pairs."""
    return [one for one in listed("listSSHKeyPairs") if one["name"] == SERVICE]


def tag(kind: str, thing: str, tags: Mapping[str, str]) -> None:
    """Set these tags, in place of their other values."""
    old = {one["key"]: one["value"] for one in listed("listTags", resourceid=thing, resourcetype=kind)}
    if stale := [{"key": key} for key in tags if key in old and old[key] != tags[key]]:
        done("deleteTags", resourceids=[thing], resourcetype=kind, tags=stale)
    if new := [{"key": key, "value": value} for key, value in tags.items() if old.get(key) != value]:
        done("createTags", resourceids=[thing], resourcetype=kind, tags=new)


def destroy(names: list[str]) -> None:
    """Destroy machines with their disks; a missing one is not an error."""
    there, disks = machines(), volumes()

    def one(name: str) -> None:
        if name in there:
            print(f"destroying {name}", flush=True)
            done("destroyVirtualMachine", id=there[name]["id"], expunge=True)
        disk = disks.get(f"{name}-data")
        if disk is not None:
            done("deleteVolume", id=disk["id"])

    at_once(one, names)


def at_once(work: Any, things: list[Any]) -> list[Any]:
    """Do it to all at the same time."""
    with ThreadPoolExecutor(max_workers=max(len(things), 1)) as pool:
        return list(pool.map(work, things))
