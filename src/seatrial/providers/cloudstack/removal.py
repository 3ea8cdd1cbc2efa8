"""Removing resources by their records alone: the machine with its disks, and disks without a machine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.cloudstack import Cloud, CloudRefused, NoSuchThing
from seatrial.providers.cloudstack.naming import DISK_GONE, GONE, PREFIX

SETTLED = 120.0
"""Seconds for a destroyed machine to leave the lists, and for another's change of a machine to end."""

BUSY = ("Starting", "Stopping", "Migrating")
"""States in which CloudStack refuses to destroy a machine: a job is active."""

BELIEVED = 10.0
"""Seconds after which an unchanged machine counts as left behind."""


async def machines_named(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    """Existing machines of exactly this name."""
    machines = await cloud.list("listVirtualMachines", "virtualmachine", name=name)
    return [machine for machine in machines if machine.get("name") == name and machine.get("state") not in GONE]


async def disks_named(cloud: Cloud, machine: str) -> list[dict[str, Any]]:
    """Data disks created for a machine of this name."""
    prefix = f"{machine}-data"
    disks = await cloud.list("listVolumes", "volume", keyword=prefix)
    own = (disk for disk in disks if str(disk.get("name", "")).startswith(prefix))
    return [disk for disk in own if disk.get("state") not in DISK_GONE]


async def machine_gone(cloud: Cloud, name: str, id: str, deadline: float) -> None:
    """Destroy and expunge the machine of this name with its disks, and the disks created for it; return once no list
    shows them. A known `id` is asked for too: lists may be late. CannotTell for a name without Seatrial's prefix: a
    damaged record must not destroy another's machine."""
    if not name.startswith(PREFIX) or len(name) < len(PREFIX) + 10:
        raise CannotTell(f"{name!r} is not the name of a machine created by Seatrial: nothing is destroyed")
    ids = {str(machine["id"]) for machine in await _steady(cloud, name)} | ({id} if id else set())
    for known in sorted(ids):
        await _destroyed(cloud, known, deadline)
    for disk in await disks_named(cloud, name):
        await _disk_gone(cloud, disk, deadline)
    await _unlisted(cloud, name)


async def _steady(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    """The machines of this name when no job goes on over them, or has for too long."""
    clock = asyncio.get_running_loop().time
    end, pause = clock() + SETTLED, 0.1
    while True:
        machines = await machines_named(cloud, name)
        if clock() > end or not any(machine.get("state") in BUSY for machine in machines):
            return machines
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 2.0)


async def _destroyed(cloud: Cloud, id: str, deadline: float) -> None:
    with suppress(NoSuchThing):
        disks = await cloud.list("listVolumes", "volume", virtualmachineid=id, type="DATADISK")
        request: dict[str, Any] = {"id": id, "expunge": True}
        if disks:
            request["volumeids"] = ",".join(str(disk["id"]) for disk in disks)
        try:
            await cloud.do("destroyVirtualMachine", deadline=deadline, **request)
        except CloudRefused as error:
            if "expunge" not in error.text.lower():
                raise
            # Some clouds reserve expunging: a destroyed machine counts as removed, and disappears by itself.
            await cloud.do("destroyVirtualMachine", deadline=deadline, **{**request, "expunge": None})


async def _disk_gone(cloud: Cloud, disk: Mapping[str, Any], deadline: float) -> None:
    with suppress(NoSuchThing):
        if disk.get("virtualmachineid"):
            await cloud.do("detachVolume", id=disk["id"], deadline=deadline)
        await cloud.do("deleteVolume", id=disk["id"], deadline=deadline)


async def _unlisted(cloud: Cloud, name: str) -> None:
    """Wait until the lists agree; CannotTell when CloudStack reported success and still lists it."""
    clock = asyncio.get_running_loop().time
    end, believed, pause = clock() + SETTLED, clock() + BELIEVED, 0.05
    while True:
        machines, disks = await machines_named(cloud, name), await disks_named(cloud, name)
        if not machines and not disks:
            return
        steady = any(machine.get("state") in ("Running", "Stopped", "Error") for machine in machines)
        if clock() > end or (steady and clock() > believed):
            shown = ", ".join(f"{thing.get('name')} ({thing.get('state')})" for thing in (*machines, *disks))
            raise CannotTell(f"CloudStack reported that it was destroyed, and its lists still show {shown}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 2.0)
