"""The libvirt provider: nodes are virtual machines of this host, under KVM where it works, else by emulation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from seatrial.errors import (
    CannotTell,
    ExtraMissing,
    LinkDown,
    LinkLost,
    NodeFailed,
    Overrun,
    SeatrialError,
    ToolMissing,
)
from seatrial.links.libvirt import Forbidden, Hypervisor, library
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec, Resource
from seatrial.providers.libvirt import console, listing, machine, network, volumes
from seatrial.providers.libvirt.settings import PARAMETERS, LibvirtSettings, uri_of
from seatrial.providers.nodes import Addresses
from seatrial.registry import provider
from seatrial.spi import Context, Powers, Readiness
from seatrial.spi.concurrency import for_each

if TYPE_CHECKING:
    from seatrial.providers.libvirt.link import MachineLink
    from seatrial.providers.libvirt.trial_resources import TrialResources

LAST_ADDRESS = 199
PRESS_AGAIN = 10.0
"""Seconds between presses of the power button: early in its boot a guest does not react to it."""

CRASHED_BY = 15.0
"""Seconds for a guest to crash as requested."""

SYSRQ = """test -w /proc/sysrq-trigger || exit 77
echo 1 >/proc/sys/kernel/sysrq
setsid sh -c 'sleep 0.3; echo b >/proc/sysrq-trigger' </dev/null >/dev/null 2>&1 &"""
FORCED = "setsid sh -c 'sleep 0.3; poweroff -f' </dev/null >/dev/null 2>&1 &"


@provider("libvirt")
class Libvirt:
    """Each node is a domain with an overlay on a cached image, a NoCloud seed, and a recorded console."""

    on_this_host = True
    powers = frozenset(Powers) - {Powers.DISCONNECT, Powers.HEAL}
    parameter_names = PARAMETERS
    why_missing: Mapping[Powers, str] = {
        Powers.HEAL: "nothing ends a fault on its nodes if Seatrial dies",
    }
    deadlines: Mapping[str, float] = {"deploy": 600, "start": 300, "stop": 120, "restart": 300, "destroy": 120}

    Settings: ClassVar[type[Any]] = LibvirtSettings

    def __init__(self, settings: LibvirtSettings) -> None:
        self._settings = settings
        self._hypervisor = Hypervisor(uri_of(self._settings))
        self._hypervisor.listen(self._told)
        self._preparing = asyncio.Lock()
        self._resources: TrialResources | None = None
        self._addresses = Addresses(LAST_ADDRESS, "machines")
        self._links: dict[str, MachineLink] = {}
        self._looks: set[asyncio.Future[None]] = set()
        self._say: Callable[..., None] = lambda *_: None

    # Creating and removing

    async def prepare(self, ctx: Context) -> None:
        """Look at the images, decide between KVM and emulation, make the trial's network."""
        from seatrial.providers.libvirt.trial_resources import prepare

        async with self._preparing:
            if self._resources is None:
                self._say = ctx.log
                self._resources = await prepare(ctx, self._hypervisor, self._settings)

    def foresee(self, spec: NodeSpec, ctx: Context) -> Mapping[str, object]:
        """Names of the domain, its files and its network, and where the daemon is."""
        pool = volumes.pool_name(self._settings)
        return listing.node_detail(ctx.run_id, ctx.trial_id, spec.name, self._hypervisor.uri, pool)

    async def create(self, spec: NodeSpec, ctx: Context) -> Node:
        """Create a machine and return once it has booted and lets us in; CannotTell with its console if it does not.

        A machine that breaks down under KVM while booting is created again by emulation, once.
        """
        await self.prepare(ctx)
        resources = self._resources
        assert resources is not None
        try:
            return await self._create(spec, ctx, resources)
        except machine.DiskFailed:
            raise
        except NodeFailed as error:
            if not resources.how.kvm or self._settings.accelerate == "kvm":
                raise
            await self._away("node", self.foresee(spec, ctx))
            return await self._create(spec, ctx, await self._without_kvm(resources, str(error)))

    async def _without_kvm(self, resources: TrialResources, why: str) -> TrialResources:
        """Use emulation now and in later runs. If several machines break down, the first one decides."""
        from seatrial.providers.libvirt.probing import give_up_kvm

        async with self._preparing:
            if self._resources is None or self._resources.how.kvm:
                how = await give_up_kvm(self._hypervisor, self._settings, resources.media, why)
                self._resources = replace(resources, how=how)
                self._say(f"machines run by emulation from now on: {how.why}", "warning")
            return self._resources

    async def _create(self, spec: NodeSpec, ctx: Context, resources: TrialResources) -> Node:
        from seatrial.providers.libvirt import creation

        detail = {**self.foresee(spec, ctx), "acceleration": "kvm" if resources.how.kvm else "emulation"}
        place = self._addresses.of(spec.name)
        node = await creation.make(self._hypervisor, spec, ctx, resources, self._settings, detail, place)
        # Its own error must come before the step's, because the step would blame the product.
        patience = min(ctx.deadline("start"), ctx.deadline("deploy") * 0.9)
        await creation.until_let_in(self._hypervisor, node, self.link(node), self.console, self._settings, patience)
        return node

    async def destroy(self, resource: Resource) -> None:
        """Remove a node, a volume or a network by its record; already gone is success."""
        await self._away(resource.kind, resource.detail)

    async def _away(self, kind: str, given: Mapping[str, object]) -> None:
        detail = {key: str(value) for key, value in given.items()}
        hypervisor = self._hypervisor
        if detail.get("uri", hypervisor.uri) != hypervisor.uri:
            hypervisor = Hypervisor(detail["uri"])

        def away(connection: Any) -> None:
            if kind == "network":
                network.destroy(connection, detail["network"])
            if kind == "node":
                network.forget(connection, detail["network"], detail["node"], detail["mac"])
            machine.destroy(connection, detail.get("domain", ""), detail["files"], detail["pool"])

        await hypervisor.call(f"removing the {kind} {detail.get('domain') or detail['files']}", away)
        self._break_off(detail.get("domain", ""))

    async def find(self, run: str) -> Sequence[Resource]:
        """Domains, files without a domain, and networks with the run's id; none if libvirt was never used."""
        from seatrial.providers.libvirt.trial_resources import used_mark

        try:
            library()
            return await self._hypervisor.call(
                "listing our resources",
                lambda connection: listing.listed(connection, self._settings, self._hypervisor.uri, run),
            )
        except (ExtraMissing, ToolMissing, Forbidden):
            if used_mark(self._hypervisor.uri).exists():
                raise
            return ()

    @classmethod
    async def readiness(cls, settings: LibvirtSettings) -> Readiness:
        """Whether a guest on a network of its own boots here, by a trial that is removed again."""
        from seatrial.providers.libvirt.probing import readiness
        from seatrial.providers.libvirt.trial_resources import image_told

        return image_told(settings, await readiness(settings, uri_of(settings)))

    # Looking

    def link(self, node: Node) -> MachineLink:
        """SSH to the machine; it is interrupted as soon as libvirt reports the machine down."""
        from seatrial.providers.libvirt.link import MachineLink

        name = _domain(node)
        known = self._links.get(name)
        if known is None or known.node != node:
            known = self._links[name] = MachineLink(node, self.console, self._excuse)
        return known

    async def _excuse(self, node: Node) -> None:
        """NodeFailed when the machine has broken down; else the link's own words stand."""
        try:
            await self._sound(_domain(node))
        except NodeFailed:
            raise
        except SeatrialError:
            return

    async def state(self, node: Node) -> PowerState:
        """As libvirt reports it; NodeFailed if QEMU stopped it by itself: an internal error, a full disk."""
        return (await self._power(node))[0]

    async def power_reason(self, node: Node) -> str:
        """Libvirt's word: `shut off (destroyed)`, `shut off (shutdown)`, `shut off (crashed)`, `running (booted)`."""
        return (await self._power(node))[1]

    async def failure(self, node: Node) -> str:
        """Libvirt's state and reason, and QEMU's log, of a machine that crashed or was stopped by QEMU itself."""
        try:
            await self._sound(_domain(node))
        except NodeFailed as error:
            return str(error)
        return ""

    async def _sound(self, domain: str) -> None:
        await self._hypervisor.call(
            f"asking for the power of {domain}", lambda connection: machine.sound(connection, domain)
        )

    async def _power(self, node: Node) -> tuple[PowerState, str]:
        return await self._hypervisor.call(
            f"asking for the power of {node.name}", lambda connection: machine.power(connection, _domain(node))
        )

    async def boot_id(self, node: Node) -> str:
        """The guest kernel's own; LinkDown when it cannot be asked."""
        state, reason = await self._power(node)
        if state is not PowerState.RUNNING:
            raise LinkDown(f"{node.name} has no boot id to give: it is {reason}")
        done = await self.link(node).run(["cat", "/proc/sys/kernel/random/boot_id"], timeout=20)
        if not done.ok:
            raise CannotTell(f"the boot id of {node.name} cannot be read: {done.stderr.strip()}")
        return done.stdout.strip()

    async def console(self, node: Node) -> str:
        """The output of its serial port since its creation, across boots (the last 64 KiB)."""

        def look(connection: Any) -> str:
            pool = connection.storagePoolLookupByName(str(node.detail["pool"]))
            return console.read(connection, pool, f"{node.detail['files']}console")

        return await self._hypervisor.call(f"reading the console of {node.name}", look)

    def _told(self, domain: str, event: str) -> None:
        """Libvirt's events of a domain, as they happen."""
        if event == "suspended" and domain in self._links:
            look = asyncio.ensure_future(self._break_off_if_failed(domain))
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)
        if event in ("stopped", "crashed", "rebooted"):
            self._break_off(domain)
        if event in ("no space", "io error", "crashed") and domain in self._links:
            why = "the disk of this host is full" if event == "no space" else event
            self._say(f"libvirt says of {domain}: {why}", "warning")

    async def _break_off_if_failed(self, domain: str) -> None:
        """A command on a machine stopped by QEMU ends now; the link reports why."""
        try:
            await self._sound(domain)
        except NodeFailed as error:
            self._say(str(error), "warning")
            self._break_off(domain)
        except SeatrialError:
            return

    def _break_off(self, domain: str) -> None:
        if domain in self._links:
            self._links[domain].abort()

    # Power

    async def start(self, node: Node) -> None:
        """Power it on; a running one is left alone. It boots by itself from there."""
        await self._act(node, "switching on", machine.start)

    async def stop(self, node: Node) -> None:
        """Press the power button (ACPI) and wait until it is off; a frozen node resumes first.

        Overrun if the guest does not obey within the deadline: nothing is forced, because that would be a crash.
        """
        state, _ = await self._power(node)
        if state is PowerState.STOPPED:
            return
        if state is PowerState.PAUSED:
            await self.resume(node)
        clock = asyncio.get_running_loop().time
        end = clock() + self.deadlines["stop"]
        while (left := end - clock()) > 0:
            await self._act(node, "pressing the power button of", machine.press_power_button)
            if await self._is_off(node, min(left, PRESS_AGAIN)):
                return
        raise Overrun(
            f"{node.name} did not shut down within {self.deadlines['stop']:g} s of its power button being pressed; "
            "it runs still (crash_node with `method: destroy` takes its power away)",
            evidence=console.tail(await self.console(node)),
        )

    async def crash(self, node: Node) -> None:
        """Take its power away, with no warning."""
        await self._act(node, "cutting the power of", machine.cut)
        self._break_off(_domain(node))

    async def guest_stop(self, node: Node) -> None:
        """`poweroff` inside it; returns when the power is off."""
        await self._tell(node, "poweroff")
        if not await self._is_off(node, self.deadlines["stop"]):
            raise Overrun(f"{node.name} did not power itself off within {self.deadlines['stop']:g} s")

    async def guest_reboot(self, node: Node) -> None:
        await self._tell(node, "reboot")

    async def guest_crash(self, node: Node) -> str:
        """SysRq `b`: the kernel resets the machine and syncs nothing; else `poweroff -f`."""
        domain = _domain(node)
        seen = self._hypervisor.seen(domain)
        if await self._tell(node, SYSRQ, refused=77):
            await self._hypervisor.changed(domain, seen, CRASHED_BY)
            if self._hypervisor.seen(domain) != seen:
                self._break_off(domain)
                return "rebooting"
        await self._tell(node, FORCED)
        if not await self._is_off(node, CRASHED_BY):
            raise CannotTell(f"{node.name} obeyed neither SysRq nor `poweroff -f` within {CRASHED_BY:g} s")
        return "off"

    async def pause(self, node: Node) -> None:
        await self._act(node, "freezing", machine.pause)

    async def resume(self, node: Node) -> None:
        await self._act(node, "letting go on", machine.resume)

    async def _act(self, node: Node, what: str, act: Callable[..., None], *more: str) -> None:
        await self._hypervisor.call(
            f"{what} {node.name}",
            lambda connection: act(connection, _domain(node), *more),
            timeout=self.deadlines["stop"],
        )

    async def _is_off(self, node: Node, seconds: float) -> bool:
        """Wait for it to be off, and disconnect its link; False after so many seconds."""

        def off(connection: Any) -> bool | None:
            return machine.power(connection, _domain(node))[0] is PowerState.STOPPED or None

        try:
            await self._hypervisor.until(_domain(node), off, f"the power-off of {node.name}", seconds)
        except TimeoutError:
            return False
        self._break_off(_domain(node))
        return True

    async def _tell(self, node: Node, script: str, *, refused: int = -1) -> bool:
        """Run a power command as root, even if it takes the connection with it; False: its exit code means refusal."""
        try:
            done = await self.link(node).sudo(["sh", "-c", script], timeout=self.deadlines["stop"])
        except LinkLost:
            return True
        if done.ok or done.exit_code == refused:
            return done.ok
        raise CannotTell(f"{node.name} refused `{script.splitlines()[0]}`: {done.stderr.strip() or done.exit_code}")

    # Snapshots

    async def snapshot(self, nodes: Sequence[Node], name: str) -> None:
        """Freeze all, keep memory and disks of all, let all go on."""
        await for_each(nodes, self.pause)
        try:
            await for_each(nodes, lambda node: self._act(node, "keeping a snapshot of", machine.keep, name))
        finally:
            await for_each(nodes, self.resume)

    async def revert(self, nodes: Sequence[Node], name: str) -> None:
        """Silence all; revert all, frozen; resume all; set each clock."""
        from seatrial.providers.libvirt.creation import set_clock

        await for_each(nodes, lambda node: self._act(node, "bringing back", machine.quiet))
        await for_each(nodes, lambda node: self._act(node, "bringing back", machine.bring_back, name))
        for node in nodes:
            self._break_off(_domain(node))
        await for_each(nodes, self.resume)
        await for_each(nodes, lambda node: set_clock(self.link(node)))


def _domain(node: Node) -> str:
    return str(node.detail["domain"])
