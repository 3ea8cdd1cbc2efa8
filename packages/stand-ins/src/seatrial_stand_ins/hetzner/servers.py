"""Servers: create, power, delete; and actions."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from seatrial_stand_ins.clouds.operations import Operation, OperationFailed
from seatrial_stand_ins.clouds.server import Answer, Call, Refused
from seatrial_stand_ins.clouds.things import Machine
from seatrial_stand_ins.hetzner.cloud import (
    ROUTES,
    Hetzner,
    by_id_or_name,
    invalid,
    of,
    page,
    require_free,
    told_action,
    told_server,
)
from seatrial_stand_ins.hetzner.labels import require_labels
from seatrial_stand_ins.machines import Wanted

HOST_NAME = re.compile(r"[A-Za-z0-9](?:[-.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
USER_DATA = 32 * 1024
"""Maximum number of bytes of user data."""

_Calls = Call[Hetzner]


@ROUTES("GET /servers")
async def list_servers(call: _Calls) -> Answer:
    cloud = call.cloud
    return page(call, "servers", cloud.machines.listed(), lambda one: told_server(cloud, one))


@ROUTES("GET /servers/{id}")
async def get_server(call: _Calls) -> Answer:
    return Answer({"server": told_server(call.cloud, of(call.cloud.machines, call.values["id"], "server"))})


@ROUTES("POST /servers")
async def create_server(call: _Calls) -> Answer:
    cloud, body = call.cloud, call.body
    name = require_free(cloud.machines, body.get("name"))
    if not HOST_NAME.fullmatch(name):
        raise invalid("name", "must be a valid hostname")
    size = by_id_or_name(cloud.server_types, body.get("server_type"), "server_type")
    image = by_id_or_name(cloud.images, body.get("image"), "image")
    place = by_id_or_name(cloud.locations, body.get("location") or "fsn1", "location")
    keys = [by_id_or_name(cloud.ssh_keys, key, "ssh_keys") for key in body.get("ssh_keys") or ()]
    networks = [of(cloud.networks, str(id), "network") for id in body.get("networks") or ()]
    walls = [of(cloud.firewalls, str(one.get("firewall")), "firewall") for one in body.get("firewalls") or ()]
    group = of(cloud.placement_groups, str(body["placement_group"]), "placement_group") if body.get(
        "placement_group"
    ) else None  # fmt: skip
    data = str(body.get("user_data") or "").encode()
    if len(data) > USER_DATA:
        raise invalid("user_data", f"maximum length is {USER_DATA}")
    labels = require_labels(body.get("labels"))
    if cloud.plants.quota_full or len(cloud.machines) >= cloud.most_machines:
        raise Refused(403, "resource_limit_exceeded", "server limit exceeded")
    if cloud.plants.no_capacity:
        raise Refused(412, "resource_unavailable", f"error during placement: {place.name} has no room")
    id = cloud.numbers()
    machine = Machine(
        id=id, name=name, labels=labels,
        wanted=Wanted(
            id=str(id), name=name, template=image.name, cpus=size.told["cores"],
            memory_mib=int(size.told["memory"] * 1024), root_size=size.told["disk"] * 1024**3,
            authorized=[key.told["public_key"] for key in keys], user_data=data,
        ),
        told={
            "server_type": size.told, "image": image.told, "location": place.told, "iso": None, "volumes": [],
            "rescue_enabled": False, "backup_window": None, "outgoing_traffic": 0, "ingoing_traffic": 0,
            "included_traffic": 0, "protection": {"delete": False, "rebuild": False}, "load_balancers": [],
            "primary_disk_size": size.told["disk"], "_group": group.id if group else 0,
        },
    )  # fmt: skip
    cloud.machines.add(machine)
    for network in networks:
        network.told["_servers"][id] = _free_address(network.told["ip_range"], len(network.told["_servers"]))
    for wall in walls:
        wall.told["_servers"].append(id)
    if group:
        group.told["servers"].append(id)
    starts = body.get("start_after_create", True) is not False
    created = _begin(cloud, machine, "create_server", lambda: _made(cloud, machine, starts))
    started = []
    if starts:  # an action of its own, which ends with the first one
        started.append(cloud.operations.begin("start_server", "server", id, created.end.wait))
    return Answer(
        {
            "server": told_server(cloud, machine), "action": told_action(created),
            "next_actions": [told_action(one) for one in started],
            "root_password": None if keys else "a-password-of-a-stand-in",
        },
        201,
    )  # fmt: skip


async def _made(cloud: Hetzner, machine: Machine, starts: bool) -> None:
    if starts:
        await cloud.power.make(machine)
    else:
        machine.state = "off"


def _free_address(ip_range: str, taken: int) -> str:
    import ipaddress

    return str(ipaddress.ip_network(ip_range)[taken + 2])


@ROUTES("PUT /servers/{id}")
async def update_server(call: _Calls) -> Answer:
    machine: Machine = of(call.cloud.machines, call.values["id"], "server")
    if call.body.get("name") and call.body["name"] != machine.name:
        machine.name = require_free(call.cloud.machines, call.body["name"])
    if "labels" in call.body:
        machine.labels = require_labels(call.body["labels"])
    return Answer({"server": told_server(call.cloud, machine)})


@ROUTES("DELETE /servers/{id}")
async def delete_server(call: _Calls) -> Answer:
    cloud = call.cloud
    machine: Machine = of(cloud.machines, call.values["id"], "server")

    def forget() -> None:
        cloud.machines.remove(machine.id)
        for shelf in (cloud.networks, cloud.firewalls, cloud.placement_groups):
            for thing in shelf.values():
                inside = thing.told["servers" if shelf is cloud.placement_groups else "_servers"]
                inside.pop(machine.id, None) if isinstance(inside, dict) else _leave(inside, machine.id)

    async def work() -> None:
        machine.state = "deleting"
        await cloud.power.remove(machine, forget)

    return Answer({"action": told_action(_begin(cloud, machine, "delete_server", work))})


def _leave(inside: list[int | str], id: int | str) -> None:
    if id in inside:
        inside.remove(id)


def _begin(cloud: Hetzner, machine: Machine, command: str, work: Callable[[], Awaitable[object]]) -> Operation:
    """Begin an action of a server; only one at a time."""
    if machine.busy:
        raise Refused(423, "locked", "the item you are trying to access is locked (an action is already running)")
    return cloud.operations.begin_alone(command, "server", machine, work)


@ROUTES("POST /servers/{id}/actions/{verb}")
async def act(call: _Calls) -> Answer:
    cloud, verb = call.cloud, call.values["verb"]
    machine: Machine = of(cloud.machines, call.values["id"], "server")
    power = cloud.power

    async def on() -> None:
        if machine.state != "on":
            await power.on(machine)

    async def off() -> None:
        if machine.state == "on":
            await power.cut(machine)

    async def button() -> None:
        if machine.state == "on":
            await power.button(machine)  # the action succeeds when the button is pressed, obeyed or not

    async def reset() -> None:
        if machine.state == "on":
            await power.cut(machine)
        await power.on(machine)

    async def reboot() -> None:
        if machine.state != "on":
            raise OperationFailed("server_is_stopped", "server is not running")
        await power.reboot(machine)

    works = {
        "poweron": ("start_server", on),
        "poweroff": ("stop_server", off),
        "shutdown": ("shutdown_server", button),
        "reset": ("reset_server", reset),
        "reboot": ("reboot_server", reboot),
    }
    if verb not in works:
        raise cloud.refuse("missing", call.name)
    return Answer({"action": told_action(_begin(cloud, machine, *works[verb]))}, 201)


@ROUTES("GET /servers/{id}/actions")
async def list_server_actions(call: _Calls) -> Answer:
    id = int(call.values["id"]) if call.values["id"].isdigit() else 0
    return _actions(call, [one for one in call.cloud.operations.all.values() if one.resource == id])


@ROUTES("GET /actions")
async def list_actions(call: _Calls) -> Answer:
    wanted = set(call.several("id"))
    return _actions(call, [one for one in call.cloud.operations.all.values() if str(one.id) in wanted])


def _actions(call: _Calls, found: list[Operation]) -> Answer:
    told = [told_action(one) for one in found]
    pagination = {"page": 1, "per_page": 50, "previous_page": None, "next_page": None, "last_page": 1}
    return Answer({"actions": told, "meta": {"pagination": {**pagination, "total_entries": len(told)}}})


@ROUTES("GET /actions/{id}")
async def get_action(call: _Calls) -> Answer:
    return Answer({"action": told_action(of(call.cloud.operations.all, call.values["id"], "action"))})


@ROUTES("GET /servers/{server}/actions/{id}")
async def get_server_action(call: _Calls) -> Answer:
    return await get_action(call)
