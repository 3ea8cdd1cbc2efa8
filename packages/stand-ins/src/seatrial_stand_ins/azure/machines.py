"""Virtual machines: create, power, delete, their view and their console."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from seatrial_stand_ins.azure.catalog import CORES, FORBIDDEN_USERS, SIZES
from seatrial_stand_ins.azure.cloud import COMPUTE, NETWORK, ROUTES, Azure, busy, page
from seatrial_stand_ins.azure.others import add, free_address, subnet, versions
from seatrial_stand_ins.clouds.operations import Operation, OperationFailed
from seatrial_stand_ins.clouds.server import Answer, Call, Refused
from seatrial_stand_ins.clouds.things import Machine
from seatrial_stand_ins.machines import Disk, Wanted

_Calls = Call[Azure]
_KIND = f"{COMPUTE}/virtualMachines"
_AT = f"/providers/{COMPUTE}/virtualMachines"
_MODEL = f"{COMPUTE}/VirtualMachine"
_CARDS, _ADDRESSES, _DISKS = f"{NETWORK}/networkInterfaces", f"{NETWORK}/publicIPAddresses", f"{COMPUTE}/disks"
GIB = 1024**3

POWERS = {"on": "running", "off": "stopped", "stopping": "stopping", "starting": "starting"}
"""By the state of the machine; in others Azure tells no power."""


def _view(machine: Machine) -> dict[str, Any]:
    word = _provisioning(machine)
    failed = machine.told["_failed"]
    statuses = [{
        "code": f"ProvisioningState/{word.lower()}{f'/{failed[0]}' if failed else ''}",
        "level": "Error" if failed else "Info", "displayStatus": f"Provisioning {word.lower()}",
        **({"message": failed[1]} if failed else {}),
    }]  # fmt: skip
    if power := POWERS.get(machine.state):
        power = "deallocated" if power == "stopped" and machine.told["_deallocated"] else power
        statuses.append({"code": f"PowerState/{power}", "level": "Info", "displayStatus": f"VM {power}"})
    return {"statuses": statuses}


def _provisioning(machine: Machine) -> str:
    if machine.state in ("deleting", "new") and not machine.told["_failed"]:
        return "Deleting" if machine.state == "deleting" else "Creating"
    return "Failed" if machine.told["_failed"] else "Updating" if machine.busy else "Succeeded"


def told_machine(cloud: Azure, machine: Machine, *, view: bool = False) -> dict[str, Any]:
    """A machine, as in answers."""
    shown = {key: value for key, value in machine.told.items() if not key.startswith("_")}
    properties = {**shown["properties"], "provisioningState": _provisioning(machine)}
    if view:
        properties["instanceView"] = _view(machine)
    return cloud.told(_MODEL, {**shown, "properties": properties, "tags": machine.labels})


@ROUTES.on(f"{_KIND}/read", f"GET ALL{_AT}", f"GET GROUP{_AT}")
async def list_machines(call: _Calls) -> Answer:
    """Over all groups, Azure writes the names of groups in capitals."""
    call.cloud.require(call)
    group = call.values.get("group", "").lower()
    found = [one for one in call.cloud.machines.listed() if not group or f"/resourcegroups/{group}/" in str(one.id)]
    view = call.query.get("statusOnly") == "true"
    told = [told_machine(call.cloud, one, view=view) for one in found]
    for one in () if group else told:
        head, _, rest = one["id"].partition("/resourceGroups/")
        name, _, tail = rest.partition("/")
        one["id"] = f"{head}/resourceGroups/{name.upper()}/{tail}"
    return page(call, told)


@ROUTES.on(f"{_KIND}/read", f"GET GROUP{_AT}/{{name}}")
async def get_machine(call: _Calls) -> Answer:
    machine: Machine = call.cloud.named(_KIND, call)
    return Answer(told_machine(call.cloud, machine, view=call.query.get("$expand") == "instanceView"))


@ROUTES.on(f"{_KIND}/instanceView/read", f"GET GROUP{_AT}/{{name}}/instanceView")
async def get_view(call: _Calls) -> Answer:
    return Answer(_view(call.cloud.named(_KIND, call)))


@ROUTES.on(f"{_KIND}/write", f"PUT GROUP{_AT}/{{name}}")
async def put_machine(call: _Calls) -> Answer:
    cloud, body = call.cloud, call.body
    cloud.require(call)
    cloud.checked(_MODEL, body)
    group, name = call.values["group"], call.values["name"]
    known = cloud.machines.get(cloud.id(group, _KIND, name).lower())
    if known is not None:
        if call.headers.get("if-none-match") == "*":
            raise Refused(412, "PreconditionFailed", "The condition '*' in the If-None-Match header was not satisfied.")
        busy(known)
        known.labels = dict(body.get("tags") or {})
        return Answer(told_machine(cloud, known))
    machine = _new(cloud, group, name, body)
    cards = _cards(cloud, group, machine, body["properties"])
    cloud.machines.add(machine)

    async def work() -> None:
        if cloud.plants.no_capacity:
            raise OperationFailed("AllocationFailed", "Allocation failed. We do not have sufficient capacity.")
        await cloud.power.make(machine)
        _boots(machine)
        _address(cloud, machine, cards)

    return cloud.going_on(_begin(cloud, machine, "create", work), told_machine(cloud, machine), 201)


def _new(cloud: Azure, group: str, name: str, body: Mapping[str, Any]) -> Machine:
    properties = body.get("properties") or {}
    system, storage = properties.get("osProfile") or {}, properties.get("storageProfile") or {}
    size = SIZES.get(str((properties.get("hardwareProfile") or {}).get("vmSize")))
    if size is None:
        raise Refused(400, "InvalidParameter", "The value of parameter vmSize is invalid.")
    user = str(system.get("adminUsername") or "")
    if not user or user.lower() in FORBIDDEN_USERS:
        raise Refused(400, "InvalidParameter", "The Admin Username specified is not allowed.")
    if not 0 < len(str(system.get("computerName") or "")) <= 64:
        raise Refused(400, "InvalidParameter", "Required parameter 'osProfile.computerName' is missing or too long.")
    used = sum(machine.wanted.cpus for machine in cloud.machines.values())
    if cloud.plants.quota_full or used + size[0] > CORES:
        text = "Operation could not be completed as it results in exceeding approved Total Regional Cores quota."
        raise Refused(409, "OperationNotAllowed", text)
    try:
        data = base64.b64decode(system.get("customData") or "", validate=True)
    except binascii.Error:
        raise Refused(400, "InvalidParameter", "Custom data must be in Base64.") from None
    keys = (((system.get("linuxConfiguration") or {}).get("ssh") or {}).get("publicKeys")) or []
    disk = storage.get("osDisk") or {}
    made = [(disk.get("name") or f"{name}_OsDisk_1", int(disk.get("diskSizeGB") or 30), -1)]
    made += [
        (one.get("name") or f"{name}_disk{one['lun']}", int(one.get("diskSizeGB") or 1), int(one["lun"]))
        for one in storage.get("dataDisks") or ()
    ]
    id, number = cloud.id(group, _KIND, name), f"{len(cloud.operations.all)}-{len(cloud.machines)}"
    disks = [
        Disk(id=f"{number}-{title}"[-40:], size=gib * GIB, device=lun + 1 if lun < 2 else lun + 2)
        for title, gib, lun in made if lun >= 0
    ]  # fmt: skip
    for title, gib, _ in made:
        told = {"location": body["location"], "tags": body.get("tags"), "managedBy": id}
        create = {"creationData": {"createOption": "Empty"}, "diskSizeGB": gib}
        add(cloud, _DISKS, group, title, {**told, "properties": create})
    shown = {**properties, "vmId": f"00000000-0000-4000-8000-{abs(hash(id)) % 10**12:012}"}
    shown["osProfile"] = {key: value for key, value in system.items() if key != "customData"}
    told = {"id": id, "name": name, "type": _KIND, "location": body["location"], "properties": shown}
    return Machine(
        id=id.lower(), name=name, labels=dict(body.get("tags") or {}),
        wanted=Wanted(
            id=f"{number}-{name}"[:60], name=str(system["computerName"]), template=_image(cloud, storage),
            cpus=size[0], memory_mib=size[1], root_size=made[0][1] * GIB, disks=disks,
            user_data=_agent(data, user, [str(key.get("keyData")) for key in keys]),
        ),
        told={
            **told, "_asked": properties, "_failed": (), "_deallocated": False, "_serial": "", "_cards": [],
            "_disks": [cloud.id(group, _DISKS, title).lower() for title, _, _ in made],
        },
    )  # fmt: skip


def _image(cloud: Azure, storage: Mapping[str, Any]) -> str:
    named = storage.get("imageReference") or {}
    if id := named.get("id"):
        if cloud.at(str(id)) is None:
            raise Refused(404, "ResourceNotFound", f"The Image '{id}' was not found.")
        return str(id).rpartition("/")[2]
    urn = ":".join(str(named.get(key)) for key in ("publisher", "offer", "sku"))
    known = versions(urn)
    if not known or named.get("version") not in ("latest", *known):
        raise Refused(
            404, "PlatformImageNotFound", f"The platform image '{urn}:{named.get('version')}' is not available."
        )
    return urn


def _agent(data: bytes, user: str, keys: list[str]) -> bytes:
    """What cloud-init does at the first boot: the custom data, and the first user with its keys."""
    import yaml

    if data and not data.startswith(b"#cloud-config"):
        return data
    config = yaml.safe_load(data) if data else {}
    config["users"] = [*config.get("users", []), {"name": user, "ssh_authorized_keys": keys, "sudo": True}]
    return f"#cloud-config\n{json.dumps(config)}".encode()


def _cards(cloud: Azure, group: str, machine: Machine, properties: Mapping[str, Any]) -> list[Any]:
    """Its interfaces: those that exist, and those to be made with it."""
    network = properties.get("networkProfile") or {}
    cards = []
    for one in network.get("networkInterfaces") or ():
        card = cloud.at(str(one["id"]))
        if card is None or card.told["properties"].get("virtualMachine"):
            raise Refused(400, "InvalidResourceReference", f"Resource {one['id']} was not found, or is in use.")
        cards.append(card)
    made = network.get("networkInterfaceConfigurations") or ()
    if made and not network.get("networkApiVersion"):
        raise Refused(400, "InvalidParameter", "Required parameter 'networkApiVersion' is missing (null).")
    cards += [_made_card(cloud, group, machine, one) for one in made]
    if not cards:
        raise Refused(400, "InvalidParameter", "Virtual Machine must have a network interface.")
    for card in cards:
        card.told["properties"]["virtualMachine"] = {"id": machine.told["id"]}
    machine.told["_cards"] = [card.id for card in cards]
    references = [{"id": card.told["id"], "properties": {"primary": card is cards[0]}} for card in cards]
    machine.told["properties"] = {**machine.told["properties"], "networkProfile": {"networkInterfaces": references}}
    return cards


def _made_card(cloud: Azure, group: str, machine: Machine, one: Mapping[str, Any]) -> Any:
    given, place = one.get("properties") or {}, {"location": machine.told["location"]}
    configurations: list[dict[str, Any]] = []
    if (wall := given.get("networkSecurityGroup")) and cloud.at(str(wall["id"])) is None:
        raise Refused(400, "InvalidResourceReference", f"Resource {wall['id']} was not found.")
    for configuration in given.get("ipConfigurations") or ():
        asked = configuration.get("properties") or {}
        subnet(cloud, str(asked["subnet"]["id"]))
        properties = {"subnet": asked["subnet"], "primary": not configurations}
        if public := asked.get("publicIPAddressConfiguration"):
            body = {**place, "tags": public.get("tags"), "sku": public.get("sku"), "properties": {}}
            address = add(cloud, _ADDRESSES, group, public["name"], body)
            properties["publicIPAddress"] = {"id": address.told["id"]}
        configurations.append({"name": configuration["name"], "properties": properties})
    rules = {"networkSecurityGroup": wall} if wall else {}
    body = {**place, "tags": one.get("tags"), "properties": {"ipConfigurations": configurations, **rules}}
    return add(cloud, _CARDS, group, one["name"], body)


def _address(cloud: Azure, machine: Machine, cards: list[Any]) -> None:
    """The machine's address is its public one; its only one, if no interface has a public one."""
    real = machine.address
    for card in cards:
        for configuration in card.told["properties"].get("ipConfigurations") or ():
            properties = configuration["properties"]
            public = cloud.at(str((properties.get("publicIPAddress") or {}).get("id") or ""))
            if public is not None:
                public.told["properties"] |= {"ipAddress": real, "ipConfiguration": {"id": configuration["id"]}}
            private = real if public is None and card is cards[0] else ""
            properties["privateIPAddress"] = private or free_address(cloud, str(properties["subnet"]["id"]))


def _boots(machine: Machine) -> None:
    machine.told["_serial"] += f"[    0.000000] Linux version 6.1.0\n{machine.wanted.name} login: \n"


@ROUTES.on(f"{_KIND}/delete", f"DELETE GROUP{_AT}/{{name}}")
async def delete_machine(call: _Calls) -> Answer:
    cloud = call.cloud
    try:
        machine: Machine = cloud.named(_KIND, call)
    except Refused as refused:
        if refused.code != "ResourceNotFound":
            raise
        return Answer(None, 204)
    busy(machine)

    async def work() -> None:
        machine.state = "deleting"
        await cloud.power.remove(machine, lambda: _forget(cloud, machine))

    return cloud.going_on(_begin(cloud, machine, "delete", work))


def _forget(cloud: Azure, machine: Machine) -> None:
    """Interfaces and disks go with it, or stay, as their `deleteOption` says; made ones go."""
    cloud.machines.remove(machine.id)
    storage = machine.told["properties"].get("storageProfile") or {}
    options = [storage.get("osDisk") or {}, *(storage.get("dataDisks") or ())]
    for id, asked in zip(machine.told["_disks"], options, strict=True):
        if asked.get("deleteOption") == "Delete":
            cloud.shelves[_DISKS].remove(id)
        elif id in cloud.shelves[_DISKS]:
            cloud.shelves[_DISKS][id].told.pop("managedBy", None)
    made = (machine.told["_asked"].get("networkProfile") or {}).get("networkInterfaceConfigurations") or ()
    goes = {one["name"].lower() for one in made if (one.get("properties") or {}).get("deleteOption") == "Delete"}
    for id in machine.told["_cards"]:
        card = cloud.shelves[_CARDS].get(id)
        if card is None:
            continue
        card.told["properties"].pop("virtualMachine", None)
        for configuration in card.told["properties"].get("ipConfigurations") or () if card.name.lower() in goes else ():
            cloud.shelves[_ADDRESSES].remove(
                str((configuration["properties"].get("publicIPAddress") or {}).get("id") or "").lower()
            )
        if card.name.lower() in goes:
            cloud.shelves[_CARDS].remove(id)


def _begin(cloud: Azure, machine: Machine, command: str, work: Callable[[], Awaitable[object]]) -> Operation:
    """Begin an operation of a machine; only one at a time. A failed one is kept in its view."""

    async def kept() -> None:
        try:
            await work()
            machine.told["_failed"] = ()
        except OperationFailed as failed:
            machine.told["_failed"] = (failed.code, str(failed))
            raise

    return cloud.operations.begin_alone(command, "machine", machine, kept)


@ROUTES.on(f"{_KIND}/retrieveBootDiagnosticsData/action", f"POST GROUP{_AT}/{{name}}/retrieveBootDiagnosticsData")
async def get_console(call: _Calls) -> Answer:
    machine: Machine = call.cloud.named(_KIND, call)
    diagnostics = (machine.told["properties"].get("diagnosticsProfile") or {}).get("bootDiagnostics") or {}
    if not diagnostics.get("enabled"):
        raise Refused(409, "OperationNotAllowed", "Boot diagnostics is not enabled for this virtual machine.")
    return Answer({"serialConsoleLogBlobUri": f"{call.cloud.root}/console{machine.id}"})


def _power(verb: str) -> Callable[[_Calls], Awaitable[Answer]]:
    async def act(call: _Calls) -> Answer:
        cloud = call.cloud
        machine: Machine = cloud.named(_KIND, call)
        busy(machine)
        power, skips = cloud.power, call.query.get("skipShutdown", "").lower() == "true"

        async def on() -> None:
            if machine.state != "on":
                await power.on(machine)
                machine.told["_deallocated"] = False
                _boots(machine)

        async def off() -> None:
            if machine.state == "on" and (skips or not await power.button(machine)):
                await power.cut(machine)  # also of a guest that does not obey: Azure cuts its power after a time

        async def deallocate() -> None:
            await off()
            machine.told["_deallocated"] = True

        async def restart() -> None:
            await power.reboot(machine)
            _boots(machine)

        async def redeploy() -> None:
            await power.cut(machine)
            await on()

        works = {"start": on, "powerOff": off, "deallocate": deallocate, "restart": restart, "redeploy": redeploy}
        return cloud.going_on(_begin(cloud, machine, verb, works[verb]))

    return act


for _verb in ("start", "powerOff", "deallocate", "restart", "redeploy"):
    ROUTES.on(f"{_KIND}/{_verb}/action", f"POST GROUP{_AT}/{{name}}/{_verb}")(_power(_verb))
