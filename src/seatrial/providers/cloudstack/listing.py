"""Our resources, as CloudStack lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.links.cloudstack import Cloud, tags_of
from seatrial.model.resource import Resource
from seatrial.providers.cloudstack.naming import PREFIX, ids_of, machine_name, place_of
from seatrial.providers.cloudstack.removal import GONE
from seatrial.providers.nodes import to_detail

OWNER = "provider:cloudstack"


async def listed(cloud: Cloud, run: str) -> list[Resource]:
    """Machines of this run (`*`: of any), and disks of removed machines; project and expiry in the detail."""
    found: dict[str, Resource] = {}
    for machine in await cloud.list("listVirtualMachines", "virtualmachine", keyword=PREFIX):
        if machine.get("state") not in GONE:
            _add(found, cloud, machine, run)
    for disk in await cloud.list("listVolumes", "volume", keyword=PREFIX):
        if disk.get("type") == "DATADISK" and disk.get("state") not in ("Destroy", "Expunging", "Expunged"):
            _add(found, cloud, disk, run)
    return list(found.values())


def _add(found: dict[str, Resource], cloud: Cloud, thing: Mapping[str, Any], run: str) -> None:
    ids = ids_of(thing)
    if ids is None or run not in ("*", ids[0]):
        return
    its_run, trial, node = ids
    detail: dict[str, object] = {
        "node": node,
        **place_of(cloud),
        "machine": machine_name(trial, node),
        **to_detail(tags_of(thing)),
    }
    name = f"{trial}-{node}"
    found.setdefault(
        name,
        Resource(kind="node", name=name, owner=OWNER, run=its_run, trial=trial, detail=detail, outlives_host=True),
    )
