"""The cloudstack provider: nodes are virtual machines of an Apache CloudStack, made here or by a deployer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from seatrial.errors import CannotTell, ExtraMissing, LinkDown, LinkLost, UsageError
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec, Resource
from seatrial.providers.cloudstack import naming
from seatrial.providers.cloudstack.settings import CloudStackSettings, size_of
from seatrial.registry import provider
from seatrial.spi import BreaksOff, Context, Finished, Link, Powers, Readiness

if TYPE_CHECKING:
    from seatrial.links.cloudstack import Cloud
    from seatrial.links.ssh import SSHLink
    from seatrial.providers.cloudstack.queries import Looks
    from seatrial.providers.ssh.identity import Seen

STATES = {
    **dict.fromkeys(("Running", "Stopping", "Migrating"), PowerState.RUNNING),
    **dict.fromkeys(("Stopped", "Shutdown", "Starting", "Destroyed", "Expunging"), PowerState.STOPPED),
}
OWNER = "provider:cloudstack"
LOOK = 10.0
"""Seconds for a machine to report its identity."""

AGAIN = 0.1


@provider("cloudstack")
class CloudStack:
    """Each node is a virtual machine, reached by SSH; those of a deployer are recognised by their addresses."""

    outlives_host = True
    powers = frozenset(Powers) - {Powers.PAUSE, Powers.SNAPSHOT}
    why_missing: Mapping[Powers, str] = {
        Powers.PAUSE: "CloudStack cannot freeze a machine",
        Powers.SNAPSHOT: "its snapshots do not bring running machines back as of one moment",
    }
    deadlines: Mapping[str, float] = {
        "deploy": 900.0,
        "start": 600.0,
        "stop": 300.0,
        "restart": 600.0,
        "destroy": 600.0,
    }

    Settings: ClassVar[type[Any]] = CloudStackSettings

    def __init__(self, settings: CloudStackSettings) -> None:
        self._settings = settings
        self._cloud: Cloud | None = None
        self._looks: Looks | None = None
        self._links: dict[tuple[str, str], SSHLink] = {}
        self._key_pair = asyncio.Lock()

    async def cloud(self) -> Cloud:
        """The account, in the named project; also for checks on provisioned resources."""
        if self._cloud is None:
            from seatrial.links.cloudstack import connect
            from seatrial.providers.cloudstack.catalog import choose_project

            cloud = connect(self._settings.profile)
            await choose_project(cloud, self._settings)
            self._cloud = cloud
        return self._cloud

    # Making and giving back

    async def prepare(self, ctx: Context) -> None:
        """Find the account; with `login = "keypair"` register the trial's key there."""
        cloud = await self.cloud()
        ctx.secret(cloud.secret)
        name = f"{naming.PREFIX}{ctx.trial_id}"
        if self._settings.login != "keypair":
            return
        async with self._key_pair:
            if ctx.holds("keypair", name, owner=OWNER):
                return
            from seatrial.providers.cloudstack.creation import keys_of

            _, public = keys_of(ctx)
            project = {"projectid": cloud.project} if cloud.project else {}
            detail = {**naming.place_of(cloud), "keypair": name}
            await ctx.make(
                "keypair",
                name,
                lambda: cloud.do("registerSSHKeyPair", name=name, publickey=public, deadline=60.0, **project),
                owner=OWNER,
                detail=detail,
                outlives_host=True,
            )

    def foresee(self, spec: NodeSpec, ctx: Context) -> Mapping[str, object]:
        """The cloud, and the name of the machine, the prefix of its disks' names."""
        name = naming.machine_name(ctx.trial_id, spec.name)
        if len(name) > 63 or not spec.name.replace("-", "a").isalnum():
            raise UsageError(
                f"invalid node name {spec.name!r}: it is part of a host name (letters, digits, dashes, 63 in all)"
            )
        size_of(spec.parameters, self._settings)
        return {**(naming.place_of(self._cloud) if self._cloud is not None else {}), "machine": name}

    async def create(self, spec: NodeSpec, ctx: Context) -> Node:
        """Make a machine and return when it lets us in."""
        from seatrial.providers.cloudstack import creation

        await self.prepare(ctx)
        private, public = creation.keys_of(ctx)
        pair = f"{naming.PREFIX}{ctx.trial_id}" if self._settings.login == "keypair" else ""
        keys = creation.Keys(private=private, public=public, pair=pair)
        detail = self.foresee(spec, ctx)
        node = await creation.make(await self.cloud(), spec, ctx, self._settings, keys, {"node": spec.name, **detail})
        await creation.until_let_in(node, self.link(node), self._settings.user, ctx.deadline("start"))
        return node

    async def destroy(self, resource: Resource) -> None:
        """Give back a machine with its disks, or a key pair, by its record; already gone is success."""
        from seatrial.links.cloudstack import CloudRefused
        from seatrial.providers.cloudstack import creation
        from seatrial.providers.cloudstack.removal import machine_gone

        cloud, detail = await self.cloud(), resource.detail
        made_at = str(detail.get("endpoint") or cloud.endpoint)
        if made_at != cloud.endpoint:
            raise CannotTell(f"{resource} was made at {made_at}, and the configuration names {cloud.endpoint}: name "
                             "that cloud again, then `seatrial clean`")  # fmt: skip
        made_in = str(detail.get("cloud_project", cloud.project))
        if made_in != cloud.project:  # whose lists show nothing of it, as if it were gone
            raise CannotTell(f"{resource} was made in {_room(made_in)}, and the configuration names "
                             f"{_room(cloud.project)}: set `project` of [providers.cloudstack] as it was, then "
                             "`seatrial clean`")  # fmt: skip
        if resource.kind == "keypair":
            try:
                project = {"projectid": cloud.project} if cloud.project else {}
                await cloud.do("deleteSSHKeyPair", name=str(detail["keypair"]), deadline=60.0, **project)
            except CloudRefused as error:
                if "does not exist" not in error.text:
                    raise
            return
        name = str(detail["machine"])
        begun = creation.BEGUN.get((cloud.endpoint, name), "")
        await machine_gone(cloud, name, begun, self.deadlines["destroy"])
        creation.BEGUN.pop((cloud.endpoint, name), None)
        for key, link in self._links.items():
            if key[0] == name:
                link.abort()

    async def find(self, run: str) -> Sequence[Resource]:
        """Machines with the run's id in their tags or names, and disks without a machine."""
        from seatrial.providers.cloudstack.listing import listed

        return await listed(await self.cloud(), run)

    @classmethod
    async def readiness(cls, settings: CloudStackSettings) -> Readiness:
        """Whether the account lets us in and has everything the settings name."""
        from seatrial.links.cloudstack import REMEDY
        from seatrial.providers.cloudstack.catalog import choose

        made = cls(settings)
        try:
            cloud = await made.cloud()
            zones = await cloud.list("listZones", "zone")
        except ExtraMissing as error:
            return Readiness(False, str(error), "pip install 'seatrial[cloudstack]'")
        except CannotTell as error:
            return Readiness(False, str(error), REMEDY)
        tried = f"{cloud.endpoint} was asked for its zones, and has {len(zones)}"
        try:
            await choose(cloud, made._settings, size_of({}, made._settings))
        except CannotTell as error:
            return Readiness(False, f"{tried}; {error}", "name it under [providers.cloudstack] in seatrial.toml")
        return Readiness(True, f"{tried}; zone, template and service offering are there")

    async def adopt(self, nodes: Sequence[Node]) -> Sequence[Node]:
        """Recognise the account's machines by their addresses, within `adopt` and `adopt_tag`."""
        from seatrial.providers.cloudstack.adoption import recognised

        if not nodes:
            return nodes
        cloud = await self.cloud()
        return recognised(nodes, await cloud.list("listVirtualMachines", "virtualmachine"), self._settings)

    # Looking

    def link(self, node: Node) -> SSHLink:
        """SSH to the machine."""
        from seatrial.links.ssh import SSHLink

        key = str(node.detail.get("machine", node.name)), str(sorted(node.ssh.items(), key=str))
        if key not in self._links:
            self._links[key] = SSHLink(node)
        return self._links[key]

    async def state(self, node: Node) -> PowerState:
        """As CloudStack says it; CannotTell when it has no such machine any more."""
        return STATES.get(await self.power_reason(node), PowerState.UNKNOWN)

    async def power_reason(self, node: Node) -> str:
        """CloudStack's own word for the machine's state."""
        cloud = await self.cloud()
        if self._looks is None:
            from seatrial.providers.cloudstack.queries import Looks

            self._looks = Looks(cloud)
        return await self._looks.at(self._id(node))

    async def boot_id(self, node: Node) -> str:
        """The guest kernel's own; LinkDown when it cannot be asked."""
        return (await self._seen(node)).boot_id

    async def _seen(self, node: Node) -> Seen:
        from seatrial.providers.ssh import identity

        return await identity.seen(self.link(node), timeout=LOOK)

    # Power

    async def start(self, node: Node) -> None:
        """Start it; a running one is left alone."""
        if await self.state(node) is not PowerState.RUNNING:
            await self._job("startVirtualMachine", node, self.deadlines["start"])

    async def stop(self, node: Node) -> None:
        """The ACPI power button, and CloudStack's own action if the guest does not obey."""
        await self._off(node, forced=False)

    async def crash(self, node: Node) -> None:
        """Cut the power: a forced stop."""
        await self._off(node, forced=True)

    async def _off(self, node: Node, *, forced: bool) -> None:
        if await self.state(node) is not PowerState.STOPPED:
            await self._job("stopVirtualMachine", node, self.deadlines["stop"], **({"forced": True} if forced else {}))
        self._break_off(node)

    async def _job(self, command: str, node: Node, deadline: float, **more: Any) -> None:
        await (await self.cloud()).do(command, id=self._id(node), deadline=deadline, **more)

    def _id(self, node: Node) -> str:
        return str(node.detail["id"])

    def _break_off(self, node: Node) -> None:
        link: Link = self.link(node)
        if isinstance(link, BreaksOff):
            link.abort()

    # Power from inside

    async def guest_stop(self, node: Node) -> None:
        """`poweroff` on the machine; returns when CloudStack has noticed."""
        from seatrial.providers.ssh import scripts

        await self._other(node)
        await self._tell(node, scripts.POWEROFF, "shut down")
        await self._until_off(node)

    async def guest_reboot(self, node: Node) -> None:
        """`reboot` on the machine."""
        from seatrial.providers.ssh import scripts

        await self._other(node)
        await self._tell(node, scripts.REBOOT, "rebooted")

    async def guest_crash(self, node: Node) -> str:
        """SysRq `b`; on our own kernel, and without SysRq, `poweroff -f`."""
        from seatrial.providers.ssh import identity, scripts

        if not identity.kernel_is_shared(await self._other(node), identity.ours()):
            done = await self._sent(node, scripts.SYSRQ, timeout=3.0)
            if done is None or done.ok:
                self._break_off(node)
                return "rebooting"
        await self._tell(node, scripts.POWEROFF_NOW, "powered off by force", timeout=5.0)
        self._break_off(node)
        await self._until_off(node)
        return "off"

    async def _other(self, node: Node) -> Seen:
        """The machine's identity; it must not be the machine Seatrial runs on."""
        from seatrial.providers.ssh import identity

        seen = await self._seen(node)
        identity.require_other(self.link(node), seen, identity.ours())
        return seen

    async def _tell(self, node: Node, script: str, what: str, *, timeout: float = 30.0) -> None:
        done = await self._sent(node, script, timeout=timeout)
        if done is not None and not done.ok:
            raise CannotTell(f"{node.name} could not be {what}: {done.stderr.strip() or done.stdout.strip()}")

    async def _sent(self, node: Node, script: str, *, timeout: float) -> Finished | None:
        """Run a command as root that may end the machine; None if it took the connection with it."""
        try:
            return await self.link(node).sudo(script, timeout=timeout)
        except (LinkDown, LinkLost, TimeoutError):
            return None

    async def _until_off(self, node: Node) -> None:
        try:
            async with asyncio.timeout(self.deadlines["stop"]):
                while await self.state(node) is not PowerState.STOPPED:
                    await asyncio.sleep(AGAIN)
        except TimeoutError:
            seconds = self.deadlines["stop"]
            raise CannotTell(
                f"{node.name} was told to power off, and runs for CloudStack after {seconds:g} s"
            ) from None
        self._break_off(node)


def _room(project: str) -> str:
    return f"the project {project}" if project else "no project"
