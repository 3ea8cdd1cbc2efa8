"""Compute Engine as the shape of all clouds wants it: instances by their paths, in all zones of one project."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from seatrial.errors import CannotTell
from seatrial.providers.clouds.calls import Calls, by_ids, until
from seatrial.providers.clouds.settings import required
from seatrial.providers.clouds.vendor import Account, Denied, Machine, NoAnswer, NoSuchThing, Order, Part
from seatrial.providers.gcp import instances
from seatrial.providers.gcp.session import Session, require_done
from seatrial.providers.gcp.settings import GoogleSettings

OPERATION = 300.0
"""Seconds for an operation to end. A stop waits up to 90 s for the guest."""

BOOT = 60.0
"""Seconds from a reset to the first line of the next boot on the serial port."""

SSH = "-ssh"
"""The end of the name of a trial's second firewall rule."""


class ComputeEngine:
    """One project; new instances are made in one zone of it."""

    def __init__(self, session: Session, calls: Calls, settings: GoogleSettings) -> None:
        self._session, self._calls, self._settings = session, calls, settings
        self.place: Mapping[str, str] = {"google_project": session.project}
        self._own = f"projects/{session.project}"

    @property
    def _zone(self) -> str:
        return f"{self._own}/zones/{required('gcp', 'zone', self._settings.zone)}"

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        return await self._calls.ask(path, self._session.call, "GET", path, query)

    async def _change(self, verb: str, path: str, body: Any = None, *, request: str = "") -> dict[str, Any]:
        """Begin a change. With a request id Google does it once, however often it is sent."""
        query = {"requestId": request or str(uuid.uuid4())}
        return await self._calls.ask(path, self._session.call, verb, path, query, body)

    async def _done(self, operation: Mapping[str, Any]) -> None:
        """Return when the operation has ended well."""
        path = instances.path_of(str(operation["selfLink"]))

        async def look() -> Mapping[str, Any] | None:
            now = await self._get(path)
            return now if now.get("status") == "DONE" else None

        what = f"Google's operation {operation['operationType']} ({operation['name']})"
        require_done(await until(look, OPERATION, lambda: f"{what} did not end within {OPERATION:g} s"))

    async def _list(self, path: str, **query: str) -> list[dict[str, Any]]:
        """A whole list, page by page; NoAnswer where Google has left a zone out."""
        found: list[dict[str, Any]] = []
        while True:
            page = await self._get(path, **query)
            items = page.get("items", [])
            for scope, part in items.items() if isinstance(items, dict) else ():
                code = part.get("warning", {}).get("code", "NO_RESULTS_ON_PAGE")
                if code != "NO_RESULTS_ON_PAGE":
                    raise NoAnswer(f"the list of {path} lacks {scope}: {part['warning'].get('message', code)}")
                found += part.get(path.rpartition("/")[2], [])
            found += items if isinstance(items, list) else []
            if not (token := page.get("nextPageToken")):
                return found
            query["pageToken"] = str(token)

    async def machines(self, *, tags: Mapping[str, str] | None = None, ids: Sequence[str] = ()) -> Sequence[Machine]:
        if ids:
            return await by_ids(ids, self._one, self.machines)
        query = {"filter": instances.filter_of(tags)} if tags else {}
        return [instances.machine(one) for one in await self._list(f"{self._own}/aggregated/instances", **query)]

    async def _one(self, id: str) -> Machine | None:
        found = await self._known(id)
        return instances.machine(found) if found else None

    async def _known(self, id: str) -> dict[str, Any] | None:
        return await self._calls.find(id, self._session.call, "GET", id)

    async def create(self, order: Order) -> str:
        image, zone, card = await self._image(order.image), self._zone, self._card()
        body = instances.body(order, image, self._settings.zone, card)
        await self._done(await self._change("POST", f"{zone}/instances", body, request=order.token))
        return f"{zone}/instances/{order.name}"

    def _card(self) -> dict[str, Any]:
        """The network interface."""
        public = {"accessConfigs": [{"type": "ONE_TO_ONE_NAT", "name": "external-nat"}]}
        card = {"network": self._network, **(public if self._settings.address == "public" else {})}
        if subnetwork := self._settings.network.partition("/")[2]:
            region = self._settings.zone.rpartition("-")[0]
            card["subnetwork"] = f"{self._own}/regions/{region}/subnetworks/{subnetwork}"
        return card

    @property
    def _network(self) -> str:
        return f"{self._own}/global/networks/{self._settings.network.partition('/')[0] or 'default'}"

    async def _image(self, name: str) -> str:
        """The path of the newest image of a family, or of the image with this name."""
        project, _, last = name.rpartition("/")
        if name.startswith("projects/"):
            return name
        images = f"projects/{project or self._session.project}/global/images"
        for path in (f"{images}/family/{last}", f"{images}/{last}"):
            with suppress(NoSuchThing):
                return instances.path_of(str((await self._get(path))["selfLink"]))
        raise CannotTell(
            f"providers.gcp.image is {name!r}, and {project or 'the project'} has no such image or family; "
            "`gcloud compute images list` shows those that exist"
        )

    async def start(self, id: str) -> None:
        await self._done(await self._change("POST", f"{id}/start"))

    async def stop(self, id: str) -> None:
        await self._change("POST", f"{id}/stop")  # the machine's state tells of its end

    async def crash(self, id: str) -> None:
        """Compute Engine cuts the power only to restore it: `reset`, proven by the serial port, and then `stop`."""
        port = f"{id}/serialPort"
        _, before = await self._serial(port, 0)
        await self._done(await self._change("POST", f"{id}/reset"))

        async def booted() -> bool | None:
            output, _ = await self._serial(port, before)
            return instances.booted(output)

        late = f"the serial port of {id} shows no boot within {BOOT:g} s after a reset: a crash is not proven"
        if not await until(booted, BOOT, lambda: late):
            raise CannotTell(f"the serial port of {id} shows an orderly shutdown after a reset: it was not a crash")
        await self._change("POST", f"{id}/stop")

    async def destroy(self, id: str) -> None:
        await self._change("DELETE", id)

    async def console(self, id: str) -> str:
        return (await self._serial(f"{id}/serialPort", 0))[0][-65536:]

    async def _serial(self, port: str, start: int) -> tuple[str, int]:
        """The output of the first serial port from a place on, and the next place."""
        output = ""
        while True:
            answer = await self._get(port, start=str(start))
            output, start = output + str(answer.get("contents", "")), int(answer["next"])
            if not answer.get("contents"):
                return output, start

    def needs(self, trial_name: str) -> Sequence[Part]:
        names = (trial_name, f"{trial_name}{SSH}") if self._settings.firewall else ()
        return [Part(kind="firewall", name=name) for name in names]

    async def make_part(self, part: Part, public_key: str) -> None:
        trial = part.name.removesuffix(SSH)
        rule: dict[str, Any] = {
            "name": part.name, "network": self._network, "direction": "INGRESS", "targetTags": [trial],
        }  # fmt: skip
        if part.name == trial:  # two rules: Google takes ranges and tags of one rule together as "or"
            ranges = list(self._settings.lets_in)
            rule |= {"sourceTags": [trial], "sourceRanges": ranges, "allowed": [{"IPProtocol": "all"}]}
        else:
            ports = [str(self._settings.port)]
            rule |= {"sourceRanges": ["0.0.0.0/0"], "allowed": [{"IPProtocol": "tcp", "ports": ports}]}
        if await self._known(f"{self._own}/global/firewalls/{part.name}") is None:
            await self._done(await self._change("POST", f"{self._own}/global/firewalls", rule))

    async def parts(self, *, tags: Mapping[str, str] | None = None, prefix: str = "") -> Sequence[Part]:
        found: list[Part] = []
        if tags:
            disks = await self._list(f"{self._own}/aggregated/disks", filter=instances.filter_of(tags))
            found += [
                Part(kind="disk", name=disk["name"], id=instances.path_of(disk["selfLink"]), tags=disk["labels"])
                for disk in disks if not disk.get("users")
            ]  # fmt: skip
        if prefix:
            rules = await self._list(f"{self._own}/global/firewalls", filter=f'name eq "{prefix}.*"')
            found += [Part(kind="firewall", name=rule["name"]) for rule in rules]
        return found

    async def remove_part(self, part: Part) -> None:
        with suppress(NoSuchThing):
            await self._done(await self._change("DELETE", part.id or f"{self._own}/global/firewalls/{part.name}"))

    async def account(self) -> Account:
        own, settings = self._session, self._settings
        await self._get(self._own)
        missing, quota = list[str](), ""
        for name, path in (("zone", self._zone), ("size", f"{self._zone}/machineTypes/{settings.size}"),
                           ("network", self._network)):  # fmt: skip
            if await self._known(path) is None:
                existing = await self._list(path.rpartition("/")[0]) if name != "size" or not missing else []
                names = ", ".join(sorted(str(thing["name"]) for thing in existing)[:20])
                missing.append(f"{name} {path.rpartition('/')[2]!r} does not exist (existing: {names})")
        try:
            await self._image(settings.image)
        except CannotTell as error:
            missing.append(str(error))
        if not missing:
            region = await self._get(f"{self._own}/regions/{settings.zone.rpartition('-')[0]}")
            left = {one["metric"]: one["limit"] - one["usage"] for one in region.get("quotas", ())}
            quota = f"{left['CPUS']:g} CPUs left in {region['name']}" if "CPUS" in left else ""
        rights = await self._missing_rights()
        whose = f"{own.whose} in the project {own.project}"
        return Account(found=own.found, whose=whose, missing_rights=rights, missing=tuple(missing), quota=quota)

    async def _missing_rights(self) -> tuple[str, ...]:
        """Asked of the Resource Manager, which needs no right for it."""
        wanted = [right for right in instances.RIGHTS if self._settings.firewall or "firewalls" not in right]
        path, body = f"projects/{self._session.project}:testIamPermissions", {"permissions": wanted}
        ask = partial(self._session.call, api="CLOUDRESOURCEMANAGER")
        try:
            answer = await self._calls.ask("rights", ask, "POST", path, body=body)
        except Denied as error:
            return (f"unknown, for the Cloud Resource Manager API does not answer: {error}",)
        return tuple(right for right in wanted if right not in answer.get("permissions", ()))
