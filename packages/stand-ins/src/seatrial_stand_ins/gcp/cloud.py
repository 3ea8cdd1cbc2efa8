"""The contents of one project: resources by their paths, each with Google's own representation."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from seatrial_stand_ins.gcp.plants import Plants
from seatrial_stand_ins.gcp.refusals import exists, no_such
from seatrial_stand_ins.machines import Machines

REGIONS = {"europe-west3": ("europe-west3-a", "europe-west3-b"), "us-central1": ("us-central1-a",)}
TYPES = {"e2-micro": (2, 1024), "e2-small": (2, 2048), "e2-medium": (2, 4096), "n2-standard-2": (2, 8192)}
"""Machine types: CPUs and MiB."""

IMAGES = {"debian-cloud": ("debian-12", "debian-12-bookworm-v20261110"),
          "ubuntu-os-cloud": ("ubuntu-2404-lts-amd64", "ubuntu-2404-noble-amd64-v20261105")}  # fmt: skip
"""By the project of the images: family and name."""

CLOUD_INIT = "ubuntu-os-cloud"
"""The project whose images obey `user-data`."""


def now() -> str:
    """The time in Google's format."""
    return datetime.now(UTC).astimezone().isoformat(timespec="milliseconds")


def number() -> str:
    """An identifier."""
    return str(secrets.randbelow(9 * 10**18) + 10**18)


@dataclass(slots=True)
class Guest:
    """What is behind an instance."""

    address: str = ""
    real: bool = False
    """Whether a machine exists."""
    host_key: str = ""
    """The public key of its SSH server, as its guest agent tells it."""
    serial: str = ""
    """The output of its first serial port."""
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the operation that changes it."""


@dataclass(slots=True)
class Thing:
    """A resource."""

    path: str
    document: dict[str, Any]
    since: float = field(default_factory=time.monotonic)
    guest: Guest = field(default_factory=Guest)

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def name(self) -> str:
        return str(self.document["name"])


class Cloud:
    """One project."""

    def __init__(self, machines: Machines, plants: Plants, project: str) -> None:
        self.machines, self.plants, self.project = machines, plants, project
        self.url = ""
        """Of the API: `http://…/compute/v1/`."""
        self.things: dict[str, Thing] = {}
        """By path, such as `projects/p/zones/z/instances/web1`."""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        """Every accepted call: method, values of path and query, and the body."""

    def furnish(self) -> None:
        """The catalog of a new project."""
        own = f"projects/{self.project}"
        self.add(own, {"kind": "compute#project", "name": self.project})
        for region, zones in REGIONS.items():
            links = [self.link(f"{own}/zones/{zone}") for zone in zones]
            self.add(f"{own}/regions/{region}", {"kind": "compute#region", "status": "UP", "zones": links})
            for zone in zones:
                document = {"kind": "compute#zone", "status": "UP", "region": self.link(f"{own}/regions/{region}")}
                self.add(f"{own}/zones/{zone}", document)
                for name, (cpus, memory) in TYPES.items():
                    size = {"kind": "compute#machineType", "guestCpus": cpus, "memoryMb": memory, "zone": zone}
                    self.add(f"{own}/zones/{zone}/machineTypes/{name}", size)
        for project, (family, name) in IMAGES.items():
            image = {"kind": "compute#image", "family": family, "status": "READY", "diskSizeGb": "10"}
            self.add(f"projects/{project}/global/images/{name}", image)
        network = {"kind": "compute#network", "autoCreateSubnetworks": True}
        self.add(f"{own}/global/networks/default", network)
        for thing in self.things.values():
            thing.since = -math.inf  # existed from the start

    def link(self, path: str) -> str:
        """The full address of a resource."""
        return f"{self.url}{path}"

    def path(self, link: str) -> str:
        """The path in a full or a partial address of a resource."""
        _, found, rest = link.partition("projects/")
        return f"projects/{rest}" if found else f"projects/{self.project}/{link.lstrip('/')}"

    def add(self, path: str, document: dict[str, Any]) -> Thing:
        """Add a resource under its path; Refused if there is one."""
        if path in self.things:
            raise exists(path)
        name = path.rpartition("/")[2]
        whole = {"id": number(), "name": name, "creationTimestamp": now(), **document, "selfLink": self.link(path)}
        self.things[path] = thing = Thing(path, whole)
        return thing

    def get(self, path: str) -> Thing:
        """The resource of this path; Refused if there is none."""
        if path not in self.things:
            raise no_such(path)
        return self.things[path]

    def below(self, prefix: str) -> Iterator[Thing]:
        """The resources of one collection that lists show now, by their names."""
        at = time.monotonic()
        for path in sorted(self.things):
            thing = self.things[path]
            if path.rpartition("/")[0] == prefix and at - thing.since >= self.plants.late:
                yield thing

    @property
    def instances(self) -> dict[str, Thing]:
        """All instances, by their names."""
        return {thing.name: thing for path, thing in self.things.items() if "/instances/" in path}

    def cpus(self, region: str) -> int:
        """The CPUs in use there."""
        sizes = (
            TYPES[str(thing.document["machineType"]).rpartition("/")[2]][0]
            for thing in self.instances.values()
            if f"/zones/{region}-" in thing.path and thing.document["status"] != "TERMINATED"
        )
        return sum(sizes)
