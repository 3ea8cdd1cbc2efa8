"""Checks of Apache CloudStack: virtual machines and volumes are as requested, and a teardown leaves none behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

from seatrial.checks.content import words
from seatrial.checks.per_node import OnNodes, choose, text_of
from seatrial.checks.sizes import Size, bytes_of, wrong_sizes
from seatrial.errors import CannotTell, nearest
from seatrial.links.cloudstack import Cloud, HoldsAccount, connect, tags_of
from seatrial.model.resource import Node
from seatrial.model.result import Observation, failed, passed
from seatrial.registry import check
from seatrial.spi import AdoptsNodes, Context

Thing = Mapping[str, Any]
Names = str | Sequence[str]

MIB = 1024**2
GONE = ("Destroyed", "Expunging", "Destroy", "Expunged")
"""States of removed resources; CloudStack expunges them later."""

SEEN = "cloudstack.json"
"""A file in the trial's state folder: checked resources as kind to identifier to name."""

LISTS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "machine": ("listVirtualMachines", "virtualmachine", ("name", "displayname")),
    "volume": ("listVolumes", "volume", ("name", "vmname")),
    "network": ("listNetworks", "network", ("name", "displaytext")),
    "address": (
        *("listPublicIpAddresses", "publicipaddress"),
        ("virtualmachinename", "associatednetworkname", "ipaddress"),
    ),
    "snapshot": ("listSnapshots", "snapshot", ("name", "volumename")),
    "keypair": ("listSSHKeyPairs", "sshkeypair", ("name",)),
}
"""Kind to its list command, the key of the list, and the keys of a resource's names."""


@dataclass(frozen=True, kw_only=True)
class _InAccount:
    name: str | tuple[str, ...] = ()
    """Names, or patterns such as `notes-*`."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags required on each, as key to value."""
    profile: str = ""
    """A section of cloudstack.ini, if the suite's provider is not `cloudstack`."""

    async def _account(self, ctx: Context) -> Cloud:
        """The account of the suite's provider, else the one in the environment or the profile."""
        if isinstance(ctx.provider, HoldsAccount) and not self.profile:
            return await ctx.provider.cloud()
        cloud = connect(self.profile)
        ctx.secret(cloud.secret)
        return cloud

    def _expected(self, *keys: str) -> dict[str, object]:
        return {key: getattr(self, key) for key in keys if getattr(self, key) not in (None, "", (), {})}

    def _wrong_tags(self, thing: Thing) -> Iterable[str]:
        own = tags_of(thing)
        for key, value in self.tags.items():
            if own.get(key) != str(value):
                yield f"tag {key} is {own.get(key, 'missing')!r}, expected {str(value)!r}"


@check("cloudstack_vm")
@dataclass(frozen=True, kw_only=True)
class CloudstackVM(_InAccount, OnNodes):
    """Virtual machines have their service offering, template, networks, tags: `cloudstack_vm:notes-*` are running."""

    on: str = ""
    """The machines of these nodes; without `on` and `name`, of all nodes."""
    count: int | None = None
    """Exact number of machines; by default at least one."""
    state: str = "Running"
    """CloudStack's word: `Running`, `Stopped`."""
    offering: str = ""
    """The name or identifier of the service offering."""
    template: str = ""
    """The name or identifier of the template."""
    zone: str = ""
    """The name or identifier of the zone."""
    network: str | tuple[str, ...] = ()
    """Names of networks; each machine must be on all of them."""
    cpus: int | None = None
    """Number of processors."""
    memory: Size | None = None
    """Size of the memory: a number of bytes, or like 512MiB, 10GiB (powers of 2), 10GB (powers of 10)."""

    text_pattern: ClassVar[str] = ":.+"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        return {"name": text_of(rest, "machine name", "cloudstack_vm:notes-*")}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if self.on and self.name:
            yield "name", "`on` already selects the machines by node: use `on` or `name`"
        yield from wrong_sizes([("memory", self.memory)])

    async def observe(self, ctx: Context) -> Observation:
        cloud = await self._account(ctx)
        found = await _machines(ctx, cloud, self.on, self.name)
        _remember(ctx, "machine", found)
        for machine in found:
            _remember(ctx, "volume", await cloud.list("listVolumes", "volume", virtualmachineid=machine["id"]))
        expected = self._expected("state", "offering", "template", "zone", "network", "cpus", "memory", "tags")
        seen = {str(machine.get("name")): _shown_machine(machine) for machine in found}
        if (wanted := _miscounted(found, self.count)) is not None:
            return failed(seen, {"count": wanted, **expected}, f"{len(found)} machines match, expected {wanted}")
        wrong = [f"{machine.get('name')}: {why}" for machine in found for why in self._wrong(machine)]
        return failed(seen, expected, "; ".join(wrong)) if wrong else passed(seen, expected)

    def _wrong(self, machine: Thing) -> Iterable[str]:
        if self.state and machine.get("state") != self.state:
            yield f"state is {machine.get('state')}, expected {self.state}"
        yield from _wrong_name(machine, "serviceoffering", "offering", self.offering)
        yield from _wrong_name(machine, "template", "template", self.template)
        yield from _wrong_name(machine, "zone", "zone", self.zone)
        cards = list(machine.get("nic") or ())
        on = {str(card.get(key)) for card in cards for key in ("networkname", "networkid")}
        for wanted in words(self.network):
            if wanted not in on:
                there = ", ".join(str(card.get("networkname")) for card in cards) or "none"
                yield f"not on network {wanted}; its networks: {there}"
        if self.cpus is not None and machine.get("cpunumber") != self.cpus:
            yield f"{machine.get('cpunumber')} processors, expected {self.cpus}"
        if self.memory is not None and int(machine.get("memory") or 0) * MIB != bytes_of(self.memory):
            yield f"{machine.get('memory')} MiB of memory, expected {self.memory}"
        yield from self._wrong_tags(machine)


@check("cloudstack_volume")
@dataclass(frozen=True, kw_only=True)
class CloudstackVolume(_InAccount, OnNodes):
    """Volumes have the right size, offering, tags and machine: `cloudstack_volume:notes-db-*`."""

    on: str = ""
    """The disks of these nodes; without `on`, `machine` and `name`, of all nodes."""
    machine: str | tuple[str, ...] = ()
    """The disks of the machines with these names."""
    name: str | tuple[str, ...] = ()
    """Names of volumes, attached or not, or patterns."""
    kind: Literal["data", "root", "any"] = "data"
    """The kind of disk."""
    count: int | None = None
    """Exact number on each machine, or with this name."""
    size: Size | None = None
    """Exact size of each: a number of bytes, or like 512MiB, 10GiB (powers of 2), 10GB (powers of 10)."""
    at_least: Size | None = None
    """Minimum size of each."""
    offering: str = ""
    """The name or identifier of the disk offering."""
    attached: bool = True
    """Whether each must be attached to a machine."""

    text_pattern: ClassVar[str] = ":.+"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        return {"name": text_of(rest, "volume name", "cloudstack_volume:notes-db-*")}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        chosen = [key for key in ("on", "machine", "name") if getattr(self, key)]
        for key in chosen[1:]:
            yield key, f"`{chosen[0]}` already selects the volumes: keep one of the two"
        yield from wrong_sizes([("size", self.size), ("at_least", self.at_least)])

    async def observe(self, ctx: Context) -> Observation:
        cloud = await self._account(ctx)
        kind = {"data": "DATADISK", "root": "ROOT"}.get(self.kind)
        disks = [disk for disk in await _present(cloud, "volume") if not kind or disk.get("type") == kind]
        groups: dict[str, list[Thing]] = {}
        if words(self.name):
            groups["with this name"] = [disk for disk in disks if _matches(disk, self.name, ("name",))]
        else:
            for machine in await _machines(ctx, cloud, self.on, self.machine):
                own = [disk for disk in disks if disk.get("virtualmachineid") == machine["id"]]
                groups[f"of {machine.get('name')}"] = own
        _remember(ctx, "volume", (disk for group in groups.values() for disk in group))
        return self._judged(groups)

    def _judged(self, groups: Mapping[str, list[Thing]]) -> Observation:
        expected = self._expected("count", "size", "at_least", "offering", "tags")
        shown = {where: [_shown_volume(disk) for disk in group] for where, group in groups.items()}
        wrong = [] if groups else ["no machine matches"]
        for where, group in groups.items():
            if (wanted := _miscounted(group, self.count)) is not None:
                wrong.append(f"{len(group)} volumes {where}, expected {wanted}")
            wrong += [f"{disk.get('name')} {where}: {why}" for disk in group for why in self._wrong(disk)]
        return failed(shown, expected, "; ".join(wrong)) if wrong else passed(shown, expected)

    def _wrong(self, disk: Thing) -> Iterable[str]:
        size = int(disk.get("size") or 0)
        if self.size is not None and size != bytes_of(self.size):
            yield f"size is {size} bytes, expected {self.size} ({bytes_of(self.size)} bytes)"
        if self.at_least is not None and size < bytes_of(self.at_least):
            yield f"size is {size} bytes, expected at least {self.at_least}"
        yield from _wrong_name(disk, "diskoffering", "offering", self.offering)
        if bool(disk.get("virtualmachineid")) is not self.attached:
            there = f"attached to {disk.get('vmname')}, expected unattached"
            yield "not attached to a machine" if self.attached else there
        yield from self._wrong_tags(disk)


@check("cloudstack_left")
@dataclass(frozen=True, kw_only=True)
class CloudstackLeft(_InAccount):
    """No resource with these names or tags, or seen by an earlier check, is left: `cloudstack_left:notes-*`."""

    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags as key to value; a resource must have all of them to match."""
    kinds: tuple[str, ...] = tuple(LISTS)
    """Kinds to look for: a list of machine, volume, network, address, snapshot, keypair."""
    allow: str | tuple[str, ...] = ()
    """Names or patterns of resources allowed to stay, such as a shared network."""

    text_pattern: ClassVar[str] = ":.+"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        return {"name": text_of(rest, "name", "cloudstack_left:notes-*")}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if not self.name and not self.tags:  # an account may hold other resources besides a trial's
            yield "", "nothing to look for: give `name` or `tags`"
        for kind in self.kinds:
            if kind not in LISTS:
                yield "kinds", f"unknown kind {kind!r}: {nearest(kind, LISTS)}"

    async def observe(self, ctx: Context) -> Observation:
        cloud, known = await self._account(ctx), _seen(ctx)
        found = await asyncio.gather(*(self._left(cloud, kind, known.get(kind, {})) for kind in self.kinds))
        left = {kind: names for kind, names in zip(self.kinds, found, strict=True) if names}
        if not left:
            return passed({}, {})
        shown = "; ".join(f"{kind} {name}" for kind, names in left.items() for name in names)
        return failed(left, {}, f"left behind: {shown}")

    async def _left(self, cloud: Cloud, kind: str, known: Mapping[str, str]) -> list[str]:
        keys = LISTS[kind][2]
        things = [thing for thing in await _present(cloud, kind) if not _matches(thing, self.allow, keys)]
        return sorted(_named(thing) for thing in things if str(thing.get("id")) in known or self._meant(thing, keys))

    def _meant(self, thing: Thing, keys: Iterable[str]) -> bool:
        return _matches(thing, self.name, keys) or (bool(self.tags) and not any(self._wrong_tags(thing)))


async def _present(cloud: Cloud, kind: str) -> list[Thing]:
    """All resources of a kind but the removed ones."""
    command, key, _ = LISTS[kind]
    return [thing for thing in await cloud.list(command, key) if thing.get("state") not in GONE]


async def _machines(ctx: Context, cloud: Cloud, on: str, names: Names) -> list[Thing]:
    """The machines with these names, else those of a selector's nodes."""
    machines = await _present(cloud, "machine")
    if words(names):
        return [machine for machine in machines if _matches(machine, names, LISTS["machine"][2])]
    nodes: Sequence[Node] = (await choose(ctx, on or "*")).nodes
    if isinstance(ctx.provider, AdoptsNodes) and not ctx.system.places_nodes:
        nodes = await ctx.provider.adopt(nodes)
    if unknown := [node.name for node in nodes if not node.detail.get("id")]:
        raise CannotTell(f"provider {ctx.suite.provider} does not know {', '.join(unknown)} as virtual machines of "
                         "the account; use the names of the machines")  # fmt: skip
    ids = {str(node.detail["id"]) for node in nodes}
    return [machine for machine in machines if str(machine.get("id")) in ids]


def _matches(thing: Thing, patterns: Names, keys: Iterable[str]) -> bool:
    """Whether one of its names under these keys matches a pattern."""
    own = [str(thing.get(key)) for key in keys if thing.get(key)]
    return any(fnmatchcase(name, pattern) for name in own for pattern in words(patterns))


def _miscounted(found: Sequence[Thing], count: int | None) -> int | str | None:
    """The expected number if it differs; by default at least one."""
    if count is None:
        return None if found else "at least one"
    return None if len(found) == count else count


def _wrong_name(thing: Thing, key: str, what: str, wanted: str) -> Iterable[str]:
    """Its part must have the wanted name or identifier, if one is wanted."""
    name = thing.get(f"{key}name")
    if wanted and wanted not in (name, thing.get(f"{key}id")):
        yield f"{what} is {name}, expected {wanted}"


def _seen(ctx: Context) -> dict[str, dict[str, str]]:
    """Resources checked in this trial: kind to identifier to name."""
    file = ctx.state / SEEN
    seen: dict[str, dict[str, str]] = json.loads(file.read_text()) if file.is_file() else {}
    return seen


def _remember(ctx: Context, kind: str, things: Iterable[Thing]) -> None:
    """Record resources for `cloudstack_left` to look for."""
    known = _seen(ctx)
    known.setdefault(kind, {}).update({str(thing["id"]): str(thing.get("name")) for thing in things})
    (ctx.state / SEEN).write_text(json.dumps(known))


def _shown_machine(machine: Thing) -> dict[str, object]:
    parts = {"offering": "serviceofferingname", "template": "templatename", "zone": "zonename"}
    named = {part: machine.get(key) for part, key in parts.items()}
    networks = [card.get("networkname") for card in machine.get("nic") or ()]
    return {"state": machine.get("state"), **named, "network": networks, "tags": tags_of(machine)}


def _shown_volume(disk: Thing) -> dict[str, object]:
    keys = {"name": "name", "size": "size", "type": "type", "machine": "vmname", "offering": "diskofferingname"}
    return {**{part: disk.get(key) for part, key in keys.items()}, "tags": tags_of(disk)}


def _named(thing: Thing) -> str:
    name = str(thing.get("name") or thing.get("ipaddress") or thing.get("id"))
    more = [str(thing[key]) for key in ("state", "vmname", "virtualmachinename") if thing.get(key)]
    return f"{name} ({', '.join(more)})" if more else name
