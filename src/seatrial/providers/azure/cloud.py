"""A subscription of Azure, as the shape of all clouds wants it: machines by their identifiers, in all groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from seatrial.errors import NotSupported, UsageError
from seatrial.providers.azure import machines
from seatrial.providers.azure.refusals import missing_rights
from seatrial.providers.azure.session import Session
from seatrial.providers.azure.settings import TABLE, AzureSettings
from seatrial.providers.clouds.calls import Calls, by_ids, existing, until
from seatrial.providers.clouds.settings import required
from seatrial.providers.clouds.tags import carries
from seatrial.providers.clouds.vendor import Account, CloudRefused, Denied, Machine, NoSuchThing, Order, Part, absent

OPERATION = 540.0
"""Seconds for an operation to end. A whole resource group takes minutes."""

GROUP = "resource group"


class Azure:
    """One subscription. Each trial has a resource group of its own, which is deleted whole."""

    def __init__(self, session: Session, calls: Calls, settings: AzureSettings) -> None:
        self._session, self._calls, self._settings, self.secrets = session, calls, settings, session.secrets
        self._machines, self._network = session.compute.virtual_machines, session.network
        self.place: Mapping[str, str] = {"subscription": session.subscription}

    @property
    def _location(self) -> str:
        return required("azure", "location", self._settings.location)

    def _id(self, group: str, kind: str, name: str) -> str:
        return f"/subscriptions/{self._session.subscription}/resourceGroups/{group}/providers/Microsoft.{kind}/{name}"

    async def _read(self, what: str, call: Any, *arguments: Any, **named: Any) -> Any:
        return await self._calls.ask(what, self._session.read, call, *arguments, **named)

    async def _get(self, call: Any, id: str, **named: Any) -> dict[str, Any] | None:
        """The thing with this identifier; None: there is none."""
        return await self._calls.find(id, self._session.read, call, *_where(id), **named)

    async def _change(self, what: str, call: Any, *arguments: Any, **named: Any) -> None:
        """A change that Azure makes once however often it is sent; return when its operation has ended well."""
        operation = await self._calls.ask(what, self._session.begun, call, *arguments, **named)
        if operation:
            look = partial(self._calls.ask, what, self._session.ended, what, operation)
            await until(look, OPERATION, lambda: f"{what}: the operation of Azure goes on after {OPERATION:g} s")

    async def machines(self, *, tags: Mapping[str, str] | None = None, ids: Sequence[str] = ()) -> Sequence[Machine]:
        """Those with tags are without their addresses: that is two lists less."""
        if ids:
            return await by_ids(ids, self._one, self.machines)
        known = await self._read("the machines", self._machines.list_all)
        views = await self._read("the states of the machines", self._machines.list_all, status_only="true")
        states = {str(one["id"]).lower(): one["properties"].get("instanceView") or {} for one in views}
        for one in known:
            one["properties"]["instanceView"] = states.get(str(one["id"]).lower(), {})
        cards = await self._cards() if known and not tags else {}
        known = [one for one in known if carries(one.get("tags") or {}, tags or {})]
        return [machines.machine(one, [cards[id] for id in _cards_of(one) if id in cards]) for one in known]

    async def _one(self, id: str) -> Machine | None:
        found = await self._get(self._machines.get, id, expand="instanceView")
        get, more = self._network.network_interfaces.get, "ipConfigurations/publicIPAddress"
        cards = await existing(lambda card: self._get(get, card, expand=more), _cards_of(found or {}))
        return machines.machine(found, cards) if found else None

    async def _cards(self) -> dict[str, dict[str, Any]]:
        """All interfaces by identifier, with their public addresses in the place of these' identifiers."""
        listed = await self._read("the addresses", self._network.public_ip_addresses.list_all)
        addresses = {str(one["id"]).lower(): one for one in listed}
        cards = await self._read("the interfaces", self._network.network_interfaces.list_all)
        for at in (one["properties"] for card in cards for one in card["properties"].get("ipConfigurations", ())):
            if "publicIPAddress" in at:
                at["publicIPAddress"] = addresses.get(str(at["publicIPAddress"]["id"]).lower(), {})
        return {str(card["id"]).lower(): card for card in cards}

    async def create(self, order: Order) -> str:
        """If there is none of its name: a request that is sent again makes no second machine."""
        from azure.core import MatchConditions

        group, settings, begin = order.trial_name, self._settings, self._machines.begin_create_or_update
        wall = self._id(group, "Network/networkSecurityGroups", machines.WALL)
        body = machines.body(order, self._location, settings, self._subnet(group), wall)
        once = {"etag": "*", "match_condition": MatchConditions.IfMissing}
        try:
            await self._change(f"the machine {order.name}", begin, group, order.name, body, **once)
        except CloudRefused as error:
            if error.code != "PreconditionFailed":
                raise
        return self._id(group, "Compute/virtualMachines", order.name).lower()

    def _subnet(self, group: str) -> str:
        named = self._settings.network
        parts = named.split("/") if named else [group, machines.NET, machines.NODES]
        if len(parts) != 3:
            raise UsageError(f"{TABLE}.network is {named!r}; allowed: GROUP/NETWORK/SUBNET")
        return f"{self._id(parts[0], 'Network/virtualNetworks', parts[1])}/subnets/{parts[2]}"

    async def start(self, id: str) -> None:
        await self._change(f"start of {id}", self._machines.begin_start, *_where(id))

    async def stop(self, id: str) -> None:
        """The guest may shut down; one that does not loses its power after a time of Azure's choice."""
        verb = "begin_deallocate" if self._settings.deallocate else "begin_power_off"
        await self._change(f"stop of {id}", getattr(self._machines, verb), *_where(id))

    async def crash(self, id: str) -> None:
        await self._change(f"power-off of {id}", self._machines.begin_power_off, *_where(id), skip_shutdown=True)

    async def destroy(self, id: str) -> None:
        await self._calls.ask(f"deleting {id}", self._session.begun, self._machines.begin_delete, *_where(id))

    def needs(self, trial_name: str) -> Sequence[Part]:
        return [Part(kind=GROUP, name=trial_name)]

    async def make_part(self, part: Part, public_key: str) -> None:
        """The group, with the network of its machines and their rules."""
        settings, network, own = self._settings, self._network, {"location": self._location, "tags": dict(part.tags)}
        self._subnet(part.name)
        make = self._session.resources.resource_groups.create_or_update
        await self._calls.ask(f"the group {part.name}", make, part.name, own)
        rules = {**own, "properties": machines.rules(settings.port, settings.lets_in)}
        make = network.network_security_groups.begin_create_or_update
        await self._change(f"the rules of {part.name}", make, part.name, machines.WALL, rules)
        if not settings.network:
            nodes = {"name": machines.NODES, "properties": {"addressPrefix": "10.0.0.0/20"}}
            space = {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": [nodes]}
            make, net = network.virtual_networks.begin_create_or_update, {**own, "properties": space}
            await self._change(f"the network of {part.name}", make, part.name, machines.NET, net)

    async def parts(self, *, tags: Mapping[str, str] | None = None, prefix: str = "") -> Sequence[Part]:
        key, value = next(iter((tags or {}).items()), ("", ""))  # Azure takes one pair
        words = f"tagName eq '{key}'" + (f" and tagValue eq '{value}'" if value else "")
        wanted = {"filter": words} if key else {}
        groups = await self._read("the groups", self._session.resources.resource_groups.list, **wanted)
        found = [Part(kind=GROUP, name=str(one["name"]), tags=one.get("tags") or {}) for one in groups]
        return [one for one in found if one.name.startswith(prefix) and carries(one.tags, tags or {})]

    async def remove_part(self, part: Part) -> None:
        delete = self._session.resources.resource_groups.begin_delete
        with suppress(NoSuchThing):
            await self._change(f"deleting the group {part.name}", delete, part.name)

    async def console(self, id: str) -> str:
        """The serial port's log in the boot diagnostics; Azure writes it with some delay."""
        what, call = f"the boot diagnostics of {id}", self._machines.retrieve_boot_diagnostics_data
        answer = await self._read(what, call, *_where(id))
        if not (address := answer.get("serialConsoleLogBlobUri")):
            raise NotSupported(f"{what}: Azure keeps no log of its serial port")
        return (await self._calls.ask(what, self._session.text, address))[-65536:]

    async def account(self) -> Account:
        session, settings, compute = self._session, self._settings, self._session.compute
        missing, quota = tuple[str, ...](), ""
        try:
            sizes = await self._read("the sizes", compute.virtual_machine_sizes.list, self._location)
        except CloudRefused as error:
            if isinstance(error, Denied):
                raise
            missing = (f"location {settings.location!r} does not exist: {error}",)
        else:
            missing += absent("size", settings.size, [str(one["name"]) for one in sizes])
            missing += await self._missing_image()
            usage = await self._read("the quotas", compute.usage.list, self._location)
            left = [one["limit"] - one["currentValue"] for one in usage if one["name"]["value"] == "cores"]
            quota = "".join(f"{count} CPUs left in {settings.location}" for count in left)
        path = f"/subscriptions/{session.subscription}/providers/Microsoft.Authorization/permissions"
        try:
            answer = await self._calls.ask("the rights", session.get, f"{path}?api-version=2022-04-01")
            rights = missing_rights(answer.get("value") or ())
        except Denied as error:
            rights = (f"unknown, for Azure does not say which ones there are: {error}",)
        return Account(found=session.found, whose=session.whose, quota=quota, missing=missing, missing_rights=rights)

    async def _missing_image(self) -> tuple[str, ...]:
        """Of a publisher's images; others are the user's own."""
        image, call = self._settings.image, self._session.compute.virtual_machine_images.list
        if not image or "id" in (named := machines.reference(image)):
            return ()
        *sku, _ = named.values()
        found = await self._calls.find(f"the image {image}", self._session.read, call, self._location, *sku)
        known = [f":{one['name']}" for one in found or ()]
        return absent("image", image, [":".join(sku) + version for version in ("", ":latest", *known) if known])


def _where(id: str) -> tuple[str, str]:
    """The resource group and the name in an identifier."""
    parts = id.split("/")
    return parts[4], parts[-1]


def _cards_of(document: Mapping[str, Any]) -> list[str]:
    """The identifiers of a machine's interfaces."""
    profile = document.get("properties", {}).get("networkProfile") or {}
    return [str(one["id"]).lower() for one in profile.get("networkInterfaces") or ()]
