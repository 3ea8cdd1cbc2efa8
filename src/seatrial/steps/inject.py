"""`inject` and `heal`: faults of nodes that last for a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from seatrial.errors import StepFailed
from seatrial.links.process.alarm import set_alarm
from seatrial.links.process.spawned import IDENTITY, TAG
from seatrial.model.resource import Node
from seatrial.model.result import Category
from seatrial.model.scenario import Outputs
from seatrial.model.values import Duration, Range
from seatrial.registry import step
from seatrial.spi import Context, Fault, KnowsHosts, Powers
from seatrial.steps.power import before_outage, injector
from seatrial.steps.targets import Targets, by_node, to_outputs
from seatrial.steps.wait_until import Deadline

FAULTS = {
    "pause": Powers.PAUSE, "disconnect": Powers.DISCONNECT, "cordon": Powers.CORDON, "drain": Powers.DRAIN,
}  # fmt: skip
STATES = {"pause": "paused", "disconnect": "disconnected", "cordon": "cordoned", "drain": "drained"}
OF_DRAIN = ("ignore_daemonsets", "delete_emptydir_data", "force", "grace_period")
KIND = "fault"
LONGEST = 600.0
"""Seconds of a fault without its own time."""


@step("inject")
@dataclass(frozen=True, kw_only=True)
class Inject(Targets):
    """Begin a fault on nodes. It ends by itself when its time is up, even if Seatrial is dead."""

    fault: Literal["pause", "disconnect", "cordon", "drain"]
    """`pause`: no process of the node runs, its state is `paused`; `disconnect`: the node is off its networks and
    cannot be reached over them, while its processes go on; `cordon`: no new pod comes to a node of a Kubernetes cluster
    (`node/NAME`); `drain`: its pods are evicted as well, as far as PodDisruptionBudgets allow it."""
    networks: tuple[str, ...] = ()
    """With `disconnect`: the networks to take the node off; by default all, and its state is `unreachable`."""
    ignore_daemonsets: bool = False
    """With `drain`: leave the pods of DaemonSets; by default, a node with such pods is not drained."""
    delete_emptydir_data: bool = False
    """With `drain`: evict pods with data in an emptyDir too; by default, a node with such pods is not drained."""
    force: bool = False
    """With `drain`: evict pods without a controller too, which nobody makes again; by default, a node with such pods is
    not drained."""
    grace_period: Annotated[int, Range(0)] | None = None
    """With `drain`: the seconds for each pod to end; by default as the pod says."""
    for_: Duration = Duration(LONGEST)
    """How long it lasts; `heal`, the end of the suite and `seatrial clean` end it earlier."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        yield from super().check_fields()
        if self.networks and self.fault != "disconnect":
            yield "networks", "only the fault `disconnect` has `networks`"
        for key in OF_DRAIN if self.fault != "drain" else ():
            if getattr(self, key) not in (False, None):
                yield key, f"only the fault `drain` has `{key}`"
        if self.for_ <= 0:
            yield "for", "a fault lasts longer than 0 s: write for example `for: 30s`"

    def needs_powers(self) -> frozenset[Powers]:
        return frozenset({FAULTS[self.fault], Powers.HEAL})

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed when a node cannot have this fault. Outputs: `nodes`, `node`; for `drain` by node `drained`, with
        `evicted` and `left`."""
        nodes = await ctx.select(self.target())
        await before_outage(ctx)
        deadline = Deadline(ctx, "stop")
        effects = await by_node(nodes, lambda node: self._inject(ctx, node, deadline))
        return to_outputs(nodes, **({"drained": effects} if self.fault == "drain" else {}))

    async def _inject(self, ctx: Context, node: Node, deadline: Deadline) -> Mapping[str, object]:
        name, owner = _name(ctx, node, self.fault), _owner(ctx, node)
        provider = injector(ctx, node, FAULTS[self.fault])
        if ctx.holds(KIND, name, owner=owner):  # one before it may have ended by its time: its alarm must not end this
            await ctx.give_back(KIND, name)
        ways = {key: getattr(self, key) for key in OF_DRAIN} if self.fault == "drain" else {}
        detail = await provider.foresee_fault(node, Fault(
            name=self.fault, networks=self.networks, ways=ways, lasts=self.for_, seconds=deadline.left(),
            seen=lambda text, measured: ctx.seen(text, measured=measured),
        ))  # fmt: skip
        known_by = {key: value for key, value in ctx.environment().items() if key in IDENTITY}

        async def begin() -> Mapping[str, object] | None:
            # The alarm first: whatever happens from here on, the fault ends.
            set_alarm(name, self.for_, provider.remedy(detail), {**known_by, TAG: f"{ctx.trial_id}-{KIND}"})
            return await provider.inject(node, detail)

        ctx.emit("fault", node=node.name, fault=self.fault, method=f"{self.for_:g} s", step=ctx.step)
        effect = await ctx.make(KIND, name, begin, owner=owner, detail=detail) or {}
        ctx.emit("node", node=node.name, state=STATES[self.fault])
        for what, said in effect.items():
            ctx.log(f"{node.name}: {what}: {said}")
        return effect


@step("heal")
@dataclass(frozen=True, kw_only=True)
class Heal:
    """End faults of `inject` before their time is up."""

    target_node: str = "*"
    """A node, or a selector: `n12`, `n12,n13`, `*`, `any` (a running one), `random:2`, or a role of the system
    (`leader`)."""
    fault: Literal["", "pause", "disconnect", "cordon", "drain"] = ""
    """Only this fault; by default all."""

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed when none of the nodes has had such a fault. Outputs: `nodes`, `node`."""
        nodes = list(await ctx.select(self.target_node))
        if self.target_node == "*" and isinstance(ctx.system, KnowsHosts):
            nodes += await ctx.system.hosts(ctx)
        names = {node.name: self._names(ctx, node) for node in nodes}
        healed = [node for node in nodes if names[node.name]]
        if not healed:
            what = f"the fault {self.fault}" if self.fault else "a fault"
            text = f"nothing to heal: no step `inject` gave {what} to {', '.join(names)}"
            raise StepFailed(text, category=Category.TEST)
        await by_node(healed, lambda node: self._heal(ctx, node, names[node.name]))
        return to_outputs(healed)

    def _names(self, ctx: Context, node: Node) -> list[str]:
        names = [_name(ctx, node, fault) for fault in FAULTS if self.fault in ("", fault)]
        return [name for name in names if ctx.holds(KIND, name, owner=_owner(ctx, node))]

    async def _heal(self, ctx: Context, node: Node, names: Iterable[str]) -> None:
        for name in names:
            await ctx.give_back(KIND, name)
        ctx.emit("node", node=node.name, state="running", why="healed")


def _name(ctx: Context, node: Node, fault: str) -> str:
    return f"{ctx.trial_id}-{node.name}-{fault}"


def _owner(ctx: Context, node: Node) -> str:
    if isinstance(ctx.system, KnowsHosts) and ctx.system.is_host(node):
        return f"system:{ctx.suite.system.kind}"
    return f"provider:{ctx.suite.provider}"
