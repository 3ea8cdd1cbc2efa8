"""The contents of a DigitalOcean account, and their form in answers: errors, pages, actions, droplets."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from seatrial_stand_ins.clouds.operations import Operation
from seatrial_stand_ins.clouds.server import Answer, Call, CloudServer, Refused, Routes
from seatrial_stand_ins.clouds.things import Machine, Numbers, Shelf, Thing
from seatrial_stand_ins.digitalocean import catalog

STATUSES = {"new": "new", "on": "active", "off": "off", "starting": "off"}
"""By the state of the machine; in every other it is active."""

MOST = 200
"""Maximum number of things on a page."""

TAG = re.compile(r"[a-zA-Z0-9_\-:]{1,255}")

REASONS = {
    "token": (401, "unauthorized", "Unable to authenticate you"),
    "read-only": (403, "forbidden", "You are not authorized to perform this operation"),
    "denied": (403, "forbidden", "You are not authorized to perform this operation"),
    "throttled": (429, "too_many_requests", "API rate limit exceeded."),
    "missing": (404, "not_found", "The resource you were accessing could not be found."),
    "broken": (500, "server_error", "Unexpected server-side error"),
    "json": (400, "bad_request", "error parsing request body"),
}


class DigitalOcean(CloudServer):
    """One team of a DigitalOcean."""

    base = "/v2"
    requests_per_hour = 5000
    tls_needed = True  # pydo refuses to send a token without it
    most_machines = 100

    def furnish(self) -> None:
        """The catalog of a new account."""
        self.numbers = Numbers(50_000_001)
        self.keys: Shelf[Thing] = Shelf(self.plants)
        self.tags: Shelf[Thing] = Shelf(self.plants)
        self.firewalls: Shelf[Thing] = Shelf(self.plants)
        self.vpcs: Shelf[Thing] = Shelf(self.plants)
        self.regions: Shelf[Thing] = Shelf(self.plants)
        self.sizes: Shelf[Thing] = Shelf(self.plants)
        self.images: Shelf[Thing] = Shelf(self.plants)
        for shelf, told in (
            (self.regions, catalog.regions()),
            (self.sizes, catalog.sizes()),
            (self.images, catalog.images()),
        ):
            for one in told:
                shelf.add(Thing(id=one.get("id", one["slug"]), name=one["slug"], told=one), always=True)
        for place, (slug, _) in enumerate(catalog.REGIONS):
            net = {"ip_range": f"10.{110 + place}.0.0/20", "region": slug, "default": True, "description": ""}
            self.vpcs.add(Thing(id=str(uuid.uuid4()), name=f"default-{slug}", told=net), always=True)

    @property
    def url(self) -> str:
        """The endpoint, without the version: each path of a client begins with it."""
        return self.root

    @property
    def environment(self) -> dict[str, str]:
        """The variables of DigitalOcean's clients."""
        trust = {"REQUESTS_CA_BUNDLE": self.authority} if self.authority else {}
        return {
            "DIGITALOCEAN_TOKEN": self.token, "DIGITALOCEAN_ACCESS_TOKEN": self.token,
            "DIGITALOCEAN_API_URL": self.url, **trust,
        }  # fmt: skip

    def refusal(self, refused: Refused) -> Mapping[str, Any]:
        """`{"id": …, "message": …}`."""
        return {"id": refused.code, "message": refused.text, "request_id": str(uuid.uuid4())}

    def refuse(self, why: str, call: str) -> Refused:
        """DigitalOcean's own code and words."""
        return Refused(*REASONS[why])


ROUTES: Routes[DigitalOcean] = Routes()


def unprocessable(text: str) -> Refused:
    """An input that DigitalOcean does not accept."""
    return Refused(422, "unprocessable_entity", text)


def of(shelf: Mapping[Any, Any], value: str) -> Any:
    """The thing whose identifier is in the path."""
    for id in (int(value) if value.isdigit() else value, value):
        if id in shelf:
            return shelf[id]
    raise Refused(*REASONS["missing"])


def tagged(cloud: DigitalOcean, names: object) -> list[str]:
    """The tags of a request; each is made when it is missing."""
    tags = list(names) if isinstance(names, list) else []
    for name in tags:
        if not isinstance(name, str) or not TAG.fullmatch(name):
            raise unprocessable(f"Tag {name} is invalid: only letters, numbers, colons, dashes and underscores")
        if name not in cloud.tags:
            cloud.tags.add(Thing(id=name, name=name))
    return tags


def page(call: Call[DigitalOcean], key: str, found: Iterable[Any]) -> Answer:
    """One page, with the links to the others."""
    things = list(found)
    size, number = min(MOST, max(1, call.number("per_page", 20))), max(1, call.number("page", 1))
    last = max(1, -(-len(things) // size))

    def link(to: int) -> str:
        query = {**call.query, "page": to, "per_page": size}
        return f"{call.cloud.root}{call.path}?{urlencode(query)}"

    before = {"first": link(1), "prev": link(number - 1)} if number > 1 else {}
    after = {"next": link(number + 1), "last": link(last)} if number < last else {}
    links = {"pages": {**before, **after}} if before or after else {}
    return Answer({key: things[(number - 1) * size : number * size], "links": links, "meta": {"total": len(things)}})


def told_action(cloud: DigitalOcean, one: Operation) -> dict[str, Any]:
    """An action, as in answers."""
    machine = cloud.machines.get(one.resource)
    region = machine.told["region"] if machine is not None else None
    return {
        "id": one.id, "type": one.command, "resource_type": one.kind, "resource_id": one.resource,
        "status": {"running": "in-progress", "done": "completed", "failed": "errored"}[one.state],
        "started_at": one.begun, "completed_at": one.ended or None,
        "region": region, "region_slug": region["slug"] if region else None,
    }  # fmt: skip


def told_droplet(cloud: DigitalOcean, one: Machine) -> dict[str, Any]:
    """A droplet, as in answers."""
    shown = {key: value for key, value in one.told.items() if not key.startswith("_")}
    public = {"ip_address": one.address, "netmask": "255.255.255.0", "gateway": "", "type": "public"}
    private = {"ip_address": one.told["_private"], "netmask": "255.255.240.0", "gateway": "", "type": "private"}
    return {
        **shown, "id": one.id, "name": one.name, "tags": one.tags, "created_at": one.created,
        "status": STATUSES.get(one.state, "active"), "locked": one.busy,
        "networks": {"v4": [private, public] if one.address else [], "v6": []},
    }  # fmt: skip
