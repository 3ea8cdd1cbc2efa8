"""The cloudstack provider: nodes are virtual machines of an Apache CloudStack, made here or by a deployer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from seatrial.errors import CannotTell, ExtraMissing, LinkDown, LinkLost
from seatrial.links.cloudstack import REMEDY, Cloud, CloudRefused, NoSuchThing, connect
from seatrial.links.ssh import SSHLink
from seatrial.links.ssh.guest import GuestPowers
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec, Resource
from seatrial.providers.batches import Batches
from seatrial.providers.cloudstack import creation, naming
from seatrial.providers.cloudstack.naming import recognised
from seatrial.providers.cloudstack.removal import machine_gone
from seatrial.providers.cloudstack.settings import PARAMETERS, CloudStackSettings, choose, choose_project, size_of
from seatrial.providers.letting_in import until_let_in
from seatrial.providers.nodes import require_room
from seatrial.registry import provider
from seatrial.spi import Context, Powers, Readiness

STATES = {
    **dict.fromkeys(("Running", "Stopping", "Migrating"), PowerState.RUNNING),
    **dict.fromkeys(("Stopped", "Shutdown", "Starting", "Destroyed", "Expunging"), PowerState.STOPPED),
}
AGAIN = 0.1


@provider("cloudstack")
class CloudStack(GuestPowers):
    """Each node is a virtual machine, reached by SSH; those of a deployer are recognised by their addresses."""

    outlives_host = True
    powers = frozenset(Powers) - {Powers.PAUSE, Powers.SNAPSHOT, Powers.DISCONNECT, Powers.HEAL}
    parameter_names = PARAMETERS
    why_missing: Mapping[Powers, str] = {
        Powers.PAUSE: "CloudStack cannot freeze a machine",
        Powers.SNAPSHOT: "its snapshots do not bring running machines back as of one moment",
    }
    deadlines: Mapping[str, float] = {
        "deploy": 900.0, "start": 600.0, "stop": 300.0, "restart": 600.0, "destroy": 600.0,
    }  # fmt: skip
    cut_off = (LinkDown, LinkLost, TimeoutError)

    Settings: ClassVar[type[Any]] = CloudStackSettings

    def __init__(self, settings: CloudStackSettings) -> None:
        self._settings = settings
        self._cloud: Cloud | None = None
        self._states = Batches(self._list_states, NoSuchThing, most=1)
        self._links: dict[tuple[str, str], SSHLink] = {}
        self._key_pair = asyncio.Lock()

    async def cloud(self) -> Cloud:
        """The account, in the named project; also for checks on provisioned resources."""
        if self._cloud is None:
            cloud = connect(self._settings.profile)
            await choose_project(cloud, self._settings)
            self._cloud = cloud
        return self._cloud

    async def prepare(self, ctx: Context) -> None:
        """Find the account; with `login = "keypair"` register the trial's key there."""
        cloud = await self.cloud()
        ctx.secret(cloud.secret)
        if self._settings.login != "keypair":
            return
        name = naming.key_pair(ctx.trial_id)
        async with self._key_pair:
            if ctx.holds("keypair", name, owner=naming.OWNER):
                return
            _, public = creation.keys_of(ctx)
            await ctx.make(
                "keypair", name,
                lambda: cloud.do("registerSSHKeyPair", name=name, publickey=public, deadline=60.0, **cloud.scope),
                owner=naming.OWNER, detail={**naming.place_of(cloud), "keypair": name}, outlives_host=True,
            )  # fmt: skip

    def foresee(self, spec: NodeSpec, ctx: Context) -> Mapping[str, object]:
        """The cloud, and the name of the machine, the prefix of its disks' names."""
        require_room(spec.name, naming.machine_name(ctx.trial_id, ""))
        size_of(spec.parameters, self._settings)
        place = naming.place_of(self._cloud) if self._cloud is not None else {}
        return {**place, "machine": naming.machine_name(ctx.trial_id, spec.name)}

    async def create(self, spec: NodeSpec, ctx: Context) -> Node:
        """Make a machine and return when it lets us in."""
        await self.prepare(ctx)
        detail = {"node": spec.name, **self.foresee(spec, ctx)}
        node = await creation.make(await self.cloud(), spec, ctx, self._settings, detail)
        await until_let_in(node, self.link(node), self._settings.user, ctx.deadline("start"), creation.REMEDY)
        return node

    async def destroy(self, resource: Resource) -> None:
        """Remove a machine with its disks, or a key pair, by its record; already gone is success."""
        cloud, detail = await self.cloud(), resource.detail
        made_at = str(detail.get("endpoint") or cloud.endpoint)
        if made_at != cloud.endpoint:
            raise CannotTell(
                f"{resource} was made at {made_at}, and the configuration names {cloud.endpoint}: name that cloud "
                "again, then `seatrial clean`"
            )
        made_in = str(detail.get("cloud_project", cloud.project))
        if made_in != cloud.project:  # whose lists show nothing of it, as if it were gone
            raise CannotTell(
                f"{resource} was made in {_room(made_in)}, and the configuration names {_room(cloud.project)}: set "
                "`project` of [providers.cloudstack] as it was, then `seatrial clean`"
            )
        if resource.kind == "keypair":
            try:
                await cloud.do("deleteSSHKeyPair", name=str(detail["keypair"]), deadline=60.0, **cloud.scope)
            except CloudRefused as error:
                if "does not exist" not in error.text:
                    raise
            return
        name = str(detail["machine"])
        await machine_gone(cloud, name, creation.BEGUN.get((cloud.endpoint, name), ""), self.deadlines["destroy"])
        creation.BEGUN.pop((cloud.endpoint, name), None)
        for key, link in self._links.items():
            if key[0] == name:
                link.abort()

    async def find(self, run: str) -> Sequence[Resource]:
        """Machines with the run's id in their tags or names, and disks without a machine."""
        return await naming.listed(await self.cloud(), run)

    @classmethod
    async def readiness(cls, settings: CloudStackSettings) -> Readiness:
        """Whether the account lets us in and has everything the settings name."""
        try:
            cloud = await cls(settings).cloud()
            zones = await cloud.list("listZones", "zone")
        except ExtraMissing as error:
            return Readiness(False, str(error), "pip install 'seatrial[cloudstack]'")
        except CannotTell as error:
            return Readiness(False, str(error), REMEDY)
        tried = f"{cloud.endpoint} was asked for its zones, and has {len(zones)}"
        try:
            await choose(cloud, settings, size_of({}, settings))
        except CannotTell as error:
            return Readiness(False, f"{tried}; {error}", "name it under [providers.cloudstack] in seatrial.toml")
        return Readiness(True, f"{tried}; zone, template and service offering exist")

    async def adopt(self, nodes: Sequence[Node]) -> Sequence[Node]:
        """Recognise the account's machines by their addresses, within `adopt` and `adopt_tag`."""
        if not nodes:
            return nodes
        cloud = await self.cloud()
        return recognised(nodes, await cloud.list("listVirtualMachines", "virtualmachine"), self._settings)

    def link(self, node: Node) -> SSHLink:
        key = str(node.detail.get("machine", node.name)), str(sorted(node.ssh.items(), key=str))
        return self._links.setdefault(key, SSHLink(node))

    async def state(self, node: Node) -> PowerState:
        """As CloudStack says it; CannotTell when it has no such machine any more."""
        return STATES.get(await self.power_reason(node), PowerState.UNKNOWN)

    async def power_reason(self, node: Node) -> str:
        """CloudStack's own word for the machine's state."""
        id = str(node.detail["id"])
        try:
            return await self._states.at(id)
        except (KeyError, NoSuchThing):
            raise CannotTell(f"CloudStack has no virtual machine {id} any more") from None

    async def _list_states(self, ids: Sequence[str]) -> Mapping[str, str]:
        request = {"ids": ",".join(ids)} if len(ids) > 1 else {"id": ids[0]}
        machines = await (await self.cloud()).list("listVirtualMachines", "virtualmachine", **request)
        return {str(machine["id"]): str(machine.get("state")) for machine in machines}

    async def start(self, node: Node) -> None:
        """Start it; a running one is left alone."""
        if await self.state(node) is not PowerState.RUNNING:
            await self._job("startVirtualMachine", node, self.deadlines["start"])

    async def stop(self, node: Node) -> None:
        """The ACPI power button, and CloudStack's own action if the guest does not obey."""
        await self._power_off(node)

    async def crash(self, node: Node) -> None:
        """Cut the power: a forced stop."""
        await self._power_off(node, forced=True)

    async def _power_off(self, node: Node, **more: Any) -> None:
        if await self.state(node) is not PowerState.STOPPED:
            await self._job("stopVirtualMachine", node, self.deadlines["stop"], **more)
        self.link(node).abort()

    async def _job(self, command: str, node: Node, deadline: float, **more: Any) -> None:
        await (await self.cloud()).do(command, id=str(node.detail["id"]), deadline=deadline, **more)

    async def until_off(self, node: Node, boot: str) -> None:
        """Return when CloudStack has noticed; CannotTell when the machine still runs after the deadline."""
        seconds = self.deadlines["stop"]
        try:
            async with asyncio.timeout(seconds):
                while await self.state(node) is not PowerState.STOPPED:
                    await asyncio.sleep(AGAIN)
        except TimeoutError:
            raise CannotTell(
                f"{node.name} still runs for CloudStack {seconds:g} s after the command to power off"
            ) from None
        self.link(node).abort()


def _room(project: str) -> str:
    return f"the project {project}" if project else "no project"
