"""Droplets: create, power, delete; and actions."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable

from seatrial_stand_ins.clouds.operations import Operation, OperationFailed
from seatrial_stand_ins.clouds.server import Answer, Call
from seatrial_stand_ins.clouds.things import Machine, Thing
from seatrial_stand_ins.digitalocean.cloud import (
    ROUTES,
    DigitalOcean,
    of,
    page,
    tagged,
    told_action,
    told_droplet,
    unprocessable,
)
from seatrial_stand_ins.machines import Wanted

HOST_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9.\-]{0,253}[a-zA-Z0-9])?")
USER_DATA = 64 * 1024
"""Maximum number of bytes of user data."""

AT_ONCE = 10
"""Maximum number of droplets of one request."""

_Calls = Call[DigitalOcean]


@ROUTES("GET /droplets")
async def list_droplets(call: _Calls) -> Answer:
    tag, name = call.query.get("tag_name"), call.query.get("name")
    found = [
        one
        for one in call.cloud.machines.listed()
        if (tag is None or tag in one.tags) and (name is None or name == one.name)
    ]
    return page(call, "droplets", (told_droplet(call.cloud, one) for one in found))


@ROUTES("GET /droplets/{id}")
async def get_droplet(call: _Calls) -> Answer:
    return Answer({"droplet": told_droplet(call.cloud, of(call.cloud.machines, call.values["id"]))})


@ROUTES("POST /droplets")
async def create_droplets(call: _Calls) -> Answer:
    cloud, body = call.cloud, call.body
    names = body.get("names") or [body.get("name")]
    if len(names) > AT_ONCE:
        raise unprocessable(f"You cannot create more than {AT_ONCE} droplets at once")
    if not all(isinstance(name, str) and HOST_NAME.fullmatch(name) for name in names):
        raise unprocessable("Name Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
    if cloud.plants.quota_full or len(cloud.machines) + len(names) > cloud.most_machines:
        raise unprocessable("creating this/these droplet(s) will exceed your droplet limit")
    made = [_new(cloud, body, name) for name in names]
    actions = [
        _begin(cloud, machine, "create", lambda machine=machine: cloud.power.make(machine))  # type: ignore[misc]
        for machine in made
    ]
    links = [{"id": one.id, "rel": "create", "href": f"{cloud.root}{cloud.base}/actions/{one.id}"} for one in actions]
    told = [told_droplet(cloud, machine) for machine in made]
    if "names" in body:
        return Answer({"droplets": told, "links": {"actions": links}}, 202)
    return Answer({"droplet": told[0], "links": {"actions": links}}, 202)


def _new(cloud: DigitalOcean, body: object, name: str) -> Machine:
    assert isinstance(body, dict)
    region = cloud.regions.named(str(body.get("region") or "fra1"))
    size = cloud.sizes.named(str(body.get("size")))
    image = next((one for one in cloud.images.values() if body.get("image") in (one.id, str(one.id), one.name)), None)
    if region is None or size is None or image is None:
        what = "region" if region is None else "size" if size is None else "image"
        raise unprocessable(f"You specified an invalid {what} for Droplet creation.")
    if cloud.plants.no_capacity:
        raise unprocessable("Size is not available in this region.")
    data = str(body.get("user_data") or "").encode()
    if len(data) > USER_DATA:
        raise unprocessable("User data is too long")
    keys = [_key(cloud, one) for one in body.get("ssh_keys") or ()]
    default = next(one for one in cloud.vpcs.values() if one.told["default"] and one.told["region"] == region.name)
    vpc = of(cloud.vpcs, str(body["vpc_uuid"])) if body.get("vpc_uuid") else default
    tags = tagged(cloud, body.get("tags"))
    id = cloud.numbers()
    private = ipaddress.ip_network(vpc.told["ip_range"])[2 + len(cloud.machines)]
    machine = Machine(
        id=id, name=name, tags=tags,
        wanted=Wanted(
            id=str(id), name=name, template=image.name, cpus=size.told["vcpus"], memory_mib=size.told["memory"],
            root_size=size.told["disk"] * 1024**3, authorized=[key.told["public_key"] for key in keys],
            user_data=data,
        ),
        told={
            "memory": size.told["memory"], "vcpus": size.told["vcpus"], "disk": size.told["disk"], "kernel": None,
            "region": region.told, "image": image.told, "size": size.told, "size_slug": size.name,
            "backup_ids": [], "next_backup_window": None, "snapshot_ids": [], "features": [], "volume_ids": [],
            "vpc_uuid": vpc.id, "_private": str(private),
        },
    )  # fmt: skip
    return cloud.machines.add(machine)


def _key(cloud: DigitalOcean, named: object) -> Thing:
    """A key by its identifier or its fingerprint."""
    for key in cloud.keys.values():
        if str(named) in (str(key.id), key.told["fingerprint"]):
            return key
    raise unprocessable(f"{named} are invalid key identifiers for Droplet creation.")


@ROUTES("DELETE /droplets/{id}")
async def delete_droplet(call: _Calls) -> Answer:
    _delete(call.cloud, of(call.cloud.machines, call.values["id"]))
    return Answer(None, 204)


@ROUTES("DELETE /droplets")
async def delete_tagged(call: _Calls) -> Answer:
    for machine in _tagged(call):
        _delete(call.cloud, machine)
    return Answer(None, 204)


def _tagged(call: _Calls) -> list[Machine]:
    tag = call.query.get("tag_name")
    if not tag:
        raise unprocessable("tag_name is needed")
    return [one for one in call.cloud.machines.values() if tag in one.tags]


def _delete(cloud: DigitalOcean, machine: Machine) -> None:
    def forget() -> None:
        cloud.machines.remove(machine.id)
        for wall in cloud.firewalls.values():
            if machine.id in wall.told["droplet_ids"]:
                wall.told["droplet_ids"].remove(machine.id)

    async def work() -> None:
        machine.state = "deleting"
        await cloud.power.remove(machine, forget)

    _begin(cloud, machine, "destroy", work)


def _begin(cloud: DigitalOcean, machine: Machine, command: str, work: Callable[[], Awaitable[object]]) -> Operation:
    """Begin an action of a droplet; only one at a time."""
    if machine.busy:
        raise unprocessable("Droplet already has a pending event.")
    return cloud.operations.begin_alone(command, "droplet", machine, work)


def _act(cloud: DigitalOcean, machine: Machine, verb: str) -> Operation:
    power = cloud.power

    async def cycle() -> None:
        await power.cut(machine)
        await power.on(machine)

    async def button() -> None:
        if not await power.button(machine):
            raise OperationFailed("errored", "the droplet did not shut down in time")

    works: dict[str, tuple[str, Callable[[], Awaitable[object]]]] = {
        "power_on": ("off", lambda: power.on(machine)),
        "power_off": ("on", lambda: power.cut(machine)),
        "power_cycle": ("on", cycle),
        "shutdown": ("on", button),
        "reboot": ("on", lambda: power.reboot(machine)),
    }
    if verb not in works:
        raise unprocessable(f"The action {verb} is not one that this stand-in plays")
    needed, work = works[verb]
    if machine.state not in (needed, "new") and not machine.busy:
        raise unprocessable(
            "Droplet is already powered on."
            if needed == "off"
            else "Droplet is currently powered off. Please power it on to run this event."
        )
    return _begin(cloud, machine, verb, work)


@ROUTES("POST /droplets/{id}/actions")
async def act(call: _Calls) -> Answer:
    machine: Machine = of(call.cloud.machines, call.values["id"])
    return Answer({"action": told_action(call.cloud, _act(call.cloud, machine, str(call.body.get("type"))))}, 201)


@ROUTES("POST /droplets/actions")
async def act_tagged(call: _Calls) -> Answer:
    verb = str(call.body.get("type"))
    told = [told_action(call.cloud, _act(call.cloud, one, verb)) for one in _tagged(call)]
    return Answer({"actions": told}, 201)


@ROUTES("GET /droplets/{id}/actions")
async def list_droplet_actions(call: _Calls) -> Answer:
    machine: Machine = of(call.cloud.machines, call.values["id"])
    found = [one for one in call.cloud.operations.all.values() if one.resource == machine.id]
    return page(call, "actions", (told_action(call.cloud, one) for one in reversed(found)))


@ROUTES("GET /droplets/{droplet}/actions/{id}")
async def get_droplet_action(call: _Calls) -> Answer:
    return await get_action(call)


@ROUTES("GET /actions/{id}")
async def get_action(call: _Calls) -> Answer:
    return Answer({"action": told_action(call.cloud, of(call.cloud.operations.all, call.values["id"]))})
