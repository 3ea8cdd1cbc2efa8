"""Keys, networks, firewalls, placement groups, and the catalog."""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
from typing import Any

from seatrial_stand_ins.clouds.server import Answer, Call, Refused
from seatrial_stand_ins.clouds.things import Shelf, Thing
from seatrial_stand_ins.hetzner.cloud import ROUTES, Hetzner, invalid, of, page, require_free, told_group, told_thing
from seatrial_stand_ins.hetzner.labels import require_labels

_Calls = Call[Hetzner]
KINDS = ("ssh_keys", "networks", "firewalls", "placement_groups")
CATALOG = ("locations", "server_types", "images")


def _told(cloud: Hetzner, thing: Thing) -> dict[str, Any]:
    if thing.id in cloud.placement_groups:
        return told_group(thing)
    told = {key: value for key, value in told_thing(thing).items() if not key.startswith("_")}
    if thing.id in cloud.networks:
        told["servers"] = list(thing.told["_servers"])
    if thing.id in cloud.firewalls:
        told["applied_to"] = [{"type": "server", "server": {"id": id}} for id in thing.told["_servers"]]
    return told


def _shelf(cloud: Hetzner, kind: str) -> Shelf[Thing]:
    shelf: Shelf[Thing] = getattr(cloud, kind)
    return shelf


def fingerprint(public: str) -> str:
    """The MD5 fingerprint of a public key; Refused for an invalid one."""
    try:
        data = base64.b64decode(public.split()[1], validate=True)
    except (IndexError, binascii.Error):
        raise invalid("public_key", "is not a valid SSH public key") from None
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return ":".join(digest[place : place + 2] for place in range(0, 32, 2))


def _new_key(cloud: Hetzner, body: Any) -> dict[str, Any]:
    public = str(body.get("public_key") or "").strip()
    mark = fingerprint(public)
    if any(key.told["fingerprint"] == mark for key in cloud.ssh_keys.values()):
        text = "SSH key with the same fingerprint already exists"
        raise Refused(409, "uniqueness_error", text, fields=[{"name": "public_key"}])
    return {"public_key": public, "fingerprint": mark}


def _new_network(cloud: Hetzner, body: Any) -> dict[str, Any]:
    try:
        whole = ipaddress.ip_network(str(body.get("ip_range")))
    except ValueError:
        raise invalid("ip_range", "is not a valid network") from None
    if not whole.is_private:
        raise invalid("ip_range", "must be a private network")
    subnets = [{"ip_range": str(whole), "gateway": str(whole[1]), **one} for one in body.get("subnets") or ()]
    return {
        "ip_range": str(whole), "subnets": subnets, "routes": body.get("routes") or [], "load_balancers": [],
        "protection": {"delete": False}, "expose_routes_to_vswitch": False, "_servers": {},
    }  # fmt: skip


def _new_firewall(cloud: Hetzner, body: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"port": None, "description": None, "source_ips": [], "destination_ips": []}
    rules = [{**empty, **rule} for rule in body.get("rules") or ()]
    for rule in rules:
        if rule.get("protocol") in ("tcp", "udp") and not rule.get("port"):
            raise invalid("rules", "a port is needed for tcp and udp")
    return {"rules": rules, "_servers": []}


def _new_group(cloud: Hetzner, body: Any) -> dict[str, Any]:
    if body.get("type") != "spread":
        raise invalid("type", "must be spread")
    return {"type": "spread", "servers": []}


MAKERS = {
    "ssh_keys": ("ssh_key", _new_key),
    "networks": ("network", _new_network),
    "firewalls": ("firewall", _new_firewall),
    "placement_groups": ("placement_group", _new_group),
}


def _register(kind: str) -> None:
    """The calls of a kind: list, get, create, update, delete."""
    singular, make = MAKERS[kind]

    @ROUTES(f"GET /{kind}")
    async def listed(call: _Calls) -> Answer:
        found = _shelf(call.cloud, kind).listed()
        mark = call.query.get("fingerprint")
        chosen = [one for one in found if mark is None or one.told.get("fingerprint") == mark]
        return page(call, kind, chosen, lambda one: _told(call.cloud, one))

    @ROUTES(f"GET /{kind}/{{id}}")
    async def get(call: _Calls) -> Answer:
        return Answer({singular: _told(call.cloud, of(_shelf(call.cloud, kind), call.values["id"], singular))})

    @ROUTES(f"POST /{kind}")
    async def create(call: _Calls) -> Answer:
        cloud, shelf = call.cloud, _shelf(call.cloud, kind)
        labels, name = require_labels(call.body.get("labels")), require_free(shelf, call.body.get("name"))
        thing = Thing(id=cloud.numbers(), name=name, labels=labels, told=make(cloud, call.body))
        shelf.add(thing)
        more: dict[str, Any] = (
            {"action": None} if kind == "placement_groups" else {"actions": []} if kind == "firewalls" else {}
        )
        return Answer({singular: _told(cloud, thing), **more}, 201)

    @ROUTES(f"PUT /{kind}/{{id}}")
    async def update(call: _Calls) -> Answer:
        shelf = _shelf(call.cloud, kind)
        thing: Thing = of(shelf, call.values["id"], singular)
        if call.body.get("name") and call.body["name"] != thing.name:
            thing.name = require_free(shelf, call.body["name"])
        if "labels" in call.body:
            thing.labels = require_labels(call.body["labels"])
        return Answer({singular: _told(call.cloud, thing)})

    @ROUTES(f"DELETE /{kind}/{{id}}")
    async def delete(call: _Calls) -> Answer:
        shelf = _shelf(call.cloud, kind)
        thing: Thing = of(shelf, call.values["id"], singular)
        if kind == "firewalls" and thing.told["_servers"]:
            raise Refused(409, "resource_in_use", f"firewall with ID '{thing.id}' is still in use")
        shelf.remove(thing.id)
        return Answer(None, 204)


def _register_catalog(kind: str) -> None:
    """The calls of a part of the catalog: list, get."""

    @ROUTES(f"GET /{kind}")
    async def listed(call: _Calls) -> Answer:
        architecture = call.query.get("architecture")
        found = [
            one
            for one in _shelf(call.cloud, kind).listed()
            if architecture is None or one.told.get("architecture") == architecture
        ]
        return page(call, kind, found, lambda one: one.told)

    @ROUTES(f"GET /{kind}/{{id}}")
    async def get(call: _Calls) -> Answer:
        thing: Thing = of(_shelf(call.cloud, kind), call.values["id"], kind[:-1])
        return Answer({kind[:-1]: thing.told})


for _kind in KINDS:
    _register(_kind)
for _kind in CATALOG:
    _register_catalog(_kind)
