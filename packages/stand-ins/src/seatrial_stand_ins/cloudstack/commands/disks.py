"""Commands for volumes and their snapshots."""

from __future__ import annotations

from seatrial_stand_ins.cloudstack.cloud import GIB, Snapshot, Volume, told_volume
from seatrial_stand_ins.cloudstack.commands.calling import Call, command
from seatrial_stand_ins.cloudstack.refusals import WRONG_PARAMETER, Refused


def size_asked(call: Call, name: str) -> int:
    """Bytes of a parameter in GiB; 0 if it is missing."""
    return call.number(name) * GIB


def new_volume(call: Call, *, name: str, size: int) -> Volume:
    """A data disk of the requested offering, with this size if the offering has none."""
    offering = call.of(call.cloud.disk_offerings, "diskofferingid")
    size = offering.size * GIB or size
    if not size:
        raise Refused(WRONG_PARAMETER, f"The disk offering {offering.name} is customizable: a size in GB must be given")
    size = call.cloud.plants.wrong_disk_size * GIB or size
    zone = call.get("zoneid") or next(iter(call.cloud.zones))
    return Volume(name=name, zone=zone, size=size, offering=offering.id, project=call.get("projectid"))


@command("listVolumes")
async def list_volumes(call: Call) -> dict[str, object]:
    found = call.chosen(call.cloud.volumes)
    machine, kind = call.get("virtualmachineid"), call.get("type").upper()
    return call.listed(
        "volume",
        (told_volume(call.cloud, one) for one in found
         if (not machine or one.machine == machine) and (not kind or one.kind == kind)),
    )  # fmt: skip


@command("createVolume")
async def create_volume(call: Call) -> dict[str, object]:
    call.of(call.cloud.zones, "zoneid")
    volume = new_volume(call, name=call.need("name"), size=size_asked(call, "size"))

    async def work() -> dict[str, object]:
        call.cloud.add(call.cloud.volumes, volume)
        return {"volume": told_volume(call.cloud, volume)}

    return call.job(work, volume.id)


@command("attachVolume")
async def attach_volume(call: Call) -> dict[str, object]:
    volume = call.of(call.cloud.volumes, "id")
    machine = call.of(call.cloud.machines, "virtualmachineid")
    if volume.machine:
        raise Refused(WRONG_PARAMETER, f"Please specify a volume that is not attached to any VM: {volume.name} is.")
    if machine.state not in ("Running", "Stopped"):
        raise Refused(WRONG_PARAMETER, f"Please specify a VM that is either running or stopped: {machine.name} is not.")

    async def work() -> dict[str, object]:
        async with machine.busy:
            volume.machine, volume.device = machine.id, call.cloud.free_device(machine.id)
            try:
                if machine.real:
                    await call.cloud.machines_backing.attach(machine.id, volume.disk())
            except BaseException:
                volume.machine, volume.device = "", None
                raise
        return {"volume": told_volume(call.cloud, volume)}

    return call.job(work, volume.id)


@command("detachVolume")
async def detach_volume(call: Call) -> dict[str, object]:
    volume = call.of(call.cloud.volumes, "id")
    machine = call.cloud.machines.get(volume.machine)
    if machine is None or volume.kind == "ROOT":
        raise Refused(WRONG_PARAMETER, "The specified volume is not attached to a virtual machine.")

    async def work() -> dict[str, object]:
        async with machine.busy:
            if machine.real:
                await call.cloud.machines_backing.detach(machine.id, volume.disk())
            volume.machine, volume.device = "", None
        return {"volume": told_volume(call.cloud, volume)}

    return call.job(work, volume.id)


@command("resizeVolume")
async def resize_volume(call: Call) -> dict[str, object]:
    volume = call.of(call.cloud.volumes, "id")
    size = size_asked(call, "size")
    if size < volume.size and not call.truth("shrinkok"):
        raise Refused(WRONG_PARAMETER, f"Going from existing size of {volume.size} to size of {size} would shrink the "
                      "volume. Need to sign off by supplying the shrinkok parameter with value of true.")  # fmt: skip

    async def work() -> dict[str, object]:
        machine = call.cloud.machines.get(volume.machine)
        volume.size = size
        real = machine.id if machine is not None and machine.real else ""
        if volume.kind != "ROOT":
            await call.cloud.machines_backing.resize(real, volume.disk())
        return {"volume": told_volume(call.cloud, volume)}

    return call.job(work, volume.id)


@command("deleteVolume")
async def delete_volume(call: Call) -> dict[str, object]:
    volume = call.of(call.cloud.volumes, "id")
    if volume.machine:
        raise Refused(WRONG_PARAMETER, "Please specify a volume that is not attached to any VM.", 4350)
    await call.cloud.machines_backing.delete(volume.disk())
    del call.cloud.volumes[volume.id]
    return {"success": True}


@command("destroyVolume")
async def destroy_volume(call: Call) -> dict[str, object]:
    volume = call.of(call.cloud.volumes, "id")
    if volume.machine:
        raise Refused(WRONG_PARAMETER, "Please specify a volume that is not attached to any VM.", 4350)

    async def work() -> dict[str, object]:
        volume.destroyed = True
        told = told_volume(call.cloud, volume)
        if call.truth("expunge"):
            await call.cloud.machines_backing.delete(volume.disk())
            call.cloud.volumes.pop(volume.id, None)
        return {"volume": told}

    return call.job(work, volume.id)


def _told_snapshot(one: Snapshot) -> dict[str, object]:
    return {"id": one.id, "name": one.name, "volumeid": one.volume, "state": "BackedUp", "created": one.created,
            "tags": one.told_tags()}  # fmt: skip


@command("listSnapshots")
async def list_snapshots(call: Call) -> dict[str, object]:
    return call.listed("snapshot", map(_told_snapshot, call.chosen(call.cloud.snapshots)))


@command("createSnapshot")
async def create_snapshot(call: Call) -> dict[str, object]:
    volume = call.of(call.cloud.volumes, "volumeid")
    snapshot = Snapshot(name=call.get("name") or f"{volume.name}-snapshot", volume=volume.id, project=volume.project)

    async def work() -> dict[str, object]:
        call.cloud.add(call.cloud.snapshots, snapshot)
        return {"snapshot": _told_snapshot(snapshot)}

    return call.job(work, snapshot.id)


@command("deleteSnapshot")
async def delete_snapshot(call: Call) -> dict[str, object]:
    snapshot = call.of(call.cloud.snapshots, "id")

    async def work() -> dict[str, object]:
        call.cloud.snapshots.pop(snapshot.id, None)
        return {"success": True}

    return call.job(work, snapshot.id)
