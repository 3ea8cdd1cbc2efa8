"""The cloud's ids for the names in the settings: zone, template, offerings, networks, project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seatrial.errors import CannotTell, nearest
from seatrial.links.cloudstack import Cloud
from seatrial.providers.cloudstack.settings import CloudStackSettings, Size


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
