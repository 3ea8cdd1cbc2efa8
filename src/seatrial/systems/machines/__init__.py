"""Machines that another program made: nodes from its inventory, what is measured on them, and powers from inside.

A system on such machines derives from `GivenMachines` and says how its program lists them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, ClassVar

from seatrial.errors import CannotTell, LinkDown, SeatrialError
from seatrial.links import tcp
from seatrial.model.cluster import OFF, ClusterStatus, NodeHealth, PowerState, all_off, cluster_status, power_by_parts
from seatrial.model.frozen import frozen
from seatrial.model.reading import Health, Reading, absent, measured, remembered, reported
from seatrial.model.resource import Node
from seatrial.model.scenario import Suite
from seatrial.spi import AdoptsNodes, Context, Gap, Need, Powers, link_of, power_reading
from seatrial.spi.concurrency import NODES_AT_ONCE, map_concurrently
from seatrial.spi.output import cleanup_output
from seatrial.systems.machines import host_keys
from seatrial.systems.machines.settings import MachineSettings
from seatrial.systems.probes import service_of
from seatrial.systems.records import Declared
from seatrial.systems.settings import DEADLINES, Probe, Roots, node_root
from seatrial.systems.states import EXPRESSION_NAMES, not_deployed, whole, without_deployment

Parts = Mapping[str, Reading[Health]]

IN_GUEST = frozenset({Powers.GUEST_STOP, Powers.GUEST_REBOOT, Powers.GUEST_CRASH})
"""Powers over any node with SSH."""

NODE_VERBS = {
    Powers.STOP: "stop_node", Powers.START: "start_node", Powers.CRASH: "crash_node",
    Powers.GRACEFUL_RESTART: "restart_node",
}  # fmt: skip
"""Power to the key of a command for it."""

_TURNS_OFF = frozenset({Powers.STOP, Powers.CRASH, Powers.GUEST_STOP, Powers.GUEST_CRASH})

DEPLOYMENT = "deployment"
"""The kind of entry in the ledger for what the program made."""

UNDECLARED = "neither `health` nor `status` is declared in the system's settings"

_HEALTH = (
    "write `health:` into `system:` (`{tcp: PORT}`, `{http: URL}`, `{command: […]}` on each node, or a command that "
    "prints JSON), or check what the links tell: ssh_connectivity, all_nodes_running"
)


@frozen(kw_only=False)
class Told:
    """What the program that made the machines says of them, by the node's name."""

    parts: Mapping[str, Parts] = field(default_factory=dict)
    powers: Mapping[str, Reading[PowerState]] = field(default_factory=dict)
    power: Reading[PowerState] | None = None
    """The power of nodes without their own."""


class GivenMachines(Declared):
    """The part of a system for machines that its own program made.

    The system sets `_stage` to `initialized` and `deployed`, makes an entry `DEPLOYMENT` in the ledger, and calls
    `forget_nodes` whenever its program may have changed the list of its machines.
    """

    places_nodes: ClassVar[bool] = False
    adopts_nodes: ClassVar[bool] = True
    """The provider recognises machines of the inventory as its own and offers its powers for them."""
    template_names: ClassVar[tuple[str, ...]] = ("node", "record")
    """First words of templates filled in by the system itself."""
    expression_names: ClassVar[tuple[str, ...]] = EXPRESSION_NAMES
    """Additional names for the expressions in the settings."""
    power_keys: ClassVar[Mapping[Powers, str]] = {
        **{power: f"`{verb}:`" for power, verb in NODE_VERBS.items()},
        Powers.GUEST_STOP: "`stop_node:`",
        Powers.GUEST_CRASH: "`crash_node:` (for steps with `method: destroy`)",
        Powers.GUEST_REBOOT: "`restart_node:` (for steps with `method: graceful`)",
    }
    """The keys that give it a power."""
    default_deadlines: Mapping[str, float] = DEADLINES
    service_key: ClassVar[str] = "health"
    by: ClassVar[str] = "the deployer's inventory"
    """The source of the list of nodes, in words."""

    def __init__(self, settings: MachineSettings, probe: Probe | None = None) -> None:
        """`probe` asks the service of each node."""
        super().__init__(settings.data, settings.admin, roots_of)
        self._requested = settings.nodes
        self._probe, self._proof, self._rule = probe, settings.proof, settings.rule
        self._nodes: Sequence[Node] = ()
        self._creates = False
        """Whether its program makes the machines themselves: then their first host keys are accepted."""
        self._there: Mapping[str, str] = {}
        """Place to node, of machines that existed before `deploy`."""
        self._before: Sequence[Node] = ()
        """The nodes at the time of `destroy`."""
        self._off: set[str] = set()
        """Nodes that Seatrial turned off: nobody else knows their power."""
        self.pace = (float(settings.poll), 10 * float(settings.poll))
        self.wait_for = settings.wait_for

    @classmethod
    def node_names(cls, settings: Any, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """The names in the settings; empty: known only after `deploy`."""
        return tuple(settings.nodes)

    @classmethod
    def parameter_names(cls, suite: Suite) -> Collection[str] | None:
        """The number of requested nodes."""
        return ("cluster_size",)

    @classmethod
    def part_names(cls, settings: Any) -> tuple[str, ...] | None:
        """The link of a node, and its service if the settings probe it."""
        return ("ssh", "service") if settings.health else ("ssh",)

    @classmethod
    def state_names(cls, settings: Any) -> tuple[str, ...] | None:
        """None but Seatrial's own."""
        return ()

    @classmethod
    def measures_service(cls, settings: Any) -> bool:
        """Whether anything in these settings tells how the service is."""
        return bool(settings.health)

    @classmethod
    def gaps(cls, settings: Any) -> Mapping[Need, Gap]:
        """The service too, where nothing tells how it is."""
        gaps = dict(super().gaps(settings))
        if not cls.measures_service(settings):
            gaps[Need.SERVICE] = Gap(UNDECLARED, _HEALTH)
        return gaps

    # What a system says of its program

    async def list_nodes(self, ctx: Context) -> Sequence[Node]:
        """The machines as the program lists them now; CannotTell when its list is unreadable or empty."""
        raise NotImplementedError

    def missing_nodes(self, ctx: Context, nodes: Sequence[Node]) -> Sequence[str]:
        """The requested nodes that are not among these; those known by their number alone are `absent-1`, …"""
        there = {node.name for node in nodes}
        size = str(ctx.suite.parameters.get("cluster_size", ""))
        if not self._requested and size.isdigit():
            return [f"absent-{number}" for number in range(1, int(size) - len(there) + 1)]
        return [name for name in self._requested if name not in there]

    # Nodes

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        """The machines as listed since the last change, as the provider's own where it knows them; CannotTell when the
        list is empty or cannot be read."""
        if self._stage != "deployed":
            return ()
        if not self._nodes:
            found, provider = await self.list_nodes(ctx), ctx.provider
            if self._creates:
                found = host_keys.accepting(found, ctx.state / host_keys.FILE, self._there)
            self._nodes = await provider.adopt(found) if isinstance(provider, AdoptsNodes) else found
        return self._nodes

    def forget_nodes(self) -> None:
        """Their program may have changed them: the next `nodes` lists them again."""
        self._nodes = ()

    async def destroy(self, ctx: Context) -> None:
        """Remove the deployment by its entry in the ledger; what still answers of its nodes refutes that."""
        before = await self._nodes_about_to_go(ctx)
        if self._stage == "deployed":
            ours = cleanup_output.set(lambda _: ctx.keeping("destroy"))
            try:
                await ctx.give_back(DEPLOYMENT, ctx.deployment_id)
            finally:
                cleanup_output.reset(ours)
        else:
            await self.remove_leftovers(ctx)
        await host_keys.forget(ctx, before)
        self._before, self._nodes, self._stage = before, (), "destroyed"

    async def look_before(self, nodes: Sequence[Node]) -> Mapping[str, str]:
        """Before `deploy` creates machines: which of these answer already, place to node."""
        if self._creates and self._stage != "deployed":
            self._there = await host_keys.already_there(nodes)
        return self._there

    def distrust(self, ctx: Context, there: Mapping[str, str]) -> None:
        """Say which machines existed before: an unknown host key of theirs is not accepted."""
        for where, name in there.items():
            text = f"{name} answers at {where} before it is deployed, so this trial does not create it"
            ctx.log(f"{text}: Seatrial accepts no unknown host key of it", "warning")

    async def remove_leftovers(self, ctx: Context) -> None:
        """Remove what may be there although this trial has deployed nothing."""

    async def _nodes_about_to_go(self, ctx: Context) -> Sequence[Node]:
        """Those of now; none if the list cannot be read: `destroy` must run all the same."""
        try:
            return await self.nodes(ctx)
        except (SeatrialError, OSError) as error:
            ctx.log(f"the nodes before destroy are not known: {error}", "debug")
            return ()

    # Measuring

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        """Their power, their links, and their service by its probe."""
        return await self.measure(ctx, nodes)

    async def status(self, ctx: Context) -> ClusterStatus:
        """The state that follows from the nodes, requested ones that are missing included."""
        if self._stage != "deployed":
            return without_deployment(not_deployed(self._stage), await self.measure(ctx, self._before))
        nodes = await self.nodes(ctx)
        health = {**await self.health(ctx, nodes), **self.missing(ctx, nodes)}
        return await self.conclude(ctx, health) if self._probe else unmeasured(health)

    async def conclude(self, ctx: Context, health: Mapping[str, NodeHealth]) -> ClusterStatus:
        """The state of the whole by the declared rule."""
        return await whole(ctx, health, self._rule, {})

    def missing(self, ctx: Context, nodes: Sequence[Node]) -> dict[str, NodeHealth]:
        """The health of the requested nodes that are not among these."""
        why = "it was requested, but is not in the inventory"
        missing = reported(Health.NOT_OK, why, by=self.by)
        parts, power = {"ssh": missing, "service": missing}, absent(PowerState.UNKNOWN, why)
        return {name: NodeHealth(power=power, parts=parts) for name in self.missing_nodes(ctx, nodes)}

    async def measure(self, ctx: Context, nodes: Sequence[Node], told: Told | None = None) -> dict[str, NodeHealth]:
        """The health of these nodes: what Seatrial measures, and what their program says."""

        told = told or Told()

        async def one(node: Node) -> NodeHealth:
            parts = dict(told.parts.get(node.name, {}))
            return await self._health_of(ctx, node, parts, told.powers.get(node.name, told.power))

        found = await map_concurrently(one, nodes, most=NODES_AT_ONCE)
        return {node.name: health for node, health in zip(nodes, found, strict=True)}

    async def _health_of(
        self, ctx: Context, node: Node, parts: dict[str, Reading[Health]], said: Reading[PowerState] | None
    ) -> NodeHealth:
        if node.adopted:
            said = await power_reading(ctx.provider, node, ctx.suite.provider)
            if said.value in OFF:
                return all_off(said, f"{said.by} reports that it is {said.value}")
        if node.proves_itself:
            link, told = await link_of(ctx, node), parts.get("ssh")
            parts["ssh"] = link if told is None else both(link, told)
            if link.ok:
                self._off.discard(node.name)
            elif link.value is Health.UNKNOWN and self._stage == "destroyed" and node.ssh:
                parts["ssh"] = await _port_of(node)  # the key to the node may be gone, and the node not
        if self._probe is not None:
            parts["service"] = await service_of(ctx, self._probe, self._proof, node, roots_of(node))
        if said is None and node.name in self._off:
            said = remembered(PowerState.STOPPED, "Seatrial shut it down")
        return NodeHealth(power=power_by_parts(parts, said), parts=parts)

    # Powers

    def refusal(self, node: Node, what: Powers) -> str:
        """From inside a node there is no power without SSH: this machine, or a container, is not to be rebooted."""
        if what not in IN_GUEST or node.adopted or node.ssh:
            return ""
        way = f"`{node.connection.kind}`" if node.connection else "no way in"
        key = self.power_keys.get(what, "")
        remedy = f"; write {key} into `system:`" if key else ""
        return f"{node.name} has {way} in the inventory, not SSH, so it cannot {what}{remedy}"

    async def power(self, ctx: Context, node: Node, what: Powers) -> bool:
        """Act from inside the node; False for another power, and for a node that the provider has power over."""
        if what not in IN_GUEST or node.adopted:
            return False
        from seatrial.systems.machines.guests import Guests

        guests = Guests(ctx)
        if what is Powers.GUEST_REBOOT:
            await guests.guest_reboot(node)
        elif what is Powers.GUEST_STOP:
            await guests.guest_stop(node)
            self.powered(what, [node])
        elif await guests.guest_crash(node) == "off":
            self.powered(what, [node])
        return True

    def powered(self, what: Powers, nodes: Iterable[Node]) -> None:
        """Remember what was done to these nodes; what still answers of one that is off refutes it."""
        names = {node.name for node in nodes}
        self._off = self._off | names if what in _TURNS_OFF else self._off - names

    # Another process

    def remember(self) -> Mapping[str, Any]:
        """What another process needs for `resume`: its program lists the nodes again."""
        return {**self.recorded(), "off": sorted(self._off), "there": dict(self._there)}

    async def resume(self, ctx: Context, memory: Mapping[str, Any]) -> None:
        """Continue with the deployment; CannotTell when its program does not list it any more."""
        self.take_recorded(memory)
        self._off, self._there = set(memory["off"]), dict(memory["there"])


def unmeasured(health: Mapping[str, NodeHealth], why: str = UNDECLARED) -> ClusterStatus:
    """The status where nothing measures the service: nobody knows more of the whole than that every node is off."""
    status = cluster_status(health, service=absent(Health.UNKNOWN, why))
    return status if status.state.value == "stopped" else replace(status, state=absent("", why))


def roots_of(node: Node) -> Roots:
    """The values for the `${{ }}` about a node."""
    return {"node": node_root(node)}


def both(link: Reading[Health], told: Reading[Health]) -> Reading[Health]:
    """A node's link, as Seatrial tried it and as a program reports it; contradictory, neither is known."""
    if link.value is Health.UNKNOWN:
        return told
    if told.value in (Health.UNKNOWN, link.value):
        return link
    why = f"a contradiction: Seatrial's own link is {link.value}, and {told.by} says {told.value}"
    return absent(Health.UNKNOWN, "; ".join(filter(None, (why, link.why or told.why))))


async def _port_of(node: Node) -> Reading[Health]:
    """Whether something answers at the SSH port of a node; unknown behind a jump host."""
    host, port, by = str(node.ssh["host"]), int(str(node.ssh.get("port") or 22)), f"the SSH port of {node.name}"
    if "jump" in node.ssh:
        return absent(Health.UNKNOWN, f"{node.name} is behind a jump host, and no key to it is left", by=by)
    try:
        await tcp.reach(host, port)
    except LinkDown as error:
        return measured(Health.NOT_OK, str(error), by=by)
    except CannotTell as error:
        return absent(Health.UNKNOWN, str(error), by=by)
    return measured(Health.OK, by=by)
