"""A provider over any cloud: a vendor's class adds its settings, its words and `connect`."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from functools import partial
from typing import Any, ClassVar

from seatrial.errors import CannotTell, ExtraMissing, LinkDown, LinkLost, LinkRefused, NotSupported, SeatrialError
from seatrial.links.ssh import SSHLink
from seatrial.links.ssh.guest import GuestPowers
from seatrial.links.ssh.keys import key_pair, trial_key
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec, Resource
from seatrial.model.scenario import Suite
from seatrial.providers.batches import Batches
from seatrial.providers.clouds import naming, removal, witness
from seatrial.providers.clouds.adoption import followed, host_of, recognised
from seatrial.providers.clouds.budget import over_limits
from seatrial.providers.clouds.calls import until
from seatrial.providers.clouds.settings import CloudSettings, parameter_names, size_of
from seatrial.providers.clouds.tags import NODE, Tagging
from seatrial.providers.clouds.vendor import Cloud, HasSecrets, Machine, NoSuchThing, Order, Part
from seatrial.providers.letting_in import until_let_in
from seatrial.providers.nodes import FOLDER, numbered, require_room, user_data
from seatrial.spi import Context, OverLimit, Powers, Readiness

FIRST_PORT = 20000
REFUSES = 10.0
"""Seconds for which a guest that boots may refuse a login."""


class CloudProvider(GuestPowers):
    """Each node is a machine of the cloud, reached by SSH; those of a deployer are recognised."""

    name: ClassVar[str]
    """The provider's name: `aws`."""
    title: ClassVar[str]
    """The vendor's name in messages: `AWS`."""
    tagging: ClassVar[Tagging] = Tagging()
    lag: ClassVar[float] = 10.0
    """Seconds for which the vendor's lists may lack a new machine."""
    remedy: ClassVar[str]
    """Where the vendor looks for credentials, as an instruction."""

    outlives_host = True
    waits_for_table = True  # a user's account is called only when the project says so
    powers = frozenset(Powers) - {
        Powers.PAUSE, Powers.SNAPSHOT, Powers.DISCONNECT, Powers.HEAL, Powers.CORDON, Powers.DRAIN,
    }  # fmt: skip
    why_missing: Mapping[Powers, str] = {
        Powers.PAUSE: "the cloud cannot freeze a machine",
        Powers.SNAPSHOT: "its snapshots do not bring running machines back as of one moment",
    }
    deadlines: Mapping[str, float] = {
        "deploy": 900.0, "start": 600.0, "stop": 300.0, "restart": 600.0, "destroy": 600.0,
    }  # fmt: skip
    parameter_names: ClassVar[tuple[str, ...]]
    cut_off = (LinkDown, LinkLost, TimeoutError)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.parameter_names = parameter_names(cls.name)

    def __init__(self, settings: Any) -> None:
        self._settings: CloudSettings = settings
        self._clouds: dict[tuple[tuple[str, object], ...], Cloud] = {}
        self._opening = asyncio.Lock()
        self._lists: dict[Cloud, removal.Lists] = {}
        self._machines = Batches(self._by_id, NoSuchThing, most=1)
        self._links: dict[tuple[str, str], SSHLink] = {}
        self._known: dict[str, tuple[str, str]] = {}
        self._moved: dict[str, Machine] = {}
        self._witnesses: dict[str, tuple[str, bool]] = {}
        self._foreseen: dict[str, dict[str, object]] = {}
        self._preparing = asyncio.Lock()

    async def connect(self, settings: Any) -> Cloud:
        """The account in the region that these settings name. ExtraMissing without the SDK; CannotTell without
        credentials, with `remedy`."""
        raise NotImplementedError

    async def cloud(self, place: Mapping[str, object] | None = None) -> Cloud:
        """The account where the settings are; or where a record was made, in a place of its own that settings name.
        CannotTell when these credentials belong to another account."""
        own = {one.name for one in fields(self._settings)}
        change: dict[str, Any] = {key: value for key, value in (place or {}).items() if key in own and value}
        key = tuple(sorted(change.items()))
        async with self._opening:
            if key not in self._clouds:
                self._clouds[key] = await self.connect(replace(self._settings, **change))
            cloud = self._clouds[key]
        for name, value in cloud.place.items():
            made = str((place or {}).get(name, value))
            if made != value:
                raise CannotTell(
                    f"made in the {name} {made}, and the credentials or settings of {self.title} are for {value}: its "
                    "lists say nothing about that; use those credentials again, then `seatrial clean`"
                )
        return cloud

    # Creation and removal

    async def prepare(self, ctx: Context) -> None:
        """Make what the trial needs before its first machine: keys, networks, firewalls."""
        cloud, owner = await self.cloud(), f"provider:{self.name}"
        if isinstance(cloud, HasSecrets):
            for secret in cloud.secrets:
                ctx.secret(secret)
        tags = self.tagging.write(ctx.labels())
        async with self._preparing:
            for part in cloud.needs(naming.trial_name(ctx.run_id, ctx.trial_id)):
                if not ctx.holds(part.kind, part.name, owner=owner):
                    detail = {"part": part.name, "begun": time.time(), **cloud.place}
                    removal.ASKED[part.name] = ""
                    await ctx.make(
                        part.kind, part.name, partial(self._made, cloud, replace(part, tags=tags), ctx),
                        owner=owner, detail=detail, outlives_host=True,
                    )  # fmt: skip

    async def _made(self, cloud: Cloud, part: Part, ctx: Context) -> None:
        removal.SENT.add(part.name)
        await cloud.make_part(part, _public_key(self.name, ctx))

    def foresee(self, spec: NodeSpec, ctx: Context) -> Mapping[str, object]:
        """The place, the machine's name, and the moment: until some time after it, lists may lack the machine."""
        require_room(spec.name, naming.machine_name(ctx.trial_id, ""))
        size = size_of(self.name, spec.parameters, self._settings).size
        name = naming.machine_name(ctx.trial_id, spec.name)
        cloud = self._clouds.get(())
        place = cloud.place if cloud is not None else {}
        removal.ASKED[name] = ""
        removal.SENT.discard(name)
        token = str(uuid.uuid4())
        price = {"per_hour": self._settings.prices[size]} if size in self._settings.prices else {}
        self._foreseen[name] = {**place, **price, "machine": name, "begun": time.time(), "token": token}
        return self._foreseen[name]

    async def create(self, spec: NodeSpec, ctx: Context) -> Node:
        """Make a machine and return when it lets us in."""
        await self.prepare(ctx)
        cloud, deadline = await self.cloud(), ctx.deadline("start")
        name = naming.machine_name(ctx.trial_id, spec.name)
        detail = self._foreseen.get(name) or self.foresee(spec, ctx)
        host_key, host_public = key_pair()
        size = size_of(self.name, spec.parameters, self._settings)
        public = _public_key(self.name, ctx)
        order = Order(
            name=name, trial_name=naming.trial_name(ctx.run_id, ctx.trial_id), token=str(detail["token"]),
            image=size.image, size=size.size, root_gib=size.root_gib, data_gib=size.data_gib, public_key=public,
            user_data=user_data(name, self._settings.user, public, host_key, host_public),
            tags=self.tagging.write({**ctx.labels(), NODE: spec.name}),
        )  # fmt: skip
        removal.SENT.add(name)
        removal.ASKED[name] = id = await cloud.create(order)
        machine = await self._running(id, deadline)
        address = machine.public if self._settings.address == "public" else machine.private
        if not address:
            other = "private" if self._settings.address == "public" else "public"
            raise CannotTell(
                f"the machine {name} has no {self._settings.address} address; set `address` of "
                f"[providers.{self.name}] to {other!r}, or use a network that gives one"
            )
        trust = {"known_host": host_public}
        key = str(trial_key(ctx.state / self.name))
        ssh = {"host": address, "port": self._settings.port, "user": self._settings.user, "key": key, **trust}
        made = Node(
            name=spec.name, address=address, ports=numbered(spec.ports, FIRST_PORT), ssh=ssh, folder=FOLDER,
            detail={"node": spec.name, **detail, **cloud.place, "id": id},
        )  # fmt: skip
        remedy = f"its image needs cloud-init, and the firewall must let SSH in (`image`, [providers.{self.name}])"
        await until_let_in(made, self.link(made), self._settings.user, deadline, remedy)
        return made

    async def _running(self, id: str, deadline: float) -> Machine:
        word = "no list shows it yet"

        async def look() -> Machine | None:
            nonlocal word
            with suppress(KeyError):  # no list shows it
                machine = await self._machines.at(id)
                word = machine.word
                if machine.gone:
                    raise CannotTell(f"{self.title} removed the machine {id} again: {word}")
                return machine if machine.power is PowerState.RUNNING and not machine.busy else None
            return None

        return await until(
            look, deadline, lambda: f"{self.title}: the machine {id} did not run within {deadline:g} s: {word}"
        )

    async def destroy(self, resource: Resource) -> None:
        """Remove a machine with its disks, or a part, by its record; already gone is success."""
        cloud = await self.cloud(resource.detail)
        deadline = self.deadlines["destroy"] * 0.9
        if "part" in resource.detail:
            await removal.part_gone(cloud, Part(kind=resource.kind, name=str(resource.detail["part"])), deadline)
            return
        lists = self._lists.setdefault(cloud, removal.Lists(cloud, self.tagging))
        await removal.machine_gone(cloud, lists, resource, self.lag, deadline)
        name = str(resource.detail["machine"])
        for key, link in self._links.items():
            if key[0] == name:
                link.abort()

    async def find(self, run: str) -> Sequence[Resource]:
        """Machines with the run's id in their tags, and all other resources of the run."""
        return await naming.listed(await self.cloud(), self.tagging, f"provider:{self.name}", run)

    @classmethod
    async def readiness(cls, settings: Any) -> Readiness:
        """Whose account it is, the missing rights one by one, whether image and size exist, and the quota."""
        try:
            account = await (await cls(settings).cloud()).account()
        except ExtraMissing as error:
            return Readiness(False, str(error), f"pip install 'seatrial[{cls.name}]'")
        except SeatrialError as error:
            return Readiness(False, str(error), cls.remedy)
        tried = f"{account.whose}, by {account.found}{f'; {account.quota}' if account.quota else ''}"
        if account.missing_rights:
            denied = ", ".join(account.missing_rights)
            return Readiness(False, f"{tried}; missing rights: {denied}", "give the account these rights")
        if account.missing:
            return Readiness(False, f"{tried}; {'; '.join(account.missing)}", f"correct [providers.{cls.name}]")
        return Readiness(True, f"{tried}; image and size exist, and no right is missing")

    @classmethod
    def over_limits(cls, suites: Sequence[Suite], at_once: int, settings: Any) -> Iterable[OverLimit]:
        return over_limits(cls.name, suites, at_once, settings)

    # Recognition and power

    async def adopt(self, nodes: Sequence[Node]) -> Sequence[Node]:
        """Recognise the account's machines by identifier or address, within `adopt` and `adopt_tag`."""
        if not nodes:
            return nodes
        cloud = await self.cloud()
        known = recognised(nodes, await cloud.machines(), self._settings, self._known)
        self._known |= {
            node.name: (str(new.detail["id"]), host_of(node))
            for node, new in zip(nodes, known, strict=True) if new.adopted
        }  # fmt: skip
        return known

    def link(self, node: Node) -> SSHLink:
        machine = self._moved.get(str(node.detail.get("id")))
        present = followed(node, machine) if machine is not None else node
        key = str(node.detail.get("machine", node.name)), str(sorted(present.ssh.items(), key=str))
        return self._links.setdefault(key, SSHLink(present))

    async def state(self, node: Node) -> PowerState:
        """As the cloud says it; CannotTell when it has no such machine any more."""
        return (await self._machine(node)).power

    async def power_reason(self, node: Node) -> str:
        """The cloud's own word for the machine's state, and its reason."""
        return (await self._machine(node)).word

    async def console(self, node: Node) -> str:
        return await (await self.cloud()).console(_id(node, self.title))

    async def start(self, node: Node) -> None:
        """Start it; a running one is left alone. CannotTell when the guest shows that its crash was a shutdown, or that
        it is another machine."""
        machine = await self._settled(node)
        if machine.power is PowerState.RUNNING:
            return
        await (await self.cloud()).start(machine.id)
        self._moved[machine.id] = await self._running(machine.id, self.deadlines["start"])
        file, crashed = self._witnesses.pop(machine.id, ("", False))
        if file:
            await self._judge(node, file, crashed=crashed)

    async def _judge(self, node: Node, file: str, *, crashed: bool) -> None:
        """Ask the witness, when the node answers again; one without an answer is judged by the step."""

        clock, refused = asyncio.get_running_loop().time, 0.0

        async def look() -> str | None:
            nonlocal refused
            try:
                return await witness.seen(self.link(node), file)
            except LinkRefused:  # by a guest that still boots, or by another machine with its own host key
                refused = refused or clock()
                if clock() - refused > REFUSES:
                    raise
            except (LinkDown, LinkLost, TimeoutError):
                refused = 0.0
            return None

        try:
            async with asyncio.timeout(self.deadlines["start"] / 2):
                seen = await until(look, self.deadlines["start"], lambda: "")
        except TimeoutError:
            return
        if seen == "another":
            raise CannotTell(
                f"{node.name} came back without the file that Seatrial left on its disk before the power-off: it is "
                f"another machine, or {self.title} gave it another disk; nothing after it shows a recovery"
            )
        if seen == "gently" and crashed:
            raise CannotTell(
                f"{node.name} was shut down in an orderly way, though {self.title} was asked to cut its power: it did "
                "not crash, so nothing after it shows what a crash does"
            )

    async def stop(self, node: Node) -> None:
        """The cloud's orderly power-off."""
        machine = await self._settled(node)
        if machine.power is not PowerState.STOPPED:
            file = await witness.plant(self.link(node))
            await (await self.cloud()).stop(machine.id)
            await self._off(node)
            self._witnesses[machine.id] = file, False

    async def crash(self, node: Node) -> None:
        """Cut the power; also that of a machine that is about to stop."""
        machine = await self._powered(node)
        if machine.power is not PowerState.STOPPED:
            file = await witness.plant(self.link(node))
            await (await self.cloud()).crash(machine.id)
            await self._off(node)
            self._witnesses[machine.id] = file, True

    async def _off(self, node: Node) -> None:
        """Off for the cloud, and silent for us."""
        await self.until_off(node, "")
        if node.has_link and await witness.answers(self.link(node)):
            word = await self.power_reason(node)
            raise CannotTell(
                f"{node.name} is off for {self.title} ({word}), and it still runs commands: its power is on"
            )

    async def until_off(self, node: Node, boot: str) -> None:
        """Return when the cloud says that it is off; CannotTell when it still runs after the deadline."""
        seconds, word = self.deadlines["stop"], ""

        async def look() -> bool | None:
            nonlocal word
            machine = await self._machine(node)
            word = machine.word
            return (machine.power is PowerState.STOPPED and not machine.busy) or None

        late = f"{node.name} still runs for {self.title} {seconds:g} s after the command to power off"
        await until(look, seconds, lambda: f"{late}: {word}")
        self.link(node).abort()

    async def _settled(self, node: Node) -> Machine:
        """The machine once it is between no two states."""
        seconds, word = self.deadlines["stop"], ""

        async def look() -> Machine | None:
            nonlocal word
            machine = await self._powered(node)
            word = machine.word
            return None if machine.busy else machine

        return await until(look, seconds, lambda: f"{node.name} is still {word} for {self.title} after {seconds:g} s")

    async def _machine(self, node: Node) -> Machine:
        id = _id(node, self.title)
        try:
            machine = await self._machines.at(id)
        except (KeyError, NoSuchThing):
            raise CannotTell(f"{self.title} has no machine {id} any more") from None
        if machine.gone:
            raise CannotTell(f"{self.title} has removed the machine {id}: {machine.word}")
        return machine

    async def _powered(self, node: Node) -> Machine:
        """The machine, if the cloud's powers mean for it what they say."""
        machine = await self._machine(node)
        if machine.refuses:
            raise NotSupported(f"{self.title} has no powers over {node.name} ({machine.id}): {machine.refuses}")
        return machine

    async def _by_id(self, ids: Sequence[str]) -> Mapping[str, Machine]:
        return {machine.id: machine for machine in await (await self.cloud()).machines(ids=ids)}


def _id(node: Node, title: str) -> str:
    if id := node.detail.get("id"):
        return str(id)
    raise CannotTell(
        f"{node.name} was not recognised as a machine of this account of {title}: by its identifier or address, "
        "within `adopt` and `adopt_tag`, in the region or project of the settings"
    )


def _public_key(name: str, ctx: Context) -> str:
    return trial_key(ctx.state / name).with_suffix(".pub").read_text().strip()
