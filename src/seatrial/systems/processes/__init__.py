"""The system `processes`: one service per node of the provider; the document declares its health and the rule for the
whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, ClassVar

from seatrial.errors import CannotTell, Overrun, SeatrialError, UsageError, nearest
from seatrial.model.cluster import OFF, ClusterStatus, NodeHealth, PowerState, all_off
from seatrial.model.frozen import frozen
from seatrial.model.reading import Health, absent, measured
from seatrial.model.resource import Node, NodeSpec, Service
from seatrial.model.scenario import Suite
from seatrial.model.values import Argv, argv_of
from seatrial.registry import system
from seatrial.spi import Context, ProviderTraits, RunsServices, link_of, power_reading, traits
from seatrial.spi.concurrency import NODES_AT_ONCE, map_concurrently
from seatrial.systems.probes import Answer, NoAnswer, accepted, ask, service_of
from seatrial.systems.processes import link_service
from seatrial.systems.processes.settings import ProcessSettings, Program, RoleSettings
from seatrial.systems.records import Declared
from seatrial.systems.settings import Roots, fill, node_root
from seatrial.systems.states import EXPRESSION_NAMES, whole, without_nodes

SERVICE = "service"
"""The name of the one service on each node."""

SIZE = "cluster_size"
IDENTITY = ("E2E_RUN_ID", "SEATRIAL_RUN_ID")
"""Environment variables of every process of a trial."""


@frozen(kw_only=False)
class _Memory:
    """The memory handed over from one instance to another."""

    stage: str
    names: tuple[str, ...]
    peers: str
    nodes: Mapping[str, Node]
    services: Mapping[str, Service]


@system("processes")
class Processes(Declared):
    """A service on every node."""

    Settings: ClassVar[type[Any]] = ProcessSettings
    places_nodes: ClassVar[bool] = True
    service_key: ClassVar[str] = "health"
    template_names: ClassVar[tuple[str, ...]] = ("node", "cluster", "record")
    """First words of templates filled in by this system itself."""
    expression_names: ClassVar[tuple[str, ...]] = EXPRESSION_NAMES
    """Additional names for the expressions in the settings."""

    def __init__(self, settings: ProcessSettings, folder: Path) -> None:
        super().__init__(settings.data, settings.admin, self._roots)
        self._settings = settings
        self._folder = folder
        self._nodes: dict[str, Node] = {}
        self._services: dict[str, Service] = {}
        """By node, as first started: another trial with this cluster must not start a different one."""
        self._names: tuple[str, ...] = ()
        self._peers = ""

    @classmethod
    def parameter_names(cls, suite: Suite) -> Collection[str] | None:
        """The number of nodes, and the flags of the service."""
        return (SIZE, *suite.system.settings.service.parameter_flags)

    @classmethod
    def node_names(cls, settings: ProcessSettings, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """The names in the settings, else `n11`, `n12`, … by `parameters.cluster_size`, else three."""
        if isinstance(settings.nodes, tuple):
            return settings.nodes
        size = settings.nodes if settings.nodes is not None else parameters.get(SIZE, 3)
        if isinstance(size, bool) or not str(size).isdigit() or int(size) < 1:
            raise UsageError(f"invalid {SIZE} {size!r}; allowed: a whole number from 1")
        return tuple(f"n{11 + number}" for number in range(int(size)))

    @classmethod
    def part_names(cls, settings: ProcessSettings) -> tuple[str, ...]:
        """The link and the service of a node."""
        return ("ssh", "service")

    @classmethod
    def state_names(cls, settings: ProcessSettings) -> tuple[str, ...]:
        """Those of the settings."""
        return tuple(settings.states)

    async def init(self, ctx: Context) -> None:
        """Deploy needs no preparation; from now on the state is `initialized`."""
        self._stage = "initialized"

    async def deploy(self, ctx: Context) -> None:
        """Create all nodes at the same time, then start all services at the same time."""
        self._names = self.node_names(self._settings, ctx.suite.parameters)
        self._stage = "deployed"
        parameters = dict(ctx.suite.parameters)

        async def create(name: str) -> None:
            spec = NodeSpec(name=name, ports=dict(self._settings.ports), parameters=parameters)
            self._nodes[name] = await ctx.create_node(spec)

        await map_concurrently(create, [name for name in self._names if name not in self._nodes], most=NODES_AT_ONCE)
        nodes = await self.nodes(ctx)
        template = self._settings.peer
        self._peers = ",".join(fill(ctx, template, self._roots(node)) for node in nodes) if template else ""
        await map_concurrently(lambda node: self._start(ctx, node), nodes, most=NODES_AT_ONCE)

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        """The present nodes, in the order of their names in the settings."""
        return [self._nodes[name] for name in self._names if name in self._nodes]

    async def ensure_running(self, ctx: Context, node: Node) -> None:
        """Start the service after a boot if the provider does not."""
        if not isinstance(ctx.provider, RunsServices):
            await link_service.start(ctx, node, self._services.get(node.name) or self._service(ctx, node))

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        found = await map_concurrently(lambda node: self._health_of(ctx, node), nodes, most=NODES_AT_ONCE)
        return {node.name: health for node, health in zip(nodes, found, strict=True)}

    async def status(self, ctx: Context) -> ClusterStatus:
        """The state of the whole by the declared rule, over every requested node."""
        if self._stage != "deployed":
            return await without_nodes(ctx, self._stage)
        health: dict[str, NodeHealth] = dict(await self.health(ctx, await self.nodes(ctx)))
        never = measured(Health.NOT_OK, "the node was never created")
        for name in self._names:
            if name not in health:
                power = absent(PowerState.UNKNOWN, never.why)
                health[name] = NodeHealth(power=power, parts={"ssh": never, "service": never})
        return await whole(ctx, health, self._settings.rule, self._settings.states)

    @classmethod
    def filled_anew(cls, settings: ProcessSettings) -> object:
        """All settings except those used to start the services: these stay as they were for later trials."""
        settled = ("service", "peer", "ports", "nodes")
        return {one.name: getattr(settings, one.name) for one in fields(settings) if one.name not in settled}

    def hand_over(self) -> object:
        return _Memory(self._stage, self._names, self._peers, dict(self._nodes), dict(self._services))

    async def take_over(self, ctx: Context, memory: object) -> None:
        """Continue with another instance's nodes, without its list of written records: a snapshot has none."""
        if not isinstance(memory, _Memory):
            raise CannotTell(f"{type(memory).__name__} was not handed over by the system processes")
        self._stage, self._names, self._peers = memory.stage, memory.names, memory.peers
        self._nodes, self._services = dict(memory.nodes), dict(memory.services)

    def remember(self) -> Mapping[str, Any]:
        return {
            **self.recorded(),
            "names": self._names,
            "peers": self._peers,
            "nodes": [asdict(node) for node in self._nodes.values()],
            "services": {name: asdict(service) for name, service in self._services.items()},
        }

    async def resume(self, ctx: Context, memory: Mapping[str, Any]) -> None:
        self.take_recorded(memory)
        self._names, self._peers = tuple(memory["names"]), str(memory["peers"])
        self._nodes = {made["name"]: Node(**made) for made in memory["nodes"]}
        self._services = {
            name: Service(**{**made, "argv": tuple(made["argv"])}) for name, made in memory["services"].items()
        }

    @classmethod
    def role_names(cls, settings: ProcessSettings) -> Iterable[str]:
        return [*settings.roles, *(["leader"] if settings.leader else [])]

    async def role(self, ctx: Context, word: str) -> Sequence[Node]:
        """The nodes with a role now; CannotTell when no node has it, UsageError for an unknown role."""
        leader = self._settings.leader
        roles = dict(self._settings.roles) | ({"leader": leader} if leader else {})
        if word not in roles:
            known = [*self._nodes, *roles, "*", "any", "random:N"]
            raise UsageError(f"no node or role {word!r}: {nearest(word, known)}")
        role, nodes = roles[word], await self.nodes(ctx)

        async def ask() -> Sequence[Node] | None:
            return await holders(ctx, role, nodes, self._roots, single=word == "leader") or None

        try:
            return await ctx.poll(ask, deadline=role.wait, what=f"a node to be {word}")
        except Overrun as error:
            raise CannotTell(f"no node is {word} now, nor was one for {role.wait:g} s") from error

    async def service_log(self, ctx: Context, node: Node) -> str:
        """The last lines of the service's log; on failure the reason."""
        try:
            if isinstance(ctx.provider, RunsServices):
                return await ctx.provider.service_log(node, SERVICE)
            return await link_service.tail(ctx, node, self._services.get(node.name) or self._service(ctx, node))
        except (SeatrialError, OSError) as error:
            return f"no log: {error}"

    async def evidence(self, ctx: Context) -> Mapping[str, str]:
        nodes = await self.nodes(ctx)
        logs = await map_concurrently(lambda node: self.service_log(ctx, node), nodes, most=NODES_AT_ONCE)
        return {node.name: text for node, text in zip(nodes, logs, strict=True)}

    async def destroy(self, ctx: Context) -> None:
        """Forget the nodes: the engine removes them, with everything on them."""
        self._nodes.clear()
        self._services.clear()
        self._stage = "destroyed"

    # One node

    def _roots(self, node: Node) -> Roots:
        cluster = {"peers": self._peers, "size": len(self._names), "names": ",".join(self._names)}
        return {"node": node_root(node), "cluster": cluster}

    def _service(self, ctx: Context, node: Node) -> Service:
        settings, program, roots = self._settings.service, self._program(ctx), self._roots(node)
        command: Argv = fill(ctx, program.command, roots)
        identity = {name: value for name, value in ctx.environment().items() if name in IDENTITY}
        return Service(
            name=SERVICE,
            argv=argv_of(command, *_flags(settings.parameter_flags, ctx.suite.parameters)),
            env={**identity, **{name: str(value) for name, value in fill(ctx, dict(program.env), roots).items()}},
            folder=fill(ctx, settings.folder, roots),
            stop_signal=settings.stop_signal,
            stop_timeout=settings.stop_timeout,
        )

    def _program(self, ctx: Context) -> Program:
        """The program of a node: a node without access to the files of this machine may need another."""
        service = self._settings.service
        if service.elsewhere is None or traits(ctx.provider, ProviderTraits).shares_files:
            return service
        return service.elsewhere

    async def _start(self, ctx: Context, node: Node) -> None:
        program, roots = self._program(ctx), self._roots(node)
        if program.needs or program.files or not isinstance(ctx.provider, RunsServices):
            await link_service.answers(ctx, node, ctx.deadline("start"))
        if program.needs:
            await link_service.require(ctx, node, fill(ctx, program.needs, roots))
        if program.files:
            await link_service.place(ctx, node, fill(ctx, dict(program.files), roots), self._folder)
        service = self._services[node.name] = self._service(ctx, node)
        if isinstance(ctx.provider, RunsServices):
            await ctx.provider.install_service(node, service)
            await ctx.provider.start_service(node, service.name)
        else:
            await link_service.start(ctx, node, service)

    async def _health_of(self, ctx: Context, node: Node) -> NodeHealth:
        try:
            power = await power_reading(ctx.provider, node, ctx.suite.provider)
        except (SeatrialError, OSError) as error:
            why = f"the provider cannot read its power state: {error}"
            return NodeHealth(power=absent(PowerState.UNKNOWN, why), parts={"service": absent(Health.UNKNOWN, why)})
        if power.value in OFF:
            return all_off(power, f"the node is {power.value}")
        settings = self._settings
        looks = [
            lambda: link_of(ctx, node),
            lambda: service_of(ctx, settings.health, settings.proof, node, self._roots(node)),
        ]
        ssh, service = await map_concurrently(lambda look: look(), looks)
        return NodeHealth(power=power, parts={"ssh": ssh, "service": service})


def _flags(flags: Mapping[str, str], parameters: Mapping[str, Any]) -> list[str]:
    """The suite's parameters as flags; a list becomes words joined by commas."""
    argv: list[str] = []
    for name, flag in flags.items():
        value = parameters.get(name)
        if value not in (None, "", [], ()):
            argv += [flag, ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]
    return argv


async def holders(
    ctx: Context, role: RoleSettings, nodes: Sequence[Node], roots_of: Callable[[Node], Roots], *, single: bool
) -> list[Node]:
    """The nodes with the role; none if no node has it yet, or if only one may and the nodes disagree."""

    async def answer_of(node: Node) -> Answer | None:
        try:
            answer = await ask(ctx, role, role.http, roots_of(node), role.timeout)
        except NoAnswer:
            return None
        return answer if accepted(answer.status, role.status) and answer.is_json else None

    answers = await map_concurrently(answer_of, nodes)
    found: dict[str, Node] = {}
    by_name = {node.name: node for node in nodes}
    for node, answer in zip(nodes, answers, strict=True):
        if answer is None:
            continue
        names = {"json": answer.json, "body": answer.body, "status": answer.status}
        value = await ctx.evaluate(role.that or role.name, **names)
        holder = node if role.that and value is True else by_name.get(str(value)) if role.name else None
        if role.name and value and holder is None:
            raise CannotTell(f"{node.name} names {value!r}, not one of the nodes {', '.join(by_name)}")
        if holder is not None:
            found[holder.name] = holder
    if single and len(found) > 1:
        return []
    return [node for node in nodes if node.name in found]
