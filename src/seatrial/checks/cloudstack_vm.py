"""Whether virtual machines of Apache CloudStack are as requested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seatrial.checks import cloudstack_account
from seatrial.checks.per_node import OnNodes, text_of
from seatrial.checks.sizes import Size, bytes_of, wrong_sizes
from seatrial.links.cloudstack import tags_of
from seatrial.model.result import Observation, failed, passed
from seatrial.registry import check
from seatrial.spi import Context

MIB = 1024**2


@check("cloudstack_vm")
@dataclass(frozen=True, kw_only=True)
class CloudstackVM(OnNodes):
    """Virtual machines have their service offering, template, networks, tags: `cloudstack_vm:notes-*` are running."""

    on: str = ""
    """The machines of these nodes; without `on` and `name`, of all nodes."""
    name: str | tuple[str, ...] = ()
    """Names, or patterns such as `notes-*`."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags required on each, as key to value."""
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
    profile: str = ""
    """A section of cloudstack.ini, if the suite's provider is not `cloudstack`."""

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        """Read `:<name>`."""
        return {"name": text_of(rest, "missing machine name; allowed: cloudstack_vm:NAME, like cloudstack_vm:notes-*")}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """Either `on` or `name`, and valid sizes."""
        if self.on and self.name:
            yield "name", "`on` already selects the machines by node: use `on` or `name`"
        yield from wrong_sizes([("memory", self.memory)])

    async def observe(self, ctx: Context) -> Observation:
        """Look at all machines once."""
        cloud = await cloudstack_account.account(ctx, self.profile)
        found = await cloudstack_account.machines(ctx, cloud, on=self.on, name=cloudstack_account.listed(self.name))
        cloudstack_account.remember(ctx, "machine", found)
        for machine in found:
            disks = await cloud.list("listVolumes", "volume", virtualmachineid=machine["id"])
            cloudstack_account.remember(ctx, "volume", disks)
        expected = self._expected()
        seen = {str(one.get("name")): self._shown(one) for one in found}
        if len(found) != self.count if self.count is not None else not found:
            wanted = "at least one" if self.count is None else self.count
            return failed(seen, {"count": wanted, **expected}, f"{len(found)} machines match, expected {wanted}")
        wrong = [f"{one.get('name')}: {why}" for one in found for why in self._wrong(one)]
        return failed(seen, expected, "; ".join(wrong)) if wrong else passed(seen, expected)

    def _expected(self) -> dict[str, object]:
        keys = ("state", "offering", "template", "zone", "network", "cpus", "memory", "tags")
        return {key: getattr(self, key) for key in keys if getattr(self, key)}

    @staticmethod
    def _shown(one: cloudstack_account.Thing) -> dict[str, object]:
        return {
            "state": one.get("state"),
            "offering": one.get("serviceofferingname"),
            "template": one.get("templatename"),
            "zone": one.get("zonename"),
            "network": [card.get("networkname") for card in one.get("nic") or ()],
            "tags": tags_of(one),
        }

    def _wrong(self, one: cloudstack_account.Thing) -> Iterable[str]:
        if self.state and one.get("state") != self.state:
            yield f"state is {one.get('state')}, expected {self.state}"
        for what, key in (("offering", "serviceoffering"), ("template", "template"), ("zone", "zone")):
            wanted = getattr(self, what)
            if wanted and wanted not in (one.get(f"{key}name"), one.get(f"{key}id")):
                yield f"{what} is {one.get(f'{key}name')}, expected {wanted}"
        cards = list(one.get("nic") or ())
        on = {str(card.get(key)) for card in cards for key in ("networkname", "networkid")}
        for wanted in cloudstack_account.listed(self.network):
            if wanted not in on:
                there = ", ".join(str(card.get("networkname")) for card in cards) or "none"
                yield f"not on network {wanted}; its networks: {there}"
        if self.cpus is not None and one.get("cpunumber") != self.cpus:
            yield f"{one.get('cpunumber')} processors, expected {self.cpus}"
        if self.memory is not None and int(one.get("memory") or 0) * MIB != bytes_of(self.memory):
            yield f"{one.get('memory')} MiB of memory, expected {self.memory}"
        yield from cloudstack_account.wrong_tags(one, self.tags)
