"""The settings of `[providers.cloudstack]`, a machine's size from a suite's parameters, and the ids for both."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from seatrial.errors import CannotTell, UsageError, nearest
from seatrial.links.cloudstack import Cloud
from seatrial.model.values import Range

COUNT, SIZE = "data_volumes_per_node", "data_volume_size"
PARAMETERS = ("cloudstack_offering", "cloudstack_template", "root_volume_size", COUNT, SIZE)


@dataclass(frozen=True, kw_only=True)
class CloudStackSettings:
    """Which cloud, and what machines are made from. What the cloud holds is named by name or by identifier."""

    profile: str = ""
    """The section of cloudstack.ini; empty: the environment, else the default of `cs`."""
    project: str = ""
    """The project in the account; empty: none."""
    zone: str = ""
    """The zone of the machines; may be left out where there is one."""
    template: str = ""
    """The template of the machines; a suite's parameter `cloudstack_template` wins."""
    offering: str = ""
    """The service offering; a suite's parameter `cloudstack_offering` wins."""
    network: str | Sequence[str] = ()
    """A network or several; the first is the one that machines are reached by. None: the cloud chooses."""
    disk_offering: str = ""
    """The offering of data disks; it has to leave their size open."""
    user: str = "root"
    """The user on the machines."""
    port: Annotated[int, Range(1, 65535)] = 22
    """The SSH port of the machines."""
    login: Literal["user_data", "keypair"] = "user_data"
    """How our key gets in: by user data for cloud-init, which knows the host key too, or by a key pair of the cloud."""
    address: Literal["private", "public"] = "private"
    """`private`: the address on the first network; `public`: one that the cloud leads to it."""
    adopt: str = "*"
    """The names (a pattern) of a deployer's machines that may be recognised."""
    adopt_tag: str = ""
    """`KEY` or `KEY=VALUE`: a tag that these must have."""

    @property
    def networks(self) -> tuple[str, ...]:
        return (self.network,) if isinstance(self.network, str) else tuple(self.network)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The size and the parts of one node."""

    offering: str
    template: str
    root_gib: int
    """0: as the template is."""
    data_gib: tuple[int, ...]
    """Of each data disk."""


def size_of(parameters: Mapping[str, object], settings: CloudStackSettings) -> Size:
    """From the suite's parameters: `cloudstack_offering`, `cloudstack_template`, `root_volume_size`,
    `data_volumes_per_node`, `data_volume_size` (GiB, default 1)."""
    count = _whole(parameters, COUNT, 0)
    return Size(
        offering=str(parameters.get("cloudstack_offering") or settings.offering),
        template=str(parameters.get("cloudstack_template") or settings.template),
        root_gib=_whole(parameters, "root_volume_size", 0),
        data_gib=(_whole(parameters, SIZE, 1),) * count,
    )


def _whole(parameters: Mapping[str, object], name: str, default: int) -> int:
    value = parameters.get(name)
    if value is None:
        return default
    match = re.fullmatch(r"(\d{1,5})\s*(G|GiB)?", str(value))
    if isinstance(value, bool) or match is None:
        what = "a whole number up to 99" if name == COUNT else "whole GiB, such as 20 or 20G: CloudStack has no others"
        raise UsageError(f"the parameter {name} is {value!r}; allowed is {what}")
    return int(match[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Identifiers of one machine's parts."""

    zone: str
    template: str
    offering: str
    networks: tuple[str, ...]
    disk_offering: str


async def choose_project(cloud: Cloud, settings: CloudStackSettings) -> None:
    """From now on every request is in the named project."""
    if settings.project and not cloud.project:
        cloud.project = _id(await cloud.list("listProjects", "project"), settings.project, "project", "project")


async def choose(cloud: Cloud, settings: CloudStackSettings, size: Size) -> Chosen:
    """CannotTell if something is missing: it names the setting and the existing names."""
    await choose_project(cloud, settings)
    zone = _id(await cloud.list("listZones", "zone"), settings.zone, "zone", "zone")
    templates = await cloud.list("listTemplates", "template", templatefilter="executable", zoneid=zone)
    offerings = await cloud.list("listServiceOfferings", "serviceoffering")
    networks = await cloud.list("listNetworks", "network", zoneid=zone) if settings.networks else []
    disk = ""
    if size.data_gib:
        disks = [disk for disk in await cloud.list("listDiskOfferings", "diskoffering") if disk.get("iscustomized")]
        disk = _id(disks, settings.disk_offering, "disk offering with a size of one's choice", "disk_offering")
    return Chosen(
        zone=zone,
        template=_id(templates, size.template, "template", "template"),
        offering=_id(offerings, size.offering, "service offering", "offering"),
        networks=tuple(_id(networks, name, "network", "network") for name in settings.networks),
        disk_offering=disk,
    )


def _id(things: list[dict[str, Any]], named: str, what: str, setting: str) -> str:
    """The identifier of a name, or of the only one if none is named."""
    ids = {str(thing["id"]): str(thing.get("name", "")) for thing in things}
    chosen = [id for id, name in ids.items() if named in (id, name)] if named else list(ids)
    if len(chosen) == 1:
        return chosen[0]
    where = f"providers.cloudstack.{setting}"
    if named and not chosen:
        raise CannotTell(f"{where} is {named!r}, and CloudStack has no such {what}: {nearest(named, ids.values())}")
    if named:
        several = f"{len(chosen)} have this name; name one by its id: {', '.join(chosen)}"
        raise CannotTell(f"{where} is {named!r}, and {several}")
    listed = ", ".join(sorted(ids.values())) or "none"
    raise CannotTell(f"{where} names no {what}, and there is not exactly one; there are: {listed}")
