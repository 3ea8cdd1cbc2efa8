"""Whether the disks of virtual machines of Apache CloudStack are as requested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from seatrial.checks import cloudstack_account
from seatrial.checks.per_node import OnNodes, text_of
from seatrial.checks.sizes import Size, bytes_of, wrong_sizes
from seatrial.links.cloudstack import tags_of
from seatrial.model.result import Observation, failed, passed
from seatrial.registry import check
from seatrial.spi import Context

Kind = Literal["data", "root", "any"]
KINDS = {"data": "DATADISK", "root": "ROOT"}


@check("cloudstack_volume")
@dataclass(frozen=True, kw_only=True)
class CloudstackVolume(OnNodes):
    """Volumes have the right size, offering, tags and machine: `cloudstack_volume:notes-db-*`."""

    on: str = ""
    """The disks of these nodes; without `on`, `machine` and `name`, of all nodes."""
    machine: str | tuple[str, ...] = ()
    """The disks of the machines with these names."""
    name: str | tuple[str, ...] = ()
    """Names of volumes, attached or not, or patterns."""
    kind: Kind = "data"
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
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags required on each, as key to value."""
    profile: str = ""
    """A section of cloudstack.ini, if the suite's provider is not `cloudstack`."""

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        """Read `:<name>`."""
        return {
            "name": text_of(
                rest, "missing volume name; allowed: cloudstack_volume:NAME, like cloudstack_volume:notes-db-*"
            )
        }

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """One way to select volumes, and valid sizes."""
        chosen = [key for key in ("on", "machine", "name") if getattr(self, key)]
        for key in chosen[1:]:
            yield key, f"`{chosen[0]}` already selects the volumes: keep one of the two"
        yield from wrong_sizes([("size", self.size), ("at_least", self.at_least)])

    async def observe(self, ctx: Context) -> Observation:
        """Look at all volumes once."""
        cloud = await cloudstack_account.account(ctx, self.profile)
        found: list[cloudstack_account.Thing] = [*await cloud.list("listVolumes", "volume")]
        kind = KINDS.get(self.kind)
        found = [
            one
            for one in found
            if one.get("state") not in cloudstack_account.GONE and (not kind or one.get("type") == kind)
        ]
        names, groups = cloudstack_account.listed(self.name), dict[str, list[cloudstack_account.Thing]]()
        if names:
            groups["with this name"] = [one for one in found if cloudstack_account.matches(one, names, "name")]
        else:
            chosen = cloudstack_account.listed(self.machine)
            for machine in await cloudstack_account.machines(ctx, cloud, on=self.on, name=chosen):
                own = [one for one in found if one.get("virtualmachineid") == machine["id"]]
                groups[f"of {machine.get('name')}"] = own
        cloudstack_account.remember(ctx, "volume", (one for group in groups.values() for one in group))
        return self._judged(groups)

    def _judged(self, groups: Mapping[str, list[cloudstack_account.Thing]]) -> Observation:
        keys = ("count", "size", "at_least", "offering", "tags")
        expected = {key: getattr(self, key) for key in keys if getattr(self, key) not in (None, "", {})}
        shown = {where: [_shown(one) for one in group] for where, group in groups.items()}
        wrong = [] if groups else ["no machine matches"]
        for where, group in groups.items():
            if (self.count is not None and len(group) != self.count) or (not group and self.count is None):
                wanted = "at least one" if self.count is None else self.count
                wrong.append(f"{len(group)} volumes {where}, expected {wanted}")
            wrong += [f"{one.get('name')} {where}: {why}" for one in group for why in self._wrong(one)]
        return failed(shown, expected, "; ".join(wrong)) if wrong else passed(shown, expected)

    def _wrong(self, one: cloudstack_account.Thing) -> Iterable[str]:
        size = int(one.get("size") or 0)
        if self.size is not None and size != bytes_of(self.size):
            yield f"size is {size} bytes, expected {self.size} ({bytes_of(self.size)} bytes)"
        if self.at_least is not None and size < bytes_of(self.at_least):
            yield f"size is {size} bytes, expected at least {self.at_least}"
        if self.offering and self.offering not in (one.get("diskofferingname"), one.get("diskofferingid")):
            yield f"offering is {one.get('diskofferingname')}, expected {self.offering}"
        if bool(one.get("virtualmachineid")) is not self.attached:
            yield (
                "not attached to a machine"
                if self.attached
                else f"attached to {one.get('vmname')}, expected unattached"
            )
        yield from cloudstack_account.wrong_tags(one, self.tags)


def _shown(one: cloudstack_account.Thing) -> dict[str, object]:
    told = {"name": one.get("name"), "size": one.get("size"), "type": one.get("type"), "machine": one.get("vmname")}
    return {**told, "offering": one.get("diskofferingname"), "tags": tags_of(one)}
