"""Commands for virtual machines: deploy, power, destroy."""

from __future__ import annotations

import base64
import binascii

from seatrial_stand_ins.cloudstack.cloud import Cloud, Machine, Offering, Volume, told_machine
from seatrial_stand_ins.cloudstack.commands.calling import Call, command
from seatrial_stand_ins.cloudstack.commands.disks import new_volume, size_asked
from seatrial_stand_ins.cloudstack.refusals import (
    NO_CAPACITY,
    NOT_ALLOWED,
    OVER_LIMIT,
    WRONG_PARAMETER,
    Refused,
    no_such,
)
from seatrial_stand_ins.machines import Wanted


@command("listVirtualMachines")
async def list_virtual_machines(call: Call) -> dict[str, object]:
    if call.get("id") and call.get("id") not in call.cloud.machines:
        raise no_such("id", call.get("id"), call.command)
    found = call.chosen(call.cloud.machines, names=lambda one: (one.name, one.display))
    state = call.get("state")
    network = call.get("networkid")
    found = [one for one in found if (not state or one.state == state) and (not network or network in one.networks)]
    return call.listed("virtualmachine", (told_machine(call.cloud, one) for one in found))


@command("deployVirtualMachine")
async def deploy_virtual_machine(call: Call) -> dict[str, object]:
    cloud = call.cloud
    zone, template = call.of(cloud.zones, "zoneid"), call.of(cloud.templates, "templateid")
    offering = call.of(cloud.offerings, "serviceofferingid")
    networks = tuple(call.several("networkids")) or tuple(one for one in list(cloud.networks)[:1])
    for id in networks:
        if id not in cloud.networks:
            raise no_such("networkids", id, call.command)
    for name in [*call.several("keypair"), *call.several("keypairs")]:
        if name not in cloud.keypairs:
            raise Refused(WRONG_PARAMETER, f"A key pair with name '{name}' was not found.")
    name = call.get("name")
    if name and any(one.name == name for one in cloud.machines.values()):
        raise Refused(WRONG_PARAMETER, f"The vm with hostName {name} already exists in the network domain")
    if cloud.plants.over_limit:
        text = f"Maximum number of resources of type 'user_vm' for account name={cloud.account} has been exceeded."
        raise Refused(OVER_LIMIT, text, 4370)
    wrong = next((one for one in cloud.offerings.values() if one.name == cloud.plants.wrong_offering), None)
    machine = Machine(
        name="", display=call.get("displayname") or name, zone=zone.id, template=template.id,
        offering=(wrong or offering).id, networks=networks, keypair=call.get("keypair") or call.get("keypairs"),
        user_data=_user_data(call), project=call.get("projectid"),
    )  # fmt: skip
    machine.name = name or f"VM-{machine.id}"
    machine.display = machine.display or machine.name
    root = Volume(name=f"ROOT-{machine.id[:8]}", kind="ROOT", zone=zone.id, machine=machine.id, device=0,
                  size=size_asked(call, "rootdisksize") or template.size)  # fmt: skip
    data = []
    if call.get("diskofferingid"):
        data.append(new_volume(call, name=f"DATA-{machine.id[:8]}", size=size_asked(call, "size")))
        data[0].machine, data[0].device = machine.id, 1
    root.project = machine.project
    cloud.add(cloud.machines, machine)
    for volume in (root, *data):
        cloud.add(cloud.volumes, volume)
    if call.get("startvm", "true").lower() == "false":
        machine.state = "Stopped"
        return {**call.job(lambda: _answer(cloud, machine), machine.id)}
    return call.job(lambda: _deployed(cloud, machine, offering), machine.id)


async def _deployed(cloud: Cloud, machine: Machine, offering: Offering) -> dict[str, object]:
    async with machine.busy:
        if cloud.plants.no_capacity:
            machine.state = "Error"
            raise Refused(NO_CAPACITY, f"Unable to create a deployment for VM instance {machine.id} "
                          f"(needs {offering.memory} MiB): no host has capacity")  # fmt: skip
        try:
            await _begun(cloud, machine)
        except BaseException:
            machine.state = "Error"
            raise
        if machine.name in cloud.plants.ends_in_error:
            machine.state = "Error"
    return await _answer(cloud, machine)


async def _begun(cloud: Cloud, machine: Machine) -> None:
    """Power a machine on; create it first if it was never on."""
    machine.state = "Starting"
    if machine.real:
        await cloud.machines_backing.start(machine.id)
    else:
        root = cloud.volumes_of(machine.id)[0]
        offering = cloud.offerings[machine.offering]
        pair = cloud.keypairs.get(machine.keypair.partition(",")[0])
        machine.real = True
        machine.address = await cloud.machines_backing.make(
            Wanted(
                id=machine.id, name=machine.name, template=cloud.templates[machine.template].name,
                cpus=offering.cpus, memory_mib=offering.memory, root_size=root.size,
                authorized=(pair.public,) if pair else (), user_data=machine.user_data,
                disks=[one.disk() for one in cloud.volumes_of(machine.id) if one.kind != "ROOT"],
            )
        )  # fmt: skip
    machine.state = "Running"


async def _answer(cloud: Cloud, machine: Machine) -> dict[str, object]:
    return {"virtualmachine": told_machine(cloud, machine)}


@command("startVirtualMachine")
async def start_virtual_machine(call: Call) -> dict[str, object]:
    machine = call.of(call.cloud.machines, "id")

    async def work() -> dict[str, object]:
        async with machine.busy:
            _require(machine, "start", "Stopped", "Running")
            if machine.state != "Running":
                await _begun(call.cloud, machine)
        return await _answer(call.cloud, machine)

    return call.job(work, machine.id)


@command("stopVirtualMachine")
async def stop_virtual_machine(call: Call) -> dict[str, object]:
    machine = call.of(call.cloud.machines, "id")

    async def work() -> dict[str, object]:
        async with machine.busy:
            _require(machine, "stop", "Stopped", "Running", "Error")
            if machine.state == "Running":
                machine.state = "Stopping"
                await call.cloud.machines_backing.stop(machine.id, forced=call.truth("forced"))
                machine.state = "Stopped"
        return await _answer(call.cloud, machine)

    return call.job(work, machine.id)


@command("rebootVirtualMachine")
async def reboot_virtual_machine(call: Call) -> dict[str, object]:
    machine = call.of(call.cloud.machines, "id")

    async def work() -> dict[str, object]:
        async with machine.busy:
            _require(machine, "reboot", "Running")
            await call.cloud.machines_backing.reboot(machine.id)
        return await _answer(call.cloud, machine)

    return call.job(work, machine.id)


def _require(machine: Machine, verb: str, *states: str) -> None:
    if machine.state not in states:
        text = f"Failed to {verb} VM: virtual machine {machine.name} is in the state {machine.state}"
        raise Refused(WRONG_PARAMETER, text, 4350)


@command("destroyVirtualMachine")
async def destroy_virtual_machine(call: Call) -> dict[str, object]:
    machine = call.of(call.cloud.machines, "id")
    expunge, volumes = call.truth("expunge"), call.several("volumeids")
    _require(machine, "destroy", "Running", "Stopped", "Error", "Destroyed")
    if expunge and call.cloud.plants.may_not_expunge:
        raise Refused(NOT_ALLOWED, "Parameter expunge can be passed by Admin only", 4365)
    own = {one.id for one in call.cloud.volumes_of(machine.id) if one.kind != "ROOT"}
    for id in volumes:
        if id not in own:
            raise Refused(WRONG_PARAMETER, f"Unable to destroy the volume {id}: it is not attached to this VM")

    async def work() -> dict[str, object]:
        told = told_machine(call.cloud, machine)
        if machine.name in call.cloud.plants.keeps or machine.display in call.cloud.plants.keeps:
            return {"virtualmachine": told}
        async with machine.busy:
            await _taken_away(call.cloud, machine, expunge=expunge, volumes=volumes)
        return {"virtualmachine": {**told, "state": "Expunging" if expunge else "Destroyed"}}

    return call.job(work, machine.id)


@command("expungeVirtualMachine")
async def expunge_virtual_machine(call: Call) -> dict[str, object]:
    machine = call.of(call.cloud.machines, "id")

    async def work() -> dict[str, object]:
        async with machine.busy:
            await _taken_away(call.cloud, machine, expunge=True, volumes=[])
        return {"success": True}

    return call.job(work, machine.id)


async def _taken_away(cloud: Cloud, machine: Machine, *, expunge: bool, volumes: list[str]) -> None:
    if machine.real:
        await cloud.machines_backing.destroy(machine.id)
        machine.real, machine.address = False, ""
    machine.state = "Expunging" if expunge else "Destroyed"
    for volume in cloud.volumes_of(machine.id):
        if volume.kind == "ROOT":
            if expunge:
                cloud.volumes.pop(volume.id, None)
            continue
        disk = volume.disk()
        if volume.id in volumes and not cloud.plants.forgets_volumes:
            await cloud.machines_backing.delete(disk)
            cloud.volumes.pop(volume.id, None)
        elif expunge:
            volume.machine, volume.device = "", None
    for address in cloud.addresses.values():
        if address.machine == machine.id:
            address.machine = ""
    if expunge:
        cloud.machines.pop(machine.id, None)


@command("recoverVirtualMachine")
async def recover_virtual_machine(call: Call) -> dict[str, object]:
    machine = call.of(call.cloud.machines, "id")
    _require(machine, "recover", "Destroyed")
    machine.state = "Stopped"
    return await _answer(call.cloud, machine)


@command("getVMPassword")
async def get_vm_password(call: Call) -> dict[str, object]:
    machine = call.of(call.cloud.machines, "id")
    raise Refused(WRONG_PARAMETER, f"No password for VM with id '{machine.id}' found.")


def _user_data(call: Call) -> bytes:
    text = call.get("userdata")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise Refused(WRONG_PARAMETER, "User data is not base64 encoded") from None
