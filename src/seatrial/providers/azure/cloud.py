"""A subscription of Azure, as the shape of all clouds wants it: machines by their identifiers, in all groups."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from seatrial.errors import NotSupported, UsageError, nearest
from seatrial.providers.azure import machines
from seatrial.providers.azure.refusals import refusal
from seatrial.providers.azure.rights import missing_rights
from seatrial.providers.azure.session import Session
from seatrial.providers.azure.settings import AzureSettings
from seatrial.providers.clouds.calls import Calls, until
from seatrial.providers.clouds.vendor import Account, CloudRefused, Denied, Machine, NoSuchThing, Order, Part

OPERATION = 300.0
"""Seconds for an operation to end."""

WHOLE = 540.0
"""Seconds for a resource group to be deleted with all that is in it."""

GROUP = "resource group"


class Azure:
    """One subscription. Each trial has a resource group of its own, which is deleted whole."""

    def __init__(self, session: Session, calls: Calls, settings: AzureSettings, secrets: Sequence[str]) -> None:
        self._session, self._calls, self._settings, self.secrets = session, calls, settings, secrets
        self._machines = session.compute.virtual_machines
        self.place: Mapping[str, str] = {"subscription": session.subscription}

    @property
    def _location(self) -> str:
        if not self._settings.location:
            raise UsageError("no location for the machines: set `location` under [providers.azure] in seatrial.toml")
        return self._settings.location

    def _in(self, group: str, kind: str, name: str) -> str:
        return f"/subscriptions/{self._session.subscription}/resourceGroups/{group}/providers/{kind}/{name}"

    async def _list(self, what: str, call: Any, *arguments: Any, **named: Any) -> list[dict[str, Any]]:
        return await self._calls.ask(what, self._session.listed, call, *arguments, **named)

    async def _change(self, what: str, call: Any, *arguments: Any, seconds: float = OPERATION, **named: Any) -> None:
        """A change that Azure makes once however often it is sent; return when its operation has ended well."""
        operation = await self._calls.ask(what, self._session.begun, call, *arguments, **named)

        async def look() -> bool | None:
            return await self._calls.ask(what, self._session.ended, what, operation) or None

        if operation:
            await until(look, seconds, lambda: f"{what}: the operation of Azure goes on after {seconds:g} s")

    async def machines(self, *, tags: Mapping[str, str] | None = None, ids: Sequence[str] = ()) -> Sequence[Machine]:
        """Those chosen by tags are without addresses: that is two lists less."""
        if ids:
            answers = await asyncio.gather(*map(self._document, ids))
            return [await self._with_cards(answer) for answer in answers if answer is not None]
        documents = await self._list("the machines", self._machines.list_all)
        views = await self._list("the states of the machines", self._machines.list_all, status_only="true")
        states = {str(one["id"]).lower(): one["properties"].get("instanceView") or {} for one in views}
        for one in documents:
            one["properties"]["instanceView"] = states.get(str(one["id"]).lower(), {})
        if tags:
            return [machines.machine(one) for one in documents if _carries(one, tags)]
        cards = await self._cards() if documents else {}
        return [machines.machine(one, [cards[id] for id in _cards_of(one) if id in cards]) for one in documents]

    async def _document(self, id: str) -> dict[str, Any] | None:
        """A machine with its view; None: there is none."""
        with suppress(NoSuchThing, UsageError):
            what = f"the machine {id}"
            ask = partial(self._session.got, self._machines.get, *machines.where(id), expand="instanceView")
            return await self._calls.ask(what, ask)
        return None

    async def _with_cards(self, document: dict[str, Any]) -> Machine:
        cards, get = [], self._session.network.network_interfaces.get
        for id in _cards_of(document):
            with suppress(NoSuchThing):
                ask = partial(self._session.got, get, *machines.where(id), expand="ipConfigurations/publicIPAddress")
                cards.append(await self._calls.ask(f"the interface {id}", ask))
        return machines.machine(document, cards)

    async def _cards(self) -> dict[str, dict[str, Any]]:
        """All interfaces by identifier, each with its public addresses in the place of their identifiers."""
        network = self._session.network
        addresses = {
            str(one["id"]).lower(): one
            for one in await self._list("the addresses", network.public_ip_addresses.list_all)
        }
        cards = {
            str(one["id"]).lower(): one
            for one in await self._list("the interfaces", network.network_interfaces.list_all)
        }
        for card in cards.values():
            for one in card.get("properties", {}).get("ipConfigurations", ()):
                at = one.get("properties", {}).get("publicIPAddress")
                if at:
                    one["properties"]["publicIPAddress"] = addresses.get(str(at["id"]).lower(), at)
        return cards

    async def create(self, order: Order) -> str:
        """With the condition that there is none of this name: a request that is sent again makes no second machine."""
        from azure.core import MatchConditions

        settings, group, what = self._settings, order.trial_name, f"the machine {order.name}"
        body = machines.body(
            order, self._location, settings.user, self._subnet(group),
            self._in(group, "Microsoft.Network/networkSecurityGroups", machines.WALL),
            public=settings.address == "public",
        )  # fmt: skip
        named: dict[str, Any] = {"etag": "*", "match_condition": MatchConditions.IfMissing}
        begin = partial(self._machines.begin_create_or_update, group, order.name, body, **named)
        try:
            await self._calls.ask(what, self._session.begun, begin)
        except CloudRefused as error:
            if error.code != "PreconditionFailed":
                raise
        id = self._in(group, "Microsoft.Compute/virtualMachines", order.name).lower()
        await self._made(id, what)
        return id

    async def _made(self, id: str, what: str) -> None:
        """Return when a machine was made well; the refusal of Azure otherwise."""

        async def look() -> dict[str, Any] | None:
            document = await self._document(id)
            going = document is None or document["properties"].get("provisioningState") in machines.BUSY
            return None if going else document

        document = await until(look, OPERATION, lambda: f"{what}: Azure still makes it after {OPERATION:g} s")
        if document["properties"].get("provisioningState") == "Failed":
            code, words = machines.failure(document)
            raise refusal(what, code or "Failed", words or "it was not made")

    def _subnet(self, group: str) -> str:
        parts = [part for part in self._settings.network.split("/") if part]
        if self._settings.network.startswith("/"):
            return self._settings.network
        if parts and len(parts) != 3:
            raise UsageError(f"providers.azure.network is {self._settings.network!r}; allowed: GROUP/NETWORK/SUBNET")
        group, network, subnet = parts or (group, machines.NET, machines.NODES)
        return f"{self._in(group, 'Microsoft.Network/virtualNetworks', network)}/subnets/{subnet}"

    async def start(self, id: str) -> None:
        await self._power(id, "start", self._machines.begin_start)

    async def stop(self, id: str) -> None:
        """The guest may shut down; one that does not loses its power after a time of Azure's choice."""
        deallocate = self._settings.deallocate
        call = self._machines.begin_deallocate if deallocate else self._machines.begin_power_off
        await self._power(id, "deallocate" if deallocate else "powerOff", call)

    async def crash(self, id: str) -> None:
        await self._power(id, "powerOff without a shutdown", self._machines.begin_power_off, skip_shutdown=True)

    async def _power(self, id: str, verb: str, call: Any, **named: Any) -> None:
        await self._change(f"{verb} of {id}", call, *machines.where(id), **named)

    async def destroy(self, id: str) -> None:
        await self._calls.ask(f"deleting {id}", self._session.begun, self._machines.begin_delete, *machines.where(id))

    def needs(self, trial_name: str) -> Sequence[Part]:
        return [Part(kind=GROUP, name=trial_name)]

    async def make_part(self, part: Part, public_key: str) -> None:
        """The group, with the network of its machines and their rules."""
        location, settings, tags, network = self._location, self._settings, dict(part.tags), self._session.network
        self._subnet(part.name)
        make = self._session.resources.resource_groups.create_or_update
        await self._calls.ask(f"the group {part.name}", make, part.name, {"location": location, "tags": tags})
        rules = machines.rules(location, settings.port, settings.lets_in, tags)
        make = network.network_security_groups.begin_create_or_update
        await self._change(f"the rules of {part.name}", make, part.name, machines.WALL, rules)
        if not settings.network:
            make, body = network.virtual_networks.begin_create_or_update, machines.network(location, tags)
            await self._change(f"the network of {part.name}", make, part.name, machines.NET, body)

    async def parts(self, *, tags: Mapping[str, str] | None = None, prefix: str = "") -> Sequence[Part]:
        named = {}
        for key, value in list((tags or {}).items())[:1]:  # Azure takes one pair
            quoted = value.replace("'", "''")
            named["filter"] = f"tagName eq '{key}'" + (f" and tagValue eq '{quoted}'" if value else "")
        groups = await self._list("the resource groups", self._session.resources.resource_groups.list, **named)
        return [
            Part(kind=GROUP, name=str(one["name"]), tags=one.get("tags") or {})
            for one in groups if str(one["name"]).startswith(prefix) and _carries(one, tags or {})
        ]  # fmt: skip

    async def remove_part(self, part: Part) -> None:
        with suppress(NoSuchThing):
            delete = self._session.resources.resource_groups.begin_delete
            await self._change(f"deleting the group {part.name}", delete, part.name, seconds=WHOLE)

    async def console(self, id: str) -> str:
        """The serial port's log in the boot diagnostics; Azure writes it with some delay."""
        what, call = f"the boot diagnostics of {id}", self._machines.retrieve_boot_diagnostics_data
        answer = await self._calls.ask(what, self._session.got, call, *machines.where(id))
        if not (address := answer.get("serialConsoleLogBlobUri")):
            raise NotSupported(f"{what}: Azure keeps no log of its serial port")
        return (await self._calls.ask(what, self._session.text, address))[-65536:]

    async def account(self) -> Account:
        session, settings, compute = self._session, self._settings, self._session.compute
        missing, quota = list[str](), ""
        try:
            sizes = await self._list("the sizes", compute.virtual_machine_sizes.list, self._location)
        except Denied:
            raise
        except CloudRefused as error:
            missing.append(f"location {settings.location!r} does not exist: {error}")
        else:
            names = [str(one["name"]) for one in sizes]
            if settings.size and settings.size not in names:
                missing.append(f"size {settings.size!r} does not exist: {nearest(settings.size, names)}")
            if why := await self._missing_image():
                missing.append(why)
            for one in await self._list("the quotas", compute.usage.list, self._location):
                if one.get("name", {}).get("value") == "cores":
                    quota = f"{one['limit'] - one['currentValue']} CPUs left in {settings.location}"
        who = next((str(session.claims[key]) for key in ("upn", "unique_name", "appid") if session.claims.get(key)), "")
        whose = f"{who or 'an account'} in the subscription {session.subscription}"
        rights = await self._missing_rights()
        return Account(found=session.found, whose=whose, missing=tuple(missing), missing_rights=rights, quota=quota)

    async def _missing_image(self) -> str:
        """Of a publisher's images; others are the user's own."""
        named, image = machines.reference(self._settings.image) if self._settings.image else {}, self._settings.image
        if "publisher" not in named:
            return ""
        list_, sku = (
            self._session.compute.virtual_machine_images.list,
            (named["publisher"], named["offer"], named["sku"]),
        )
        try:
            known = [str(one["name"]) for one in await self._list(f"the image {image}", list_, self._location, *sku)]
        except NoSuchThing:
            return f"image {image!r} does not exist in {self._location}"
        lacks = named["version"] not in ("latest", *known)
        return f"image {image!r} does not exist: {nearest(named['version'], known)}" if lacks else ""

    async def _missing_rights(self) -> tuple[str, ...]:
        path = f"/subscriptions/{self._session.subscription}/providers/Microsoft.Authorization/permissions"
        try:
            answer = await self._calls.ask("the rights", self._session.read, f"{path}?api-version=2022-04-01")
        except Denied as error:
            return (f"unknown, for Azure does not say which ones there are: {error}",)
        return missing_rights(answer.get("value") or (), deallocates=self._settings.deallocate)


def _carries(document: Mapping[str, Any], tags: Mapping[str, str]) -> bool:
    """Whether it has these tags (an empty value: this key)."""
    own = document.get("tags") or {}
    return all(key in own and (not value or own[key] == value) for key, value in tags.items())


def _cards_of(document: Mapping[str, Any]) -> list[str]:
    """The identifiers of a machine's interfaces."""
    profile = document.get("properties", {}).get("networkProfile") or {}
    return [str(one["id"]).lower() for one in profile.get("networkInterfaces") or ()]
