"""A project of Hetzner Cloud, over the vendor's SDK."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seatrial.errors import NotSupported, UsageError
from seatrial.model.cluster import PowerState
from seatrial.providers.clouds.calls import Calls, by_ids, seen, until
from seatrial.providers.clouds.vendor import (
    Account,
    CloudRefused,
    Denied,
    Machine,
    NoAnswer,
    Order,
    Part,
    absent,
    addresses,
)
from seatrial.providers.hetzner.labels import selector
from seatrial.providers.hetzner.settings import Credentials, HetznerSettings

if TYPE_CHECKING:
    from hcloud import Client

POWER = {
    **dict.fromkeys(("running", "stopping", "migrating", "rebuilding", "deleting"), PowerState.RUNNING),
    **dict.fromkeys(("off", "starting", "initializing"), PowerState.STOPPED),
}
STEADY = ("running", "off")
ACTION = 240.0
"""Seconds for an action to end."""

KEY, GROUP = "key", "placement group"


class Hetzner:
    """One project; its token is all that tells it from another."""

    def __init__(self, client: Client, calls: Calls, settings: HetznerSettings, credentials: Credentials) -> None:
        self._client, self._calls, self._settings, self._credentials = client, calls, settings, credentials
        digest = hashlib.sha256(credentials.token.encode()).hexdigest()[:12]
        self.secrets = (credentials.token,)
        self.place: Mapping[str, str] = {"endpoint": credentials.endpoint, "account": f"project of the token {digest}"}

    async def machines(self, *, tags: Mapping[str, str] | None = None, ids: Sequence[str] = ()) -> Sequence[Machine]:
        if ids:
            return await by_ids(ids, self._one, self.machines)
        servers = await self._calls.ask(
            "the servers", self._client.servers.get_all, label_selector=selector(tags or {}) or None
        )
        return [_machine(server) for server in servers]

    async def _one(self, id: str) -> Machine | None:
        server = await self._calls.find(f"the server {id}", self._client.servers.get_by_id, int(id))
        return None if server is None else _machine(server)

    async def create(self, order: Order) -> str:
        """Once: a server's name is unique in the project, so one without an answer is looked for by its name."""
        if order.data_gib or order.root_gib:
            raise NotSupported("hetzner makes no volumes, and a server's disk is as its size: leave out the volumes")
        request = await self._request(order)
        try:
            created = await self._calls.do(f"the server {order.name}", self._client.servers.create, **request)
        except NoAnswer as error:
            return await seen(lambda: self._named(order), error)
        await self._ended(created.action, f"creating {order.name}")
        return str(created.server.id)

    async def _request(self, order: Order) -> dict[str, Any]:
        from hcloud.firewalls import Firewall
        from hcloud.images import Image
        from hcloud.locations import Location
        from hcloud.networks import Network
        from hcloud.placement_groups import PlacementGroup
        from hcloud.server_types import ServerType
        from hcloud.ssh_keys import SSHKey

        client, settings = self._client, self._settings
        image = Image(id=int(order.image)) if order.image.isdigit() else Image(name=order.image)
        request: dict[str, Any] = {
            "name": order.name, "server_type": ServerType(name=order.size), "image": image,
            "ssh_keys": [SSHKey(name=order.trial_name)], "user_data": order.user_data, "labels": dict(order.tags),
        }  # fmt: skip
        if settings.location:
            request["location"] = Location(name=settings.location)
        if settings.network:
            id = await self._id("network", settings.network, client.networks)
            request["networks"] = [Network(id=id)]
        if settings.firewall:
            request["firewalls"] = [Firewall(id=await self._id("firewall", settings.firewall, client.firewalls))]
        if settings.spread:
            id = await self._id("placement group", order.trial_name, client.placement_groups)
            request["placement_group"] = PlacementGroup(id=id)
        return request

    async def _id(self, what: str, named: str, room: Any) -> int:
        if named.isdigit():
            return int(named)
        found = await self._calls.ask(f"the {what} {named}", room.get_by_name, named)
        if found is None:
            raise UsageError(f"Hetzner Cloud has no {what} {named!r} in this project: see [providers.hetzner]")
        return int(found.id)

    async def _named(self, order: Order) -> str | None:
        """The identifier of the server that this order made."""
        server = await self._calls.ask(f"the server {order.name}", self._client.servers.get_by_name, order.name)
        same = server is not None and dict(server.labels or {}) == dict(order.tags)
        return str(server.id) if server is not None and same else None

    async def start(self, id: str) -> None:
        await self._act(id, "power_on")

    async def stop(self, id: str) -> None:
        """Press the power button; the guest may ignore it."""
        await self._act(id, "shutdown")

    async def crash(self, id: str) -> None:
        await self._act(id, "power_off")

    async def _act(self, id: str, verb: str) -> None:
        from hcloud.servers import Server

        call = getattr(self._client.servers, verb)
        await self._ended(await self._calls.ask(f"{verb} of {id}", call, Server(id=int(id))), f"{verb} of {id}")

    async def _ended(self, action: Any, what: str) -> None:
        """Wait until an action ended well; CloudRefused with Hetzner's words otherwise."""

        async def look() -> Any:
            seen = await self._calls.ask(what, self._client.actions.get_by_id, action.id)
            return None if seen.status == "running" else seen

        seen = await until(look, ACTION, lambda: f"{what}: the action of Hetzner Cloud goes on after {ACTION:g} s")
        if seen.status != "success":
            error = seen.error or {}
            raise CloudRefused(f"{what}: Hetzner Cloud: {error.get('message')} ({error.get('code')})")

    async def destroy(self, id: str) -> None:
        from hcloud.servers import Server

        await self._calls.ask(f"deleting {id}", self._client.servers.delete, Server(id=int(id)))

    def needs(self, trial_name: str) -> Sequence[Part]:
        group = [Part(kind=GROUP, name=trial_name)] if self._settings.spread else []
        return [Part(kind=KEY, name=trial_name), *group]

    async def make_part(self, part: Part, public_key: str) -> None:
        what, room = f"the {part.kind} {part.name}", self._room(part.kind)
        more = {"public_key": public_key} if part.kind == KEY else {"type": "spread"}
        try:
            await self._calls.ask(what, room.create, name=part.name, labels=dict(part.tags), **more)
        except CloudRefused as error:
            if error.code != "uniqueness_error" or await self._calls.ask(what, room.get_by_name, part.name) is None:
                raise

    async def parts(self, *, tags: Mapping[str, str] | None = None, prefix: str = "") -> Sequence[Part]:
        found = []
        for kind in (KEY, GROUP):
            things = await self._calls.ask(
                f"the {kind}s", self._room(kind).get_all, label_selector=selector(tags or {}) or None
            )
            found += [
                Part(kind=kind, name=str(one.name), id=str(one.id), tags=dict(one.labels or {}))
                for one in things
                if str(one.name).startswith(prefix)
            ]
        return found

    async def remove_part(self, part: Part) -> None:
        what, room = f"the {part.kind} {part.name}", self._room(part.kind)
        thing = await self._calls.ask(what, room.get_by_name, part.name)
        if thing is not None:
            await self._calls.ask(what, room.delete, thing)

    def _room(self, kind: str) -> Any:
        return self._client.ssh_keys if kind == KEY else self._client.placement_groups

    async def console(self, id: str) -> str:
        raise NotSupported("Hetzner Cloud keeps no console output: its console is a screen only")

    async def account(self) -> Account:
        client, ask, settings = self._client, self._calls.ask, self._settings
        missing = tuple[str, ...]()
        rooms: list[tuple[str, str, Any]] = [
            ("size", settings.size, client.server_types), ("image", settings.image, client.images),
            ("location", settings.location, client.locations),
        ]  # fmt: skip
        for what, value, room in rooms:
            things = await ask(f"the names of a {what}", room.get_all)
            names = {str(one.name) for one in things if one.name}
            missing += absent(what, value, names, [str(one.id) for one in things])
        servers = await ask("the servers", client.servers.get_all)
        return Account(
            found=self._credentials.found, whose=f"a project of Hetzner Cloud with {len(servers)} servers",
            missing=missing, missing_rights=await self._missing_rights(),
        )  # fmt: skip

    async def _missing_rights(self) -> tuple[str, ...]:
        """A token may read, or read and write: asked by the removal of a key that cannot exist."""
        from hcloud.ssh_keys import SSHKey

        try:
            await self._calls.ask("the right to write", self._client.ssh_keys.delete, SSHKey(id=0))
        except Denied:
            return ("Read & Write (the token may only read)",)
        except CloudRefused:
            return ()
        return ()


def _machine(server: Any) -> Machine:
    public, word = server.public_net, str(server.status)
    outer = public.ipv4.ip if public is not None and public.ipv4 is not None else ""
    return Machine(
        id=str(server.id), name=str(server.name), power=POWER.get(word, PowerState.UNKNOWN),
        word=f"{word}, locked" if server.locked else word,
        busy=bool(server.locked) or word not in STEADY, tags=dict(server.labels or {}),
        **addresses([net.ip for net in server.private_net or ()], [outer]),
    )  # fmt: skip
