"""The contents of the cloud: its catalog and its resources, each with its CloudStack representation."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from seatrial_stand_ins.cloudstack.plants import Plants
from seatrial_stand_ins.machines import Disk, Machines

GIB = 1024**3
TIME = "%Y-%m-%dT%H:%M:%S%z"
NETWORK_OFFERING = "5b0b7b06-5d1a-4ab0-9ba7-0a5d4c3f1c01"
"""The identifier of the one offering of networks."""

CD_DRIVE = 3
"""The device number reserved for the CD drive."""


@dataclass(slots=True, kw_only=True)
class Thing:
    """Anything with an identifier and a name."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    name: str
    tags: dict[str, str] = field(default_factory=dict)
    project: str = ""
    """The identifier of its project."""
    created: str = field(default_factory=lambda: datetime.now(UTC).strftime(TIME))
    since: float = field(default_factory=time.monotonic)

    def told_tags(self) -> list[dict[str, object]]:
        """Its tags, as in every answer."""
        return [{"key": key, "value": value, "resourceid": self.id} for key, value in self.tags.items()]


@dataclass(slots=True, kw_only=True)
class Project(Thing):
    """A project within the account."""


@dataclass(slots=True, kw_only=True)
class Zone(Thing):
    """A data centre."""


@dataclass(slots=True, kw_only=True)
class Template(Thing):
    """The source of a root disk."""

    size: int = 2 * GIB


@dataclass(slots=True, kw_only=True)
class Offering(Thing):
    """A size of machines."""

    cpus: int
    memory: int
    """MiB."""


@dataclass(slots=True, kw_only=True)
class DiskOffering(Thing):
    """A size of disks, fixed or chosen by the client."""

    size: int = 0
    """GiB; 0: the client chooses the size."""


@dataclass(slots=True, kw_only=True)
class Network(Thing):
    """A network of virtual machines."""

    zone: str
    kind: str = "Shared"
    offering: str = ""


@dataclass(slots=True, kw_only=True)
class Address(Thing):
    """An allocated public address."""

    zone: str
    network: str = ""
    machine: str = ""


@dataclass(slots=True, kw_only=True)
class Snapshot(Thing):
    """A copy of a volume."""

    volume: str


@dataclass(slots=True, kw_only=True)
class KeyPair(Thing):
    """A public key by its name."""

    public: str
    fingerprint: str


@dataclass(slots=True, kw_only=True)
class Volume(Thing):
    """A disk."""

    kind: str = "DATADISK"
    zone: str
    size: int
    """Bytes."""
    offering: str = ""
    machine: str = ""
    device: int | None = None
    destroyed: bool = False

    def disk(self) -> Disk:
        """The disk as the machines see it."""
        return Disk(id=self.id, size=self.size, device=self.device or 0)


@dataclass(slots=True, kw_only=True)
class Machine(Thing):
    """A virtual machine."""

    display: str
    zone: str
    template: str
    offering: str
    networks: tuple[str, ...]
    keypair: str = ""
    user_data: bytes = b""
    state: str = "Starting"
    address: str = ""
    real: bool = False
    """Whether a machine exists behind it."""
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the job changing it."""


T = TypeVar("T", bound=Thing)


@dataclass(slots=True)
class Cloud:
    """One account in one cloud."""

    machines_backing: Machines
    plants: Plants = field(default_factory=Plants)
    account: str = "seatrial"
    projects: dict[str, Project] = field(default_factory=dict)
    zones: dict[str, Zone] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)
    offerings: dict[str, Offering] = field(default_factory=dict)
    disk_offerings: dict[str, DiskOffering] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    addresses: dict[str, Address] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    keypairs: dict[str, KeyPair] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    machines: dict[str, Machine] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Every accepted command, with its parameters except the signature."""

    def furnish(self) -> None:
        """The catalog of a new cloud."""
        zone = Zone(name="zone-1")
        self.zones[zone.id] = zone
        self.add(self.templates, Template(name="debian-12"))
        for name, cpus, memory in (("small", 1, 512), ("medium", 2, 1024), ("large", 4, 2048)):
            self.add(self.offerings, Offering(name=name, cpus=cpus, memory=memory))
        self.add(self.disk_offerings, DiskOffering(name="custom"))
        self.add(self.disk_offerings, DiskOffering(name="one", size=1))
        self.add(self.networks, Network(name="shared-1", zone=zone.id))
        for shelf in (self.zones, self.templates, self.offerings, self.disk_offerings, self.networks):
            for thing in shelf.values():
                thing.since = -math.inf  # existed from the start

    def add(self, shelf: dict[str, T], thing: T) -> T:
        """Add a resource to those of its kind."""
        shelf[thing.id] = thing
        return thing

    def visible(self, shelf: dict[str, T]) -> Iterator[T]:
        """The resources currently visible in lists."""
        now = time.monotonic()
        return (thing for thing in shelf.values() if now - thing.since >= self.plants.late)

    def tagged(self, id: str) -> Thing | None:
        """The taggable resource with this identifier."""
        for shelf in (self.machines, self.volumes, self.networks, self.addresses, self.snapshots, self.templates):
            if id in shelf:
                return shelf[id]
        return None

    def volumes_of(self, machine: str) -> list[Volume]:
        """The disks of a machine, the root disk first."""
        found = [one for one in self.volumes.values() if one.machine == machine and not one.destroyed]
        return sorted(found, key=lambda one: one.device or 0)

    def free_device(self, machine: str) -> int:
        """The device number of a machine's next disk."""
        taken = {one.device for one in self.volumes_of(machine)} | {0, CD_DRIVE}
        return next(number for number in range(1, 26) if number not in taken)


def told_machine(cloud: Cloud, one: Machine) -> dict[str, object]:
    """A virtual machine, as in answers."""
    zone, template, offering = cloud.zones[one.zone], cloud.templates[one.template], cloud.offerings[one.offering]
    pairs = {"keypair": one.keypair, "keypairs": one.keypair} if one.keypair else {}
    root = next((volume for volume in cloud.volumes_of(one.id) if volume.kind == "ROOT"), None)
    public = next((address.name for address in cloud.addresses.values() if address.machine == one.id), "")
    return {
        "id": one.id, "name": one.name, "displayname": one.display, "instancename": f"i-2-{one.id[:8]}-VM",
        "account": cloud.account, "domain": "ROOT", "created": one.created, "state": one.state, "haenable": False,
        "zoneid": zone.id, "zonename": zone.name, "templateid": template.id, "templatename": template.name,
        "serviceofferingid": offering.id, "serviceofferingname": offering.name,
        "cpunumber": offering.cpus, "memory": offering.memory, "hypervisor": "KVM", "rootdevicetype": "ROOT",
        **({"rootdeviceid": root.device} if root else {}), **pairs,
        "nic": [
            {"id": f"{one.id[:-4]}{place:04x}", "networkid": id, "networkname": cloud.networks[id].name,
             **({"ipaddress": one.address} if one.address else {}), "isdefault": place == 0,
             "type": cloud.networks[id].kind, "traffictype": "Guest"}
            for place, id in enumerate(one.networks) if id in cloud.networks
        ],
        "tags": one.told_tags(), "securitygroup": [], "affinitygroup": [],
        **({"publicip": public} if public else {}),
    }  # fmt: skip


def told_volume(cloud: Cloud, one: Volume) -> dict[str, object]:
    """A volume, as in answers."""
    machine = cloud.machines.get(one.machine)
    state = "Destroy" if one.destroyed else "Ready"
    offering = cloud.disk_offerings.get(one.offering)
    attached = (
        {"virtualmachineid": machine.id, "vmname": machine.name, "vmstate": machine.state, "deviceid": one.device}
        if machine is not None
        else {}
    )
    offered = {"diskofferingid": offering.id, "diskofferingname": offering.name} if offering is not None else {}
    return {
        "id": one.id, "name": one.name, "type": one.kind, "size": one.size, "state": state, "account": cloud.account,
        "domain": "ROOT", "zoneid": one.zone, "zonename": cloud.zones[one.zone].name, "created": one.created,
        "tags": one.told_tags(), **attached, **offered,
    }  # fmt: skip


def told_network(cloud: Cloud, one: Network) -> dict[str, object]:
    """A network, as in answers."""
    zone = cloud.zones[one.zone]
    return {
        "id": one.id, "name": one.name, "displaytext": one.name, "type": one.kind, "state": "Implemented",
        "zoneid": zone.id, "zonename": zone.name, "account": cloud.account, "domain": "ROOT", "created": one.created,
        "networkofferingid": one.offering or NETWORK_OFFERING, "traffictype": "Guest", "tags": one.told_tags(),
        "service": [],
    }  # fmt: skip


def told_address(cloud: Cloud, one: Address) -> dict[str, object]:
    """A public address, as in answers."""
    machine = cloud.machines.get(one.machine)
    leads = {"virtualmachineid": machine.id, "virtualmachinename": machine.name} if machine is not None else {}
    return {
        "id": one.id, "ipaddress": one.name, "state": "Allocated", "zoneid": one.zone, "allocated": one.created,
        "associatednetworkid": one.network, "issourcenat": False, "isstaticnat": machine is not None,
        "account": cloud.account, "domain": "ROOT", "tags": one.told_tags(), **leads,
    }  # fmt: skip
