"""The account, keys, tags, VPCs, firewalls, and the catalog."""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import uuid
from typing import Any

from seatrial_stand_ins.clouds.server import Answer, Call, Refused
from seatrial_stand_ins.clouds.things import Machine, Thing
from seatrial_stand_ins.digitalocean.cloud import ROUTES, DigitalOcean, of, page, tagged, unprocessable

_Calls = Call[DigitalOcean]


@ROUTES("GET /account")
async def get_account(call: _Calls) -> Answer:
    account = {
        "droplet_limit": call.cloud.most_machines, "floating_ip_limit": 3, "reserved_ip_limit": 3, "volume_limit": 10,
        "email": "us@example.com", "name": "us", "uuid": "6b1d9a4e-0000-4000-8000-000000000001",
        "email_verified": True, "status": "active", "status_message": "",
        "team": {"uuid": "6b1d9a4e-0000-4000-8000-000000000002", "name": "seatrial"},
    }  # fmt: skip
    return Answer({"account": account})


def _told_key(key: Thing) -> dict[str, Any]:
    return {**key.told, "id": key.id, "name": key.name}


@ROUTES("GET /account/keys")
async def list_keys(call: _Calls) -> Answer:
    return page(call, "ssh_keys", map(_told_key, call.cloud.keys.listed()))


@ROUTES("POST /account/keys")
async def create_key(call: _Calls) -> Answer:
    public, name = str(call.body.get("public_key") or "").strip(), call.body.get("name")
    try:
        data = base64.b64decode(public.split()[1], validate=True)
    except (IndexError, binascii.Error):
        raise unprocessable("Key invalid, key should be of the format `type key [comment]`") from None
    if not name:
        raise unprocessable("Name can't be blank")
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    mark = ":".join(digest[place : place + 2] for place in range(0, 32, 2))
    if any(key.told["fingerprint"] == mark for key in call.cloud.keys.values()):
        raise unprocessable("SSH Key is already in use on your account")
    key = Thing(id=call.cloud.numbers(), name=str(name), told={"public_key": public, "fingerprint": mark})
    return Answer({"ssh_key": _told_key(call.cloud.keys.add(key))}, 201)


def _key(call: _Calls) -> Thing:
    named = call.values["id"]
    for key in call.cloud.keys.values():
        if named in (str(key.id), key.told["fingerprint"]):
            return key
    raise call.cloud.refuse("missing", call.name)


@ROUTES("GET /account/keys/{id}")
async def get_key(call: _Calls) -> Answer:
    return Answer({"ssh_key": _told_key(_key(call))})


@ROUTES("DELETE /account/keys/{id}")
async def delete_key(call: _Calls) -> Answer:
    call.cloud.keys.remove(_key(call).id)
    return Answer(None, 204)


def _told_tag(cloud: DigitalOcean, tag: Thing) -> dict[str, Any]:
    count = sum(tag.name in machine.tags for machine in cloud.machines.values())
    return {"name": tag.name, "resources": {"count": count, "droplets": {"count": count}}}


@ROUTES("GET /tags")
async def list_tags(call: _Calls) -> Answer:
    return page(call, "tags", (_told_tag(call.cloud, tag) for tag in call.cloud.tags.listed()))


@ROUTES("POST /tags")
async def create_tag(call: _Calls) -> Answer:
    (name,) = tagged(call.cloud, [call.body.get("name")])
    return Answer({"tag": _told_tag(call.cloud, call.cloud.tags[name])}, 201)


@ROUTES("GET /tags/{id}")
async def get_tag(call: _Calls) -> Answer:
    return Answer({"tag": _told_tag(call.cloud, of(call.cloud.tags, call.values["id"]))})


@ROUTES("DELETE /tags/{id}")
async def delete_tag(call: _Calls) -> Answer:
    tag: Thing = of(call.cloud.tags, call.values["id"])
    call.cloud.tags.remove(tag.id)
    for machine in call.cloud.machines.values():
        machine.tags = [name for name in machine.tags if name != tag.name]
    return Answer(None, 204)


def _resources(call: _Calls) -> list[Machine]:
    asked = call.body.get("resources") or []
    return [
        of(call.cloud.machines, str(one.get("resource_id"))) for one in asked if one.get("resource_type") == "droplet"
    ]


@ROUTES("POST /tags/{id}/resources")
async def tag_resources(call: _Calls) -> Answer:
    tag: Thing = of(call.cloud.tags, call.values["id"])
    for machine in _resources(call):
        machine.tags = [*dict.fromkeys([*machine.tags, tag.name])]
    return Answer(None, 204)


@ROUTES("DELETE /tags/{id}/resources")
async def untag_resources(call: _Calls) -> Answer:
    for machine in _resources(call):
        machine.tags = [name for name in machine.tags if name != call.values["id"]]
    return Answer(None, 204)


def _told_vpc(vpc: Thing) -> dict[str, Any]:
    return {**vpc.told, "id": vpc.id, "name": vpc.name, "urn": f"do:vpc:{vpc.id}", "created_at": vpc.created}


@ROUTES("GET /vpcs")
async def list_vpcs(call: _Calls) -> Answer:
    return page(call, "vpcs", map(_told_vpc, call.cloud.vpcs.listed()))


@ROUTES("POST /vpcs")
async def create_vpc(call: _Calls) -> Answer:
    cloud, name = call.cloud, call.body.get("name")
    if not name or cloud.vpcs.named(str(name)) is not None:
        raise unprocessable("VPC name must be unique in the team")
    text = str(call.body.get("ip_range") or f"10.{130 + len(cloud.vpcs)}.0.0/20")
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise unprocessable("invalid ip_range") from None
    told = {
        "ip_range": text, "region": str(call.body.get("region")), "default": False,
        "description": str(call.body.get("description") or ""),
    }  # fmt: skip
    return Answer({"vpc": _told_vpc(cloud.vpcs.add(Thing(id=str(uuid.uuid4()), name=str(name), told=told)))}, 201)


@ROUTES("GET /vpcs/{id}")
async def get_vpc(call: _Calls) -> Answer:
    return Answer({"vpc": _told_vpc(of(call.cloud.vpcs, call.values["id"]))})


@ROUTES("DELETE /vpcs/{id}")
async def delete_vpc(call: _Calls) -> Answer:
    vpc: Thing = of(call.cloud.vpcs, call.values["id"])
    if vpc.told["default"] or any(one.told["vpc_uuid"] == vpc.id for one in call.cloud.machines.values()):
        raise Refused(403, "forbidden", "Can not delete VPC with members")
    call.cloud.vpcs.remove(vpc.id)
    return Answer(None, 204)


def _told_firewall(wall: Thing) -> dict[str, Any]:
    return {
        **wall.told, "id": wall.id, "name": wall.name, "tags": wall.tags, "status": "succeeded",
        "pending_changes": [], "created_at": wall.created,
    }  # fmt: skip


@ROUTES("GET /firewalls")
async def list_firewalls(call: _Calls) -> Answer:
    return page(call, "firewalls", map(_told_firewall, call.cloud.firewalls.listed()))


@ROUTES("POST /firewalls")
async def create_firewall(call: _Calls) -> Answer:
    cloud, body = call.cloud, call.body
    if not body.get("name") or cloud.firewalls.named(str(body["name"])) is not None:
        raise unprocessable("duplicate name" if body.get("name") else "must provide a name")
    if not body.get("inbound_rules") and not body.get("outbound_rules"):
        raise unprocessable("must have at least one rule")
    ids = [int(of(cloud.machines, str(id)).id) for id in body.get("droplet_ids") or ()]
    told = {
        "inbound_rules": body.get("inbound_rules") or [], "outbound_rules": body.get("outbound_rules") or [],
        "droplet_ids": ids,
    }  # fmt: skip
    wall = Thing(id=str(uuid.uuid4()), name=str(body["name"]), told=told, tags=tagged(cloud, body.get("tags")))
    return Answer({"firewall": _told_firewall(cloud.firewalls.add(wall))}, 202)


@ROUTES("GET /firewalls/{id}")
async def get_firewall(call: _Calls) -> Answer:
    return Answer({"firewall": _told_firewall(of(call.cloud.firewalls, call.values["id"]))})


@ROUTES("DELETE /firewalls/{id}")
async def delete_firewall(call: _Calls) -> Answer:
    call.cloud.firewalls.remove(of(call.cloud.firewalls, call.values["id"]).id)
    return Answer(None, 204)


@ROUTES("GET /regions")
async def list_regions(call: _Calls) -> Answer:
    return page(call, "regions", (one.told for one in call.cloud.regions.listed()))


@ROUTES("GET /sizes")
async def list_sizes(call: _Calls) -> Answer:
    return page(call, "sizes", (one.told for one in call.cloud.sizes.listed()))


@ROUTES("GET /images")
async def list_images(call: _Calls) -> Answer:
    return page(call, "images", (one.told for one in call.cloud.images.listed()))


@ROUTES("GET /images/{id}")
async def get_image(call: _Calls) -> Answer:
    named = call.values["id"]
    for image in call.cloud.images.values():
        if named in (str(image.id), image.name):
            return Answer({"image": image.told})
    raise call.cloud.refuse("missing", call.name)
