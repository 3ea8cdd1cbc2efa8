"""Whether a teardown left no resources in Apache CloudStack."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seatrial.checks import cloudstack_account
from seatrial.checks.per_node import text_of
from seatrial.errors import nearest
from seatrial.links.cloudstack import Cloud
from seatrial.model.result import Observation, failed, passed
from seatrial.registry import check
from seatrial.spi import Context

LISTS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "machine": ("listVirtualMachines", "virtualmachine", ("name", "displayname")),
    "volume": ("listVolumes", "volume", ("name", "vmname")),
    "network": ("listNetworks", "network", ("name", "displaytext")),
    "address": (
        "listPublicIpAddresses",
        "publicipaddress",
        ("virtualmachinename", "associatednetworkname", "ipaddress"),
    ),
    "snapshot": ("listSnapshots", "snapshot", ("name", "volumename")),
    "keypair": ("listSSHKeyPairs", "sshkeypair", ("name",)),
}
"""Kind to its list command, the key of the list, and the keys of a resource's names."""


@check("cloudstack_left")
@dataclass(frozen=True, kw_only=True)
class CloudstackLeft:
    """No resource with these names or tags, or seen by an earlier check, is left: `cloudstack_left:notes-*`."""

    name: str | tuple[str, ...] = ()
    """Names, or patterns such as `notes-*`."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags as key to value; a resource must have all of them to match."""
    kinds: tuple[str, ...] = tuple(LISTS)
    """Kinds to look for: a list of machine, volume, network, address, snapshot, keypair."""
    allow: str | tuple[str, ...] = ()
    """Names or patterns of resources allowed to stay, such as a shared network."""
    profile: str = ""
    """A section of cloudstack.ini, if the suite's provider is not `cloudstack`."""

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        """Read `:<name>`."""
        return {"name": text_of(rest, "missing name; allowed: cloudstack_left:NAME, like cloudstack_left:notes-*")}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """Require names or tags: an account may hold other resources besides a trial's."""
        if not self.name and not self.tags:
            yield "", "nothing to look for: give `name` or `tags`"
        for kind in self.kinds:
            if kind not in LISTS:
                yield "kinds", f"unknown kind {kind!r}: {nearest(kind, LISTS)}"

    async def observe(self, ctx: Context) -> Observation:
        """Look once; unknown if a list cannot be read."""
        cloud = await cloudstack_account.account(ctx, self.profile)
        known = cloudstack_account.seen(ctx)
        found = await asyncio.gather(*(self._left(cloud, kind, known.get(kind, {})) for kind in self.kinds))
        left = {kind: names for kind, names in zip(self.kinds, found, strict=True) if names}
        if not left:
            return passed({}, {})
        told = "; ".join(f"{kind} {name}" for kind, names in left.items() for name in names)
        return failed(left, {}, f"left behind: {told}")

    async def _left(self, cloud: Cloud, kind: str, known: Mapping[str, str]) -> list[str]:
        command, key, names = LISTS[kind]
        told = []
        for one in await cloud.list(command, key):
            if one.get("state") in cloudstack_account.GONE or cloudstack_account.matches(
                one, cloudstack_account.listed(self.allow), *names
            ):
                continue
            if str(one.get("id")) in known or self._meant(one, names):
                told.append(_told(one))
        return sorted(told)

    def _meant(self, one: cloudstack_account.Thing, names: tuple[str, ...]) -> bool:
        patterns = cloudstack_account.listed(self.name)
        by_name = bool(patterns) and cloudstack_account.matches(one, patterns, *names)
        return by_name or (bool(self.tags) and cloudstack_account.tagged(one, self.tags))


def _told(one: cloudstack_account.Thing) -> str:
    name = str(one.get("name") or one.get("ipaddress") or one.get("id"))
    more = [str(one[key]) for key in ("state", "vmname", "virtualmachinename") if one.get(key)]
    return f"{name} ({', '.join(more)})" if more else name
