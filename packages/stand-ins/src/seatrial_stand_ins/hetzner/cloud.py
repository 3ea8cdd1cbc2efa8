"""The contents of a Hetzner Cloud, and their form in answers: errors, pages, actions, servers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from seatrial_stand_ins.clouds.operations import Operation
from seatrial_stand_ins.clouds.server import Answer, Call, CloudServer, Refused, Routes
from seatrial_stand_ins.clouds.things import Machine, Numbers, Shelf, Thing
from seatrial_stand_ins.hetzner import catalog
from seatrial_stand_ins.hetzner.labels import selects

STATUSES = {"new": "initializing", "on": "running"}
MOST = 50
"""Maximum number of things on a page."""

REASONS = {
    "token": (401, "unauthorized", "the token you are providing is not valid"),
    "read-only": (403, "token_readonly", "the token is only allowed to perform GET requests"),
    "denied": (403, "forbidden", "insufficient permissions for this request"),
    "throttled": (429, "rate_limit_exceeded", "limit of 3600 requests per hour reached"),
    "missing": (404, "not_found", "the requested resource does not exist"),
    "broken": (500, "server_error", "an internal error occurred"),
    "json": (400, "json_error", "invalid JSON input in your request"),
}


class Hetzner(CloudServer):
    """One project of a Hetzner Cloud."""

    base = "/v1"
    requests_per_hour = 3600
    most_machines = 100

    def furnish(self) -> None:
        """The catalog of a new project."""
        self.numbers = Numbers(40_000_001)
        self.ssh_keys: Shelf[Thing] = Shelf(self.plants)
        self.networks: Shelf[Thing] = Shelf(self.plants)
        self.firewalls: Shelf[Thing] = Shelf(self.plants)
        self.placement_groups: Shelf[Thing] = Shelf(self.plants)
        self.locations: Shelf[Thing] = Shelf(self.plants)
        self.server_types: Shelf[Thing] = Shelf(self.plants)
        self.images: Shelf[Thing] = Shelf(self.plants)
        for shelf, told in (
            (self.locations, catalog.locations()),
            (self.server_types, catalog.server_types()),
            (self.images, catalog.images()),
        ):
            for one in told:
                shelf.add(Thing(id=one["id"], name=one["name"], told=one), always=True)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of Hetzner's clients."""
        trust = {"REQUESTS_CA_BUNDLE": self.authority} if self.authority else {}
        return {"HCLOUD_TOKEN": self.token, "HCLOUD_ENDPOINT": self.url, **trust}

    def refusal(self, refused: Refused) -> Mapping[str, Any]:
        """`{"error": {"code": …, "message": …, "details": …}}`."""
        return {"error": {"code": refused.code, "message": refused.text, "details": refused.details or None}}

    def refuse(self, why: str, call: str) -> Refused:
        """Hetzner's own code and words."""
        return Refused(*REASONS[why])


ROUTES: Routes[Hetzner] = Routes()


def invalid(name: str, text: str) -> Refused:
    """An input that Hetzner does not accept."""
    fields = [{"name": name, "messages": [text]}]
    return Refused(422, "invalid_input", f"invalid input in field '{name}'", fields=fields)


def of(shelf: Mapping[Any, Any], value: str, kind: str) -> Any:
    """The thing whose identifier is in the path."""
    if not value.isdigit() or int(value) not in shelf:
        raise Refused(404, "not_found", f"{kind} with ID '{value}' not found")
    return shelf[int(value)]


def by_id_or_name(shelf: Shelf[Thing], value: object, field: str) -> Thing:
    """The thing that a request names by its identifier or its name."""
    found = shelf.get(int(str(value))) if str(value).isdigit() else shelf.named(str(value))
    if found is None:
        raise invalid(field, f"{field} {value} does not exist")
    return found


def require_free(shelf: Shelf[Any], name: object) -> str:
    """The name of a new thing; a name is unique in its project."""
    if not name or not isinstance(name, str):
        raise invalid("name", "must not be empty")
    if shelf.named(name) is not None:
        raise Refused(409, "uniqueness_error", f"name is already used: {name}", fields=[{"name": "name"}])
    return name


def page(call: Call[Hetzner], key: str, found: Iterable[Thing], told: Any = None) -> Answer:
    """One page of the selected things."""
    name, selector = call.query.get("name"), call.query.get("label_selector", "")
    status = call.several("status")
    chosen = [
        (told or told_thing)(thing)
        for thing in found
        if (name is None or thing.name == name) and selects(selector, thing.labels)
    ]
    chosen = [one for one in chosen if not status or one.get("status") in status]
    size, number = min(MOST, max(1, call.number("per_page", 25))), max(1, call.number("page", 1))
    last = max(1, -(-len(chosen) // size))
    pagination = {
        "page": number, "per_page": size, "previous_page": number - 1 if number > 1 else None,
        "next_page": number + 1 if number < last else None, "last_page": last, "total_entries": len(chosen),
    }  # fmt: skip
    return Answer({key: chosen[(number - 1) * size : number * size], "meta": {"pagination": pagination}})


def told_thing(thing: Thing) -> dict[str, Any]:
    """A thing, as in answers."""
    return {**thing.told, "id": thing.id, "name": thing.name, "labels": thing.labels, "created": thing.created}


def told_action(one: Operation) -> dict[str, Any]:
    """An action, as in answers."""
    status = {"running": "running", "done": "success", "failed": "error"}[one.state]
    error = {"code": one.code, "message": one.error} if one.state == "failed" else None
    return {
        "id": one.id, "command": one.command, "status": status, "progress": 0 if status == "running" else 100,
        "started": one.begun, "finished": one.ended or None, "error": error,
        "resources": [{"id": one.resource, "type": one.kind}],
    }  # fmt: skip


def told_server(cloud: Hetzner, one: Machine) -> dict[str, Any]:
    """A server, as in answers."""
    told = {key: value for key, value in one.told.items() if not key.startswith("_")}
    group = cloud.placement_groups.get(one.told["_group"])
    address = {"id": int(one.id) + 1_000_000, "ip": one.address, "blocked": False, "dns_ptr": ""}
    return {
        **told, "id": one.id, "name": one.name, "labels": one.labels, "created": one.created,
        "status": STATUSES.get(one.state, one.state), "locked": one.busy,
        "public_net": {
            "ipv4": address if one.address else None, "ipv6": None, "floating_ips": [],
            "firewalls": [
                {"id": wall.id, "status": "applied"}
                for wall in cloud.firewalls.values()
                if one.id in wall.told["_servers"]
            ],
        },
        "private_net": [
            {"network": network.id, "ip": network.told["_servers"][one.id], "alias_ips": [],
             "mac_address": "86:00:00:00:00:01"}
            for network in cloud.networks.values() if one.id in network.told["_servers"]
        ],
        "placement_group": told_group(group) if group is not None else None,
    }  # fmt: skip


def told_group(group: Thing) -> dict[str, Any]:
    """A placement group, as in answers."""
    return {**told_thing(group), "servers": list(group.told["servers"])}
