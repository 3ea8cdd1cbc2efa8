"""The system `compose`: a compose file as it is, by Docker Compose or podman-compose; its services are the nodes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from seatrial.errors import CannotTell, StepFailed
from seatrial.links.output import end
from seatrial.model.cluster import OFF, ClusterStatus, NodeHealth, PowerState, all_off
from seatrial.model.reading import Health, absent, measured
from seatrial.model.resource import Node, Resource
from seatrial.model.scenario import Suite
from seatrial.registry import system
from seatrial.spi import AdoptsNodes, Context, Recognised, link_of
from seatrial.spi.concurrency import NODES_AT_ONCE, map_concurrently
from seatrial.systems.compose.containers import Container, listed, network_of, node_name, service_of, to_node
from seatrial.systems.compose.model import Composition, Port, override, read
from seatrial.systems.compose.recognition import FILES, elsewhere, recognised, standard
from seatrial.systems.compose.settings import ComposeSettings
from seatrial.systems.compose.tools import Project, Tool, find
from seatrial.systems.records import Declared
from seatrial.systems.settings import DEADLINES, Roots, fill, node_root
from seatrial.systems.shared_look import SharedLook
from seatrial.systems.states import EXPRESSION_NAMES, whole, without_nodes

KIND, OWNER = "project", "system:compose"

IDENTITY = ("E2E_RUN_ID", "SEATRIAL_RUN_ID")
LOG_LINES = 2000
LAST_LINE = 200


@system("compose")
class Compose(Declared):
    """A compose file, driven by Docker Compose or podman-compose."""

    Settings: ClassVar[type[Any]] = ComposeSettings
    places_nodes: ClassVar[bool] = False
    adopts_nodes: ClassVar[bool] = True
    """The provider `containers` recognises the containers and offers its powers for them."""
    template_names: ClassVar[tuple[str, ...]] = ("node", "record")
    """First words of templates filled in by this system itself."""
    expression_names: ClassVar[tuple[str, ...]] = EXPRESSION_NAMES
    """Additional names for the expressions in the settings."""
    listed_by: ClassVar[tuple[str, ...]] = ("containers",)
    """The labels of a run are on all that a project makes."""
    default_deadlines: Mapping[str, float] = {"deploy": DEADLINES["deploy"]}
    """The tool may have to fetch and build images."""

    def __init__(self, settings: ComposeSettings, folder: Path) -> None:
        super().__init__(settings.data, settings.admin, _roots)
        self._settings, self._folder = settings, folder
        self._tool: Tool | None = None
        self._composition: Composition | None = None
        self._look = SharedLook(self._measured)
        self._awaited: set[str] = set()
        """Nodes not yet seen to run since `deploy`: one that ends for good cannot come up any more."""

    @classmethod
    def recognise(cls, folder: Path, way: str) -> Recognised | None:
        """A compose file."""
        return recognised(standard(folder), way)

    @classmethod
    def parameter_names(cls, suite: Suite) -> Collection[str] | None:
        """None but those in its settings."""
        return ()

    @classmethod
    def part_names(cls, settings: ComposeSettings) -> tuple[str, ...]:
        """The way in, the service and the networks of a node."""
        return ("ssh", "service", "network")

    @classmethod
    def state_names(cls, settings: ComposeSettings) -> tuple[str, ...]:
        """Those of the settings."""
        return tuple(settings.states)

    @classmethod
    def check_suite(cls, suite: Suite, environment: Mapping[str, str]) -> Iterable[tuple[tuple[str, ...], str, str]]:
        """The files must exist, and the provider must be the one of containers."""
        from seatrial.systems.compose.written import problems

        settings: ComposeSettings = suite.system.settings
        folder, missing = suite.document_folder, False
        for number, name in enumerate(settings.files):
            if "${{" not in name and not (folder / name).is_file():
                missing = True
                hint = elsewhere(folder) or f"paths begin at {folder}"
                yield ("files", str(number)), f"the compose file {name!r} does not exist", hint
        if not settings.files and not standard(folder):
            hint = elsewhere(folder) or f"name one in `files`, or add {FILES[0]}"
            yield (), f"there is no compose file in {folder}", hint
        elif not missing:
            yield from problems(settings, folder)
        if suite.provider != "containers":
            text = f"the provider {suite.provider!r} has no powers over the containers of a compose file"
            yield (), text, "write `provider: containers`"

    @classmethod
    def warnings(cls, suite: Suite) -> Iterable[tuple[tuple[str, ...], str]]:
        """Variables of the files without a value."""
        from seatrial.systems.compose.written import written

        files = written(suite.system.settings, suite.document_folder)
        for one in files.unset if files is not None else ():
            if not one.required:
                where = "write it into `.env`, or into `env:` of `system:`"
                yield ("system",), f"{one.place}: the variable {one.name} has no value and will be empty; {where}"

    @classmethod
    def node_names_in(cls, settings: ComposeSettings, folder: Path) -> Mapping[str, str] | None:
        """The services of the files, as far as their text shows them."""
        from seatrial.systems.compose.written import nodes_in, written

        files = written(settings, folder)
        templated = any("${{" in name for name in (*settings.profiles, *settings.jobs))
        return None if files is None or templated else nodes_in(files, settings.profiles, settings.jobs)

    @classmethod
    def moved_ports(cls, settings: ComposeSettings, folder: Path) -> Mapping[int, tuple[str, str]]:
        """The numbers that the files fix, unless the settings leave them."""
        from seatrial.systems.compose.written import fixed_ports, written

        files = written(settings, folder) if settings.ports == "leased" else None
        return {} if files is None else fixed_ports(files)

    async def init(self, ctx: Context) -> None:
        """Find the tool and its engine, and have the tool read the files; nothing is made."""
        await self._read(ctx)
        self._stage = "initialized"

    async def deploy(self, ctx: Context) -> None:
        """Lease the ports, write the file over the user's own, and have the tool create and start all."""
        from seatrial.links.containers.engines import detail_of, mark_used
        from seatrial.systems.compose.images import fetched_by, missing

        tool, composition = await self._read(ctx)
        mark_used(tool.engine)
        project, file = self._project(ctx), self._work(ctx) / "override.yaml"
        identity = {name: value for name, value in ctx.environment().items() if name in IDENTITY}
        ports = await self._ports(ctx, composition)
        file.touch(mode=0o600)
        file.write_text(override(composition, project.name, ports=ports, labels=ctx.labels(), environment=identity))
        self._stage = "deployed"
        self._awaited = set(composition.nodes)

        async def up() -> None:
            with ctx.keeping("compose up") as output:
                await tool.up(project, file, self._environment(ctx), ctx.deadline("deploy"), output)

        async def make() -> None:
            try:
                await fetched_by(up, ctx, tool, composition, self._place)
            except (CannotTell, StepFailed) as error:
                # Without an image the product was not tried, whatever the tool stumbled over in the end.
                raise await missing(tool, composition, self._place, error) or error from None

        detail = {**detail_of(tool.engine), "project": project.name}
        await ctx.make(KIND, project.name, make, owner=OWNER, detail=detail)
        await self._require_jobs(ctx)

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        """The containers of the services now, in the order of the file; jobs are none."""
        if self._stage != "deployed" or self._tool is None:
            return ()
        return await self._adopted(ctx, await self._containers(ctx))

    def missing_nodes(self, ctx: Context, nodes: Sequence[Node]) -> Sequence[str]:
        """Nodes of the file without a container."""
        there = {node.name for node in nodes}
        return [name for name in self._known().nodes if name not in there]

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        """Each container's state by its engine, its way in, and its service (see `service_of`)."""
        gone = measured(Health.NOT_OK, "its container does not exist any more", by=self._by())
        power = measured(PowerState.STOPPED, gone.why, by=self._by())
        missing = NodeHealth(power=power, parts={"ssh": gone, "service": gone})
        _, health = await self._look(ctx)
        return {node.name: health.get(node.name, missing) for node in nodes}

    async def status(self, ctx: Context) -> ClusterStatus:
        """The state of the whole by the rule, over every node of the file."""
        if self._stage != "deployed":
            return await without_nodes(ctx, self._stage)
        containers, seen = await self._look(ctx)
        await self._require_awaited(ctx, containers, seen)
        never = measured(Health.NOT_OK, "its container does not exist", by=self._by())
        health = dict(seen)
        for name in self._known().nodes:
            if name not in health:
                power = absent(PowerState.UNKNOWN, never.why)
                health[name] = NodeHealth(power=power, parts={"ssh": never, "service": never})
        return await whole(ctx, health, self._settings.rule, self._settings.states)

    async def outputs(self, ctx: Context) -> Mapping[str, Any]:
        """`project`, and `ports` by node: number inside to number on this host."""
        return {"project": ctx.trial_id, "ports": {node.name: dict(node.ports) for node in await self.nodes(ctx)}}

    async def service_log(self, ctx: Context, node: Node) -> str:
        """The last lines of the container's output."""
        from seatrial.links.containers.resources import log_of

        return await log_of(self._found().engine, str(node.detail["container"]), LOG_LINES)

    async def evidence(self, ctx: Context) -> Mapping[str, str]:
        """The output of every container, of jobs and of those that ended too."""
        from seatrial.links.containers.resources import log_of

        engine, containers = self._found().engine, await listed(self._found().engine, ctx.trial_id)
        logs = await map_concurrently(lambda one: log_of(engine, one.name, LOG_LINES), containers, most=NODES_AT_ONCE)
        replicas = self._known().services
        names = [node_name(one, replicas[one.service].replicas) for one in containers]
        return dict(zip(names, logs, strict=True))

    async def destroy(self, ctx: Context) -> None:
        """Remove all that the engine has of the project."""
        if ctx.holds(KIND, ctx.trial_id, owner=OWNER):
            await ctx.give_back(KIND, ctx.trial_id)
        self._stage = "destroyed"

    async def give_back(self, resource: Resource) -> None:
        """Remove the project by its name and its engine; already gone is success."""
        from seatrial.systems.compose.removal import give_back

        await give_back(resource)

    # Another process

    def remember(self) -> Mapping[str, Any]:
        """The files and the engine are asked again."""
        return self.recorded()

    async def resume(self, ctx: Context, memory: Mapping[str, Any]) -> None:
        """CannotTell when the engine does not have the project any more."""
        self.take_recorded(memory)
        tool, _ = await self._read(ctx)
        if not await listed(tool.engine, ctx.trial_id):
            raise CannotTell(f"{tool.engine.name} has no containers of the project {ctx.trial_id}")

    # The files

    async def _read(self, ctx: Context) -> tuple[Tool, Composition]:
        if self._tool is None or self._composition is None:
            tool = await find(fill(ctx, self._settings.tool, {}))
            text = await tool.config(self._project(ctx), self._environment(ctx))
            self._composition = read(text, ctx.trial_id, self._settings.jobs)
            self._tool = tool
            if tool.podman and (without := [one.name for one in self._composition.services.values() if one.configs]):
                ctx.log(f"{tool.name} does not put `configs` into containers: {', '.join(without)}", "warning")
            if unknown := [name for name in self._settings.health if name not in self._composition.services]:
                known = ", ".join(self._composition.services)
                raise CannotTell(f"`health` names {', '.join(unknown)}, but the services are {known}")
            ctx.log(f"{tool.name} on {tool.engine.name}: {', '.join(self._composition.nodes)}", "debug")
        return self._tool, self._composition

    def _project(self, ctx: Context) -> Project:
        settings = self._settings
        files = [fill(ctx, name, {}) for name in settings.files] or standard(self._folder)
        variables = fill(ctx, settings.env_file, {})
        return Project(
            name=ctx.trial_id,
            files=tuple(str(self._folder / name) for name in files),
            folder=self._folder,
            profiles=tuple(fill(ctx, name, {}) for name in settings.profiles),
            env_file=str(self._folder / variables) if variables else "",
        )

    def _environment(self, ctx: Context) -> dict[str, str]:
        filled = fill(ctx, dict(self._settings.env), {})
        return {**ctx.environment(), **{name: str(value) for name, value in filled.items()}}

    def _work(self, ctx: Context) -> Path:
        folder = ctx.state / "compose"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def _ports(self, ctx: Context, composition: Composition) -> dict[str, list[tuple[Port, int | None]]] | None:
        """A number on this host for each port; a service with several containers gets them from the engine."""
        if self._settings.ports == "fixed":
            return None
        leased: dict[str, list[tuple[Port, int | None]]] = {}
        for name, service in composition.services.items():
            numbers = [await ctx.lease_port() if service.replicas == 1 else None for _ in service.ports]
            leased[name] = list(zip(service.ports, numbers, strict=True))
        return leased

    # The containers

    async def _containers(self, ctx: Context) -> dict[str, Container]:
        """By the name of the node, in the order of the file; jobs are left out."""
        services, found = self._known().services, await listed(self._found().engine, ctx.trial_id)
        by_name = {node_name(one, services[one.service].replicas): one for one in found if one.service in services}
        order = {name: place for place, name in enumerate(self._known().nodes)}
        return {name: by_name[name] for name in sorted(by_name, key=lambda name: order.get(name, 0)) if name in order}

    async def _measured(self, ctx: Context) -> tuple[Mapping[str, Container], Mapping[str, NodeHealth]]:
        """All containers and their health; checks of one moment share it: each is several calls of the engine."""
        containers = await self._containers(ctx)
        nodes = await self._adopted(ctx, containers)

        async def one(node: Node) -> NodeHealth:
            return await self._health_of(ctx, node, containers[node.name])

        found = await map_concurrently(one, nodes, most=NODES_AT_ONCE)
        return containers, {node.name: health for node, health in zip(nodes, found, strict=True)}

    async def _adopted(self, ctx: Context, containers: Mapping[str, Container]) -> Sequence[Node]:
        engine, folder = self._found().engine, str(self._work(ctx))
        nodes = [to_node(container, name, engine, folder) for name, container in containers.items()]
        return await ctx.provider.adopt(nodes) if isinstance(ctx.provider, AdoptsNodes) else nodes

    async def _health_of(self, ctx: Context, node: Node, container: Container) -> NodeHealth:
        power = measured(container.power, by=self._by())
        if power.value in OFF:
            return all_off(power, container.ended if power.value is PowerState.STOPPED else "its container is paused")
        if power.value is PowerState.UNKNOWN:
            power = absent(power.value, f"{self._by()} says {container.status!r}", by=self._by())
        network = network_of(container, self._known().services[container.service].networks, self._by())
        if power.value is PowerState.UNREACHABLE and network is not None:
            power = replace(power, why=network.why)
        probe = self._settings.health.get(container.service)
        service = await service_of(ctx, node, container, probe, partial(self._place, container.service, "healthcheck"))
        # A health check that passes went the same way in.
        passed = container.test and service.ok
        link = measured(Health.OK, by=f"the link of {node.name}") if passed else await link_of(ctx, node)
        # An image without a shell has no way in; that is no fault of its service.
        parts = {"service": service} if link.value is Health.UNKNOWN else {"ssh": link, "service": service}
        return NodeHealth(power=power, parts={**parts, **({"network": network} if network is not None else {})})

    async def _require_jobs(self, ctx: Context) -> None:
        """StepFailed when a job has ended with another exit code than 0."""
        services = self._known().services
        for one in await listed(self._found().engine, ctx.trial_id):
            job = one.service in services and services[one.service].job
            if job and one.power is PowerState.STOPPED and one.status != "created" and one.exit_code:
                why = f"ended with exit code {one.exit_code}{await self._last(ctx, one)}"
                raise StepFailed(f"the job {one.service} {why} ({self._place(one.service, 'command')})")

    async def _require_awaited(
        self, ctx: Context, containers: Mapping[str, Container], health: Mapping[str, NodeHealth]
    ) -> None:
        """StepFailed when a node has ended before it was ever healthy, and nothing starts it again."""
        for name in sorted(self._awaited):
            one = containers.get(name)
            if one is not None and one.status in ("exited", "stopped", "dead") and not one.restarts:
                self._awaited.clear()
                where = self._place(one.service, "command")
                raise StepFailed(f"{name} did not come up: {one.ended}{await self._last(ctx, one)} ({where})")
        self._awaited -= {name for name, one in health.items() if one.healthy.ok}

    def _place(self, service: str, key: str) -> str:
        from seatrial.systems.compose.written import place_of

        return place_of(self._settings, self._folder, service, key)

    async def _last(self, ctx: Context, container: Container) -> str:
        from seatrial.links.containers.resources import log_of

        lines = ctx.masked(await log_of(self._found().engine, container.name, 20)).strip().splitlines()
        return f": {end(lines[-1].strip(), LAST_LINE)}" if lines else ""

    def _found(self) -> Tool:
        if self._tool is None:
            raise CannotTell("no compose tool was found yet: the steps `init` and `deploy` look for it")
        return self._tool

    def _known(self) -> Composition:
        if self._composition is None:
            raise CannotTell("the compose file was not read yet: the steps `init` and `deploy` read it")
        return self._composition

    def _by(self) -> str:
        return f"the engine {self._found().engine.name}"


def _roots(node: Node) -> Roots:
    return {"node": node_root(node)}
