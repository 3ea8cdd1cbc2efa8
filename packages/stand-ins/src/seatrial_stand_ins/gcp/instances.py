"""The methods of instances: insert, power, labels, serial port, delete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from seatrial_stand_ins.gcp import guests
from seatrial_stand_ins.gcp.calling import Call, fingerprint, method, require_fingerprint, require_labels, require_name
from seatrial_stand_ins.gcp.catalog import made
from seatrial_stand_ins.gcp.cloud import TYPES, Cloud, Thing, now, number
from seatrial_stand_ins.gcp.refusals import Ended, Refused, invalid, no_such

SERIAL = 1024 * 1024
"""Bytes of one answer with the output of a serial port."""


@method("instances.get")
async def get_instance(call: Call) -> dict[str, Any]:
    call.need("compute.instances.get")
    return call.target.document


@method("instances.insert")
async def insert(call: Call) -> dict[str, Any]:
    call.need("compute.instances.create")
    cloud, body = call.cloud, call.body
    name, labels = require_name(body.get("name")), body.get("labels", {})
    require_labels(labels)
    own, zone = call.path.rpartition("/")[0], call.place["zone"]
    if own not in cloud.things:
        raise no_such(own)
    size = str(body.get("machineType", ""))
    cloud.get(f"{own}/machineTypes/{size.rpartition('/')[2]}")
    if not body.get("networkInterfaces"):
        raise invalid("resource.networkInterfaces", "[]", "At least one network interface is required.")
    if not body.get("disks"):
        raise invalid("resource.disks", "[]", "At least one disk is required.")
    for card in body["networkInterfaces"]:
        cloud.get(cloud.path(str(card.get("network") or "global/networks/default")))
    disks = [_disk(call, disk, name, place) for place, disk in enumerate(body["disks"])]
    region = zone.rpartition("-")[0]
    wanted = TYPES[size.rpartition("/")[2]][0]
    path = f"{call.path}/{name}"
    if path in cloud.things:
        cloud.add(path, {})  # refused
    full = cloud.cpus(region) + wanted > cloud.plants.quota
    document = {
        "kind": "compute#instance", **body, "zone": cloud.link(own), "status": "PROVISIONING", "labels": labels,
        "labelFingerprint": fingerprint(labels), "disks": [attached for attached, _, _ in disks],
        "machineType": cloud.link(f"{own}/machineTypes/{size.rpartition('/')[2]}"), "cpuPlatform": "Intel Broadwell",
        "networkInterfaces": [_card(call, card, place) for place, card in enumerate(body["networkInterfaces"])],
        "metadata": {"kind": "compute#metadata", **body.get("metadata", {}),
                     "fingerprint": fingerprint(body.get("metadata", {}))},
        "scheduling": {"onHostMaintenance": "MIGRATE", "automaticRestart": True, **body.get("scheduling", {})},
    }  # fmt: skip
    if full or cloud.plants.no_capacity:
        thing = Thing(path, {"id": number(), "name": name})
    else:
        thing = cloud.add(path, document)
        for _, disk, fresh in disks:
            if fresh is not None:
                made(call, "disks", disk, {**fresh, "users": [cloud.link(path)]}).document["status"] = "READY"

    async def work() -> None:
        if cloud.plants.no_capacity:
            text = f"The zone '{own}' does not have enough resources available to fulfill the request."
            raise Ended("ZONE_RESOURCE_POOL_EXHAUSTED", text, 503, "SERVICE UNAVAILABLE")
        if full:
            text = f"Quota 'CPUS' exceeded.  Limit: {cloud.plants.quota}.0 in region {region}."
            raise Ended("QUOTA_EXCEEDED", text, 403, "FORBIDDEN")
        async with thing.guest.busy:
            thing.document["status"] = "STAGING"
            await guests.power_on(cloud, thing)
            _running(cloud, thing)

    return call.begin(thing, work)


def _disk(call: Call, disk: dict[str, Any], name: str, place: int) -> tuple[dict[str, Any], str, dict[str, Any] | None]:
    """An attached disk, its path, and what it is made from; None: it exists."""
    cloud, own = call.cloud, call.path.rpartition("/")[0]
    fresh: dict[str, Any] | None = None
    if given := disk.get("initializeParams"):
        source = given.get("sourceImage")
        image = _image(cloud, str(source)) if source else None
        path = f"{own}/disks/{given.get('diskName') or (name if not place else f'{name}-{place}')}"
        least = image.document["diskSizeGb"] if image else "10"
        fresh = {"name": path.rpartition("/")[2], "sizeGb": str(given.get("diskSizeGb") or least),
                 "labels": given.get("labels", {}),
                 **({"sourceImage": cloud.link(image.path)} if image else {})}  # fmt: skip
        require_labels(fresh["labels"])
        if path in cloud.things:
            cloud.add(path, {})  # refused
    else:
        path = cloud.path(str(disk.get("source")))
        cloud.get(path)
    kept = {key: value for key, value in disk.items() if key != "initializeParams"}
    whole = {"kind": "compute#attachedDisk", "autoDelete": False, "mode": "READ_WRITE", "type": "PERSISTENT", **kept}
    return {**whole, "index": place, "boot": place == 0, "source": cloud.link(path)}, path, fresh


def _image(cloud: Cloud, source: str) -> Thing:
    path = cloud.path(source)
    scope, family, name = path.partition("/family/")
    if not family:
        return cloud.get(path)
    found = [thing for thing in cloud.below(scope) if thing.document.get("family") == name]
    if not found:
        raise no_such(path)
    return found[-1]


def _card(call: Call, card: dict[str, Any], place: int) -> dict[str, Any]:
    configs = [
        {"kind": "compute#accessConfig", "type": "ONE_TO_ONE_NAT", "name": "external-nat", **config}
        for config in card.get("accessConfigs", ())
    ]
    network = call.cloud.link(call.cloud.path(str(card.get("network") or "global/networks/default")))
    access = {"accessConfigs": configs} if configs else {}
    return {"kind": "compute#networkInterface", **card, "network": network, "name": f"nic{place}", **access}


def _running(cloud: Cloud, thing: Thing) -> None:
    card = thing.document["networkInterfaces"][0]
    card.setdefault("networkIP", thing.guest.address)
    for config in card.get("accessConfigs", ()):
        config["natIP"] = thing.guest.address
        if cloud.plants.moves:
            config["natIP"] = f"203.0.113.{len(thing.guest.serial) % 250 + 1}"
    thing.document |= {"status": "RUNNING", "lastStartTimestamp": now()}


def _stopped(thing: Thing) -> None:
    for card in thing.document["networkInterfaces"]:
        for config in card.get("accessConfigs", ()):
            config.pop("natIP", None)  # an ephemeral address is given back
    thing.document |= {"status": "TERMINATED", "lastStopTimestamp": now()}


def went_off(cloud: Cloud, id: str) -> None:
    """An instance has powered itself off."""
    for thing in cloud.instances.values():
        if thing.id == id and thing.document["status"] == "RUNNING" and not thing.guest.busy.locked():
            thing.guest.serial += guests.SHUTS_DOWN
            _stopped(thing)


def power(name: str, right: str) -> Callable[[Callable[[Cloud, Thing], Awaitable[None]]], None]:
    """Register a method that changes the power of an instance."""

    def registered(change: Callable[[Cloud, Thing], Awaitable[None]]) -> None:
        async def begun(call: Call) -> dict[str, Any]:
            call.need(right)
            thing = call.target

            async def work() -> None:
                async with thing.guest.busy:
                    if thing.path not in call.cloud.things:
                        raise no_such(thing.path)
                    await change(call.cloud, thing)

            return call.begin(thing, work)

        method(name)(begun)

    return registered


@power("instances.start", "compute.instances.start")
async def start(cloud: Cloud, thing: Thing) -> None:
    if thing.document["status"] != "TERMINATED":
        return
    if cloud.plants.no_capacity:
        text = f"The zone '{thing.document['zone']}' does not have enough resources available to fulfill the request."
        raise Ended("ZONE_RESOURCE_POOL_EXHAUSTED", text, 503, "SERVICE UNAVAILABLE")
    thing.document["status"] = "STAGING"
    await guests.power_on(cloud, thing)
    _running(cloud, thing)


@power("instances.stop", "compute.instances.stop")
async def stop(cloud: Cloud, thing: Thing) -> None:
    if thing.document["status"] != "RUNNING":
        return
    thing.document["status"] = "STOPPING"
    if thing.name not in cloud.plants.keeps_running:
        await cloud.machines.stop(thing.id, forced=False)
        thing.guest.serial += guests.SHUTS_DOWN
    _stopped(thing)


@power("instances.reset", "compute.instances.reset")
async def reset(cloud: Cloud, thing: Thing) -> None:
    if thing.document["status"] != "RUNNING":
        text = f"The instance '{thing.path}' is not running, and cannot be reset."
        raise Refused(400, "resourceNotReady", text)
    if thing.name in cloud.plants.ignores_reset:
        return
    gently = thing.name in cloud.plants.resets_gently
    await cloud.machines.stop(thing.id, forced=not gently)
    thing.guest.serial += guests.SHUTS_DOWN if gently else ""
    await guests.power_on(cloud, thing)


@method("instances.delete")
async def delete(call: Call) -> dict[str, Any]:
    call.need("compute.instances.delete")
    cloud, thing = call.cloud, call.target
    if thing.document.get("deletionProtection"):
        text = f"Invalid resource usage: 'Resource cannot be deleted if it's protected against deletion. {thing.path}'."
        raise Refused(400, "invalidResourceUsage", text)

    async def work() -> None:
        async with thing.guest.busy:
            if thing.name in cloud.plants.keeps:
                return
            thing.document["status"] = "STOPPING"
            if thing.guest.real:
                await cloud.machines.destroy(thing.id)
            for disk in thing.document["disks"]:
                path = cloud.path(disk["source"])
                if disk["autoDelete"]:
                    cloud.things.pop(path, None)
                elif path in cloud.things:
                    cloud.things[path].document.pop("users", None)
            cloud.things.pop(thing.path, None)

    return call.begin(thing, work)


@method("instances.setMetadata")
async def set_metadata(call: Call) -> dict[str, Any]:
    call.need("compute.instances.setMetadata")
    thing = call.target
    require_fingerprint(str(call.body.get("fingerprint", "")), str(thing.document["metadata"]["fingerprint"]))

    async def work() -> None:
        given = {key: value for key, value in call.body.items() if key != "fingerprint"}
        thing.document["metadata"] = {"kind": "compute#metadata", **given, "fingerprint": fingerprint(given)}

    return call.begin(thing, work)


@method("instances.getSerialPortOutput")
async def serial(call: Call) -> dict[str, Any]:
    call.need("compute.instances.getSerialPortOutput")
    output = call.target.guest.serial if call.query.get("port", "1") == "1" else ""
    begin = int(call.query.get("start", "0"))
    contents = output[begin : begin + SERIAL]
    return {
        "kind": "compute#serialPortOutput", "contents": contents, "start": str(begin),
        "next": str(begin + len(contents)), "selfLink": call.cloud.link(call.path),
    }  # fmt: skip


@method("instances.getGuestAttributes")
async def guest_attributes(call: Call) -> dict[str, Any]:
    call.need("compute.instances.getGuestAttributes")
    thing = call.target
    asked = call.query.get("queryPath", "")
    on = guests.metadata_of(thing.document).get("enable-guest-attributes", "").upper() == "TRUE"
    if not on or thing.guest.address == "" or not asked.startswith("hostkeys"):
        raise no_such(call.path)
    kind, _, key = thing.guest.host_key.partition(" ")
    entry = {"namespace": "hostkeys", "key": kind, "value": key}
    return {
        "kind": "compute#guestAttributes", "queryPath": asked, "selfLink": call.cloud.link(call.path),
        "queryValue": {"items": [entry]},
    }  # fmt: skip
