"""An account of DigitalOcean, over the vendor's SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seatrial.errors import NotSupported, UsageError, nearest
from seatrial.model.cluster import PowerState
from seatrial.providers.clouds.calls import Calls, by_ids, seen, until
from seatrial.providers.clouds.tags import carries
from seatrial.providers.clouds.vendor import (
    Account,
    CloudRefused,
    Denied,
    Machine,
    NoAnswer,
    NoSuchThing,
    Order,
    Part,
    absent,
    addresses,
)
from seatrial.providers.digitalocean.refusals import checked
from seatrial.providers.digitalocean.settings import Credentials, DigitalOceanSettings
from seatrial.providers.digitalocean.tags import TRIAL_KEY, mapping, own, words

if TYPE_CHECKING:
    from pydo import Client

POWER = {"active": PowerState.RUNNING, "off": PowerState.STOPPED, "new": PowerState.STOPPED}
PAGE = 200
ACTION = 240.0
"""Seconds for an action to end."""

KEY, TAG = "key", "tag"


class DigitalOcean:
    """One team of an account."""

    def __init__(
        self, client: Client, calls: Calls, settings: DigitalOceanSettings, credentials: Credentials, team: str
    ) -> None:
        self._client, self._calls, self._settings, self._credentials = client, calls, settings, credentials
        self.secrets = (credentials.token,)
        self.place: Mapping[str, str] = {"endpoint": credentials.endpoint, "team": team}

    async def _ask(self, what: str, call: Any, *arguments: Any, **named: Any) -> Any:
        return await self._calls.ask(what, checked(call, what), *arguments, **named)

    async def _all(self, what: str, key: str, call: Any, **named: Any) -> list[Any]:
        """A list, page by page."""
        found: list[Any] = []
        page = 1
        while True:
            answer = await self._ask(what, call, per_page=PAGE, page=page, **named)
            found += answer[key]
            if "next" not in ((answer.get("links") or {}).get("pages") or {}):
                return found
            page += 1

    async def machines(self, *, tags: Mapping[str, str] | None = None, ids: Sequence[str] = ()) -> Sequence[Machine]:
        if ids:
            return await by_ids(ids, self._one, self.machines)
        listed = map(_machine, await self._all("the droplets", "droplets", self._client.droplets.list))
        return [machine for machine in listed if carries(machine.tags, tags or {})]

    async def _one(self, id: str) -> Machine | None:
        what = f"the droplet {id}"
        answer = await self._calls.find(what, checked(self._client.droplets.get, what), int(id))
        return None if answer is None else _machine(answer["droplet"])

    async def create(self, order: Order) -> str:
        """Once: names are not unique here, so a droplet without an answer is looked for by its tags."""
        if order.data_gib or order.root_gib:
            raise NotSupported(
                "digitalocean makes no volumes, and a droplet's disk is as its size: leave out the volumes"
            )
        what, settings = f"the droplet {order.name}", self._settings
        keys = await self._all("the keys", "ssh_keys", self._client.ssh_keys.list)
        body: dict[str, Any] = {
            "name": order.name, "region": settings.region, "size": order.size,
            "image": int(order.image) if order.image.isdigit() else order.image, "user_data": order.user_data,
            "ssh_keys": [key["id"] for key in keys if key["name"] == order.trial_name],
            "tags": [*words(order.trial_name, order.tags), *settings.tags],
        }  # fmt: skip
        if settings.network:
            body["vpc_uuid"] = await self._vpc(settings.network)
        try:
            created = await self._calls.do(what, checked(self._client.droplets.create, what), body=body)
        except NoAnswer as error:
            return await seen(lambda: self._named(order), error)
        for action in created["links"]["actions"]:
            await self._ended(action["id"], f"creating {order.name}")
        return str(created["droplet"]["id"])

    async def _vpc(self, named: str) -> str:
        vpcs = await self._all("the VPCs", "vpcs", self._client.vpcs.list)
        for vpc in vpcs:
            if named in (vpc["id"], vpc["name"]):
                return str(vpc["id"])
        existing = nearest(named, [vpc["name"] for vpc in vpcs])
        raise UsageError(f"providers.digitalocean.network is {named!r}, and there is no such VPC: {existing}")

    async def _named(self, order: Order) -> str | None:
        """The identifier of the droplet that this order made."""
        trial = {TRIAL_KEY: order.tags[TRIAL_KEY]}
        found = [one.id for one in await self.machines(tags=trial) if one.name == order.name]
        return found[0] if len(found) == 1 else None

    async def start(self, id: str) -> None:
        await self._act(id, "power_on", "active")

    async def stop(self, id: str) -> None:
        """An action that fails when the guest does not shut down in time."""
        await self._act(id, "shutdown", "off")

    async def crash(self, id: str) -> None:
        await self._act(id, "power_off", "off")

    async def _act(self, id: str, verb: str, status: str) -> None:
        """Sent again only where DigitalOcean did nothing; a droplet that is so already is success."""
        what, post = f"{verb} of {id}", self._client.droplet_actions.post
        try:
            answer = await self._calls.ask(what, checked(post, what), int(id), body={"type": verb})
        except NoSuchThing:
            raise
        except CloudRefused:
            machine = await self._one(id)
            if machine is None or machine.word != status:
                raise
            return
        await self._ended(answer["action"]["id"], what)

    async def _ended(self, action: int, what: str) -> None:
        """Wait until an action ended well; CloudRefused otherwise."""

        async def look() -> str | None:
            status = str((await self._ask(what, self._client.actions.get, action))["action"]["status"])
            return None if status == "in-progress" else status

        status = await until(look, ACTION, lambda: f"{what}: the action of DigitalOcean goes on after {ACTION:g} s")
        if status != "completed":
            raise CloudRefused(f"{what}: the action {action} of DigitalOcean {status}: it gives no reason")

    async def destroy(self, id: str) -> None:
        await self._ask(f"deleting {id}", self._client.droplets.destroy, int(id))

    def needs(self, trial_name: str) -> Sequence[Part]:
        return [Part(kind=KEY, name=trial_name), Part(kind=TAG, name=trial_name)]

    async def make_part(self, part: Part, public_key: str) -> None:
        what = f"the {part.kind} {part.name}"
        if part.kind == TAG:  # an existing one is success
            await self._ask(what, self._client.tags.create, body={"name": part.name})
            return
        try:
            body = {"name": part.name, "public_key": public_key}
            await self._ask(what, self._client.ssh_keys.create, body=body)
        except CloudRefused:
            if not await self._keys(part.name):
                raise

    async def _keys(self, name: str) -> list[int]:
        keys = await self._all("the keys", "ssh_keys", self._client.ssh_keys.list)
        return [key["id"] for key in keys if key["name"] == name]

    async def parts(self, *, tags: Mapping[str, str] | None = None, prefix: str = "") -> Sequence[Part]:
        if tags:
            return []  # keys and tags have no tags: their names tell whose they are
        keys = await self._all("the keys", "ssh_keys", self._client.ssh_keys.list)
        found = [Part(kind=KEY, name=key["name"], id=str(key["id"])) for key in keys]
        names = await self._all("the tags", "tags", self._client.tags.list)
        found += [Part(kind=TAG, name=name) for name in dict.fromkeys(one["name"].split(":")[0] for one in names)]
        return [part for part in found if part.name.startswith(prefix)]

    async def remove_part(self, part: Part) -> None:
        what = f"the {part.kind} {part.name}"
        if part.kind == KEY:
            for id in await self._keys(part.name):
                await self._ask(what, self._client.ssh_keys.delete, id)
            return
        names = [tag["name"] for tag in await self._all("the tags", "tags", self._client.tags.list)]
        for name in own(part.name, names):
            await self._ask(what, self._client.tags.delete, name)

    async def console(self, id: str) -> str:
        raise NotSupported("DigitalOcean keeps no console output: its console is a screen only")

    async def account(self) -> Account:
        client, settings = self._client, self._settings
        account = (await self._ask("the account", client.account.get))["account"]
        droplets = await self._all("the droplets", "droplets", client.droplets.list)
        named = [
            ("size", settings.size, await self._all("the sizes", "sizes", client.sizes.list)),
            ("image", settings.image, await self._all("the images", "images", client.images.list)),
            ("region", settings.region, await self._all("the regions", "regions", client.regions.list)),
        ]
        missing = tuple[str, ...]()
        for what, value, things in named:
            names = [str(one["slug"]) for one in things if one.get("slug")]
            missing += absent(what, value, names, [str(one.get("id")) for one in things])
        limit = int(account["droplet_limit"])
        return Account(
            found=self._credentials.found, whose=f"the account {account['email']} of DigitalOcean",
            missing=missing, missing_rights=await self._missing_rights(),
            quota=f"{limit - len(droplets)} of {limit} droplets left",
        )  # fmt: skip

    async def _missing_rights(self) -> tuple[str, ...]:
        """Asked by changes of things that cannot exist."""
        rights = {
            "droplet:delete": (self._client.droplets.destroy, 0),
            "ssh_key:delete": (self._client.ssh_keys.delete, 0),
            "tag:delete": (self._client.tags.delete, "seatrial-none"),
        }
        missing = []
        for right, (call, named) in rights.items():
            try:
                await self._ask(f"the right {right}", call, named)
            except Denied:
                missing.append(right)
            except CloudRefused:
                continue
        return tuple(missing)


def _machine(droplet: Any) -> Machine:
    status, locked = str(droplet["status"]), bool(droplet.get("locked"))
    cards = (droplet.get("networks") or {}).get("v4") or ()
    private, public = ([one["ip_address"] for one in cards if one["type"] == kind] for kind in ("private", "public"))
    return Machine(
        id=str(droplet["id"]), name=str(droplet["name"]), power=POWER.get(status, PowerState.UNKNOWN), word=status,
        gone=status == "archive", busy=locked or status == "new", **addresses(private, public),
        tags=mapping(droplet.get("tags") or ()),
    )  # fmt: skip
