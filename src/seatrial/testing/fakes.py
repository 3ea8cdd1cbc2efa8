"""A provider and a system in memory; they keep the promises of `seatrial.spi`, and misbehave on request."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from seatrial.errors import LinkDown, LinkLost, NotSupported
from seatrial.model.cluster import ClusterStatus, NodeHealth, PowerState, cluster_status
from seatrial.model.reading import Health, concluded, measured, remembered
from seatrial.model.resource import Node, NodeSpec, Resource, Service
from seatrial.registry import provider, system
from seatrial.spi import Context, Finished, Powers, Readiness, RecordsReport
from seatrial.spi.link import Command

Meddling = Callable[[str, str], Awaitable[None]]
"""Called with a moment (`before create`, `after destroy`, …) and a node's resource name; it may raise, wait, count."""


@dataclass(slots=True, kw_only=True)
class FakeNode:
    """A machine made of a few values."""

    resource: Resource
    address: str
    ports: Mapping[str, int]
    power: PowerState = PowerState.RUNNING
    boots: int = 1
    files: dict[str, str] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    sick: str = ""
    """Why its service is not healthy; empty if it is."""
    down: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it loses its power: running commands are then interrupted."""
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Snapshots by name."""

    def keep(self, name: str) -> None:
        names = ("power", "boots", "sick", "files", "services", "running")
        self.kept[name] = {attribute: copy(getattr(self, attribute)) for attribute in names}

    def revert(self, name: str) -> None:
        self.down.set()
        self.down = asyncio.Event()
        for attribute, value in self.kept[name].items():
            setattr(self, attribute, copy(value))

    def off(self) -> None:
        self.power = PowerState.STOPPED
        self.running.clear()
        self.down.set()

    def on(self) -> None:
        """Boot if it has no power."""
        if self.power is PowerState.STOPPED:
            self.boot()

    def pause(self) -> None:
        self.power = PowerState.PAUSED

    def resume(self) -> None:
        self.power = PowerState.RUNNING

    def reboot(self) -> None:
        self.off()
        self.boot()

    def boot(self) -> None:
        """Boot again, with every installed service."""
        self.power = PowerState.RUNNING
        self.boots += 1
        self.running = set(self.services)
        self.down = asyncio.Event()


@dataclass(slots=True)
class World:
    """The place of fake nodes, shared by all provider instances with it in their settings."""

    nodes: dict[str, FakeNode] = field(default_factory=dict)
    """Machines by the resource's name."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    """Every moment and node's name, in order."""
    meddle: Meddling | None = None
    delay: float = 0.0
    """Duration of every power command in seconds."""

    async def moment(self, when: str, what: str, name: str) -> None:
        self.calls.append((f"{when} {what}", name))
        if self.meddle is not None:
            await self.meddle(f"{when} {what}", name)

    def count(self, moment: str) -> int:
        """The number of times a moment came."""
        return sum(call == moment for call, _ in self.calls)


@dataclass(slots=True)
class FakeLink:
    """A link to a fake node, with the few programs needed by tests."""

    world: World
    name: str
    closed: bool = False

    async def run(
        self, command: Command, *, timeout: float = 60.0, input: str = "", env: Mapping[str, str] | None = None
    ) -> Finished:
        """Run true, false, echo, cat, printenv, sleep or a service's name (`127` for others)."""
        node = self._node()
        argv = shlex.split(command) if isinstance(command, str) else list(command)
        if argv and argv[0] == "sleep":
            await self._sleep(node, float(argv[1]), timeout)
            argv = ["true"]
        code, text = self._answer(node, argv, input, env or {})
        return Finished(exit_code=code, stdout=text if code == 0 else "", stderr="" if code == 0 else text)

    async def put(self, local: Path, remote: str) -> None:
        self._node().files[remote] = local.read_text()

    async def get(self, remote: str, local: Path) -> None:
        files = self._node().files
        if remote not in files:
            raise FileNotFoundError(remote)
        local.write_text(files[remote])

    async def close(self) -> None:
        """Mark it as closed; it continues to work, as links do."""
        self.closed = True

    def _node(self) -> FakeNode:
        node = self.world.nodes.get(self.name)
        if node is None or node.power is not PowerState.RUNNING:
            raise LinkDown(f"{self.name} does not answer")
        return node

    async def _sleep(self, node: FakeNode, seconds: float, timeout: float) -> None:
        try:
            async with asyncio.timeout(min(seconds, timeout)):
                await node.down.wait()
        except TimeoutError:
            if timeout < seconds:
                raise
            return
        raise LinkLost(f"{self.name} went away")

    def _answer(self, node: FakeNode, argv: list[str], input: str, env: Mapping[str, str]) -> tuple[int, str]:
        match argv:
            case ["true"]:
                return 0, ""
            case ["false"]:
                return 1, ""
            case ["echo", *words]:
                return 0, " ".join(words) + "\n"
            case ["cat"]:
                return 0, input
            case ["cat", file] if file in node.files:
                return 0, node.files[file]
            case ["printenv", name]:
                return (0, env[name] + "\n") if name in env else (1, "")
        return 127, f"{' '.join(argv)}: not found\n"


@dataclass(frozen=True, kw_only=True)
class FakeSettings:
    """A test's settings for the nodes in memory."""

    world: Any = None
    """A `World`; without one, the provider has its own."""
    powers: Any = tuple(power for power in Powers if power not in (Powers.DISCONNECT, Powers.HEAL))
    """The provider's powers."""
    deadlines: Mapping[str, float] = field(default_factory=dict)
    """Time limit in seconds for each kind of operation."""


def _power(power: Powers, change: Callable[[FakeNode], None]) -> Callable[[FakeProvider, Node], Awaitable[None]]:
    async def act(self: FakeProvider, node: Node) -> None:
        await self.change(node, power, change)

    return act


@provider("fake")
class FakeProvider:
    """Nodes in memory."""

    Settings: ClassVar[type[Any]] = FakeSettings
    powers = frozenset(Powers) - {Powers.DISCONNECT, Powers.HEAL}

    def __init__(self, settings: FakeSettings) -> None:
        self.world: World = World() if settings.world is None else settings.world
        self.powers = frozenset(settings.powers)
        self.deadlines: Mapping[str, float] = settings.deadlines

    def foresee(self, spec: NodeSpec, ctx: Context) -> Mapping[str, object]:
        return {}

    async def create(self, spec: NodeSpec, ctx: Context) -> Node:
        name = f"{ctx.trial_id}-{spec.name}"
        await self.world.moment("before", "create", name)
        resource = Resource(
            kind="node", name=name, owner="provider:fake",
            run=ctx.run_id, trial=ctx.trial_id, detail={"node": spec.name},
        )  # fmt: skip
        ports = {port: number or 20000 + len(self.world.nodes) for port, number in spec.ports.items()}
        address = f"127.64.0.{2 + len(self.world.nodes)}"
        self.world.nodes[name] = FakeNode(resource=resource, address=address, ports=ports)
        await self.world.moment("after", "create", name)
        return Node(name=spec.name, address=address, ports=ports, detail={"resource": name})

    async def destroy(self, resource: Resource) -> None:
        """Remove it from the world; already gone is success."""
        await self.world.moment("before", "destroy", resource.name)
        node = self.world.nodes.pop(resource.name, None)
        if node is not None:
            node.off()
        await self.world.moment("after", "destroy", resource.name)

    async def find(self, run: str) -> Sequence[Resource]:
        await self.world.moment("before", "find", run)
        return [node.resource for node in self.world.nodes.values() if run in ("*", node.resource.run)]

    def link(self, node: Node) -> FakeLink:
        return FakeLink(self.world, str(node.detail["resource"]))

    async def state(self, node: Node) -> PowerState:
        """Its power; a removed node counts as stopped."""
        fake = self.world.nodes.get(str(node.detail["resource"]))
        return PowerState.STOPPED if fake is None else fake.power

    async def boot_id(self, node: Node) -> str:
        return f"boot-{self._node(node).boots}"

    stop = _power(Powers.STOP, FakeNode.off)
    start = _power(Powers.START, FakeNode.on)
    crash = _power(Powers.CRASH, FakeNode.off)
    guest_stop = _power(Powers.GUEST_STOP, FakeNode.off)
    guest_reboot = _power(Powers.GUEST_REBOOT, FakeNode.reboot)
    pause = _power(Powers.PAUSE, FakeNode.pause)
    resume = _power(Powers.PAUSE, FakeNode.resume)

    async def guest_crash(self, node: Node) -> str:
        await self.change(node, Powers.GUEST_CRASH, FakeNode.reboot)
        return "rebooting"

    async def install_service(self, node: Node, service: Service) -> None:
        self._node(node).services[service.name] = service

    async def start_service(self, node: Node, name: str) -> None:
        self._node(node).running.add(name)

    async def stop_service(self, node: Node, name: str) -> None:
        self._node(node).running.discard(name)

    async def service_log(self, node: Node, name: str) -> str:
        """Nothing was written."""
        return ""

    async def snapshot(self, nodes: Sequence[Node], name: str) -> None:
        for node in nodes:
            await self.change(node, Powers.SNAPSHOT, partial(FakeNode.keep, name=name))

    async def revert(self, nodes: Sequence[Node], name: str) -> None:
        for node in nodes:
            await self.change(node, Powers.SNAPSHOT, partial(FakeNode.revert, name=name), "revert")

    @classmethod
    async def readiness(cls, settings: FakeSettings) -> Readiness:
        return Readiness(True, "a node in memory")

    async def change(self, node: Node, power: Powers, change: Callable[[FakeNode], None], what: str = "") -> None:
        """Change a node by a power; NotSupported if it is not configured."""
        if power not in self.powers:
            raise NotSupported(f"the provider 'fake' is configured without {power}")
        name = str(node.detail["resource"])
        await self.world.moment("before", what or power, name)
        if self.world.delay:
            await asyncio.sleep(self.world.delay)
        change(self._node(node))
        await self.world.moment("after", what or power, name)

    def _node(self, node: Node) -> FakeNode:
        name = str(node.detail["resource"])
        if name not in self.world.nodes:
            raise LinkDown(f"{name} does not exist")
        return self.world.nodes[name]


@system("fake")
class FakeSystem:
    """A cluster of fake nodes with the health set in the world."""

    @dataclass(frozen=True, kw_only=True)
    class Settings:
        """Its settings in a document."""

        size: int = 3
        deadlines: Mapping[str, float] = field(default_factory=dict)

    places_nodes: ClassVar[bool] = True

    def __init__(self, settings: Any, folder: Path) -> None:
        self.settings = settings
        self.deadlines: Mapping[str, float] = settings.deadlines
        self._nodes: dict[str, Node] = {}
        self._stage = "initialized"
        self.outages = 0
        """Number of outage warnings."""

    @classmethod
    def node_names(cls, settings: Any, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(f"n{11 + index}" for index in range(settings.size))

    async def init(self, ctx: Context) -> None:
        """Nothing to prepare."""

    async def deploy(self, ctx: Context) -> None:
        names = self.node_names(self.settings, {})
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ctx.create_node(NodeSpec(name=name, ports={"client": 0}))) for name in names]
        self._nodes = {name: task.result() for name, task in zip(names, tasks, strict=True)}
        self._stage = "deployed"

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        return list(self._nodes.values())

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        """The health set in the world."""
        health = {}
        for node in nodes:
            power = await ctx.state_of(node)
            fake = _world(ctx).nodes.get(str(node.detail["resource"]))
            sick = fake.sick if fake is not None else "gone"
            runs = power.value is PowerState.RUNNING
            service = measured(Health.NOT_OK, sick) if sick or not runs else measured(Health.OK)
            link = measured(Health.OK) if runs else concluded(Health.NOT_OK, str(power.value), [power])
            health[node.name] = NodeHealth(power=power, parts={"ssh": link, "service": service})
        return health

    async def status(self, ctx: Context) -> ClusterStatus:
        """The rule of the majority over the nodes' health."""
        if self._stage != "deployed":
            return ClusterStatus(state=remembered(self._stage, "nothing is deployed"))
        return cluster_status(await self.health(ctx, list(self._nodes.values())))

    def hand_over(self) -> object:
        return self._stage, dict(self._nodes)

    async def take_over(self, ctx: Context, memory: object) -> None:
        stage, nodes = memory  # type: ignore[misc]
        self._stage, self._nodes = stage, dict(nodes)  # type: ignore[has-type]

    async def before_outage(self, ctx: Context) -> None:
        self.outages += 1

    async def records(self, ctx: Context) -> RecordsReport:
        """Nothing was written."""
        return RecordsReport(acknowledged=0, read_from=())

    async def destroy(self, ctx: Context) -> None:
        """Remove the nodes."""
        for node in self._nodes.values():
            await ctx.destroy_node(node)
        self._nodes = {}
        self._stage = "destroyed"


def _world(ctx: Context) -> World:
    if not isinstance(ctx.provider, FakeProvider):
        raise NotSupported("the fake system runs on the fake provider alone")
    return ctx.provider.world
