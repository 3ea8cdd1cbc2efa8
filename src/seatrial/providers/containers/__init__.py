"""The containers provider: nodes are containers of Podman or Docker on a network of the trial's own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from seatrial.errors import CannotTell, LinkDown, LinkLost, Overrun
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec, Resource
from seatrial.providers.containers.settings import PARAMETERS, ContainersSettings, size_of
from seatrial.providers.nodes import Addresses
from seatrial.registry import provider
from seatrial.spi import BreaksOff, Context, Fault, Link, Powers, Readiness

if TYPE_CHECKING:
    from seatrial.links.containers import Engine
    from seatrial.providers.containers.queries import Looks, Seen
    from seatrial.providers.containers.trial_resources import TrialResources

LAST_ADDRESS = 250
ORDERLY = 10
"""Seconds from the engine's stop signal to SIGKILL."""

OBEYED = 15.0
"""Seconds for a guest to power off or reboot, and for an engine to carry out a command."""

LOOK_EVERY = 0.05
KILLED = 128
"""Exit codes above it mean a signal."""

KILLED_CODE = "137"
"""Exit code of an init that Seatrial or the kernel ended by SIGKILL."""
TAIL = 64 * 1024


@provider("containers")
class Containers:
    """Each node is a container, reached by SSH if its image has a server, else by the engine's exec."""

    on_this_host = True
    powers = frozenset(Powers) - {Powers.SNAPSHOT}
    parameter_names = PARAMETERS
    deadlines: Mapping[str, float] = {"deploy": 120.0, "start": 60.0, "stop": 60.0, "restart": 60.0, "destroy": 60.0}

    Settings: ClassVar[type[Any]] = ContainersSettings

    def __init__(self, settings: ContainersSettings) -> None:
        self._settings = settings
        self._preparing = asyncio.Lock()
        self._resources: TrialResources | None = None
        self._addresses = Addresses(LAST_ADDRESS, "containers")
        self._links: dict[str, tuple[dict[str, object], Link]] = {}
        """By the container's name, each with its image and settings."""
        self._looks: Looks | None = None

    # Creating and removing

    async def prepare(self, ctx: Context) -> None:
        """Find the engine, see to the image, make the trial's network."""
        from seatrial.providers.containers.removal import HIDING
        from seatrial.providers.containers.trial_resources import prepare

        HIDING[ctx.trial_id] = ctx.masked
        async with self._preparing:
            if self._resources is None:
                self._resources = await prepare(ctx, self._settings)

    def foresee(self, spec: NodeSpec, ctx: Context) -> Mapping[str, object]:
        """The engine, the names of the container and its volumes, the node's folder, and where its log is kept."""
        from seatrial.links.containers.engines import detail_of

        name = f"{ctx.trial_id}-{spec.name}"
        size = size_of(spec.parameters, self._settings)
        return {
            **(detail_of(self._resources.engine) if self._resources is not None else {"engine": ""}),
            "container": name,
            "volumes": [f"{name}-{number}" for number, _ in enumerate(size.volumes, 1)],
            "folder": str(ctx.state / "containers" / spec.name),
            "logs": str(ctx.artifacts / "nodes" / spec.name),
        }

    async def create(self, spec: NodeSpec, ctx: Context) -> Node:
        """Create a container and return when its init has finished its start; else CannotTell with its log."""
        from seatrial.providers.containers.creation import make

        await self.prepare(ctx)
        assert self._resources is not None
        detail, place = self.foresee(spec, ctx), self._addresses.of(spec.name)
        return await make(spec, ctx, self._settings, self._resources, detail, place)

    async def destroy(self, resource: Resource) -> None:
        """Remove a node with its volumes, a volume, or a network, by its record; already gone is success."""
        from seatrial.providers.containers.removal import give_back

        self._break_off(str(resource.detail.get("container", "")))
        await give_back(resource)

    async def find(self, run: str) -> Sequence[Resource]:
        """Containers, volumes and networks with the run's id; none if no engine was ever used. A trial asks its own
        engine, other callers ask every engine used from here."""
        from seatrial.links.containers.engines import out_of_reach, used
        from seatrial.providers.containers.queries import listed

        if self._resources is not None and run != "*":
            return await listed(self._resources.engine, run)
        found: list[Resource] = []
        for engine, file in used():
            try:
                found += await listed(engine, run)
            except CannotTell as error:
                raise out_of_reach(error, file) from error
        return found

    async def adopt(self, nodes: Sequence[Node]) -> Sequence[Node]:
        """Recognise containers that another program made, by their way in: the exec of an engine."""
        from seatrial.providers.containers.adoption import adopted

        return [adopted(node) for node in nodes]

    @classmethod
    async def readiness(cls, settings: ContainersSettings) -> Readiness:
        """Whether a container starts here, by a trial that is removed again."""
        from seatrial.providers.containers.probe import readiness

        return await readiness(settings)

    # Looking

    def link(self, node: Node) -> Link:
        """SSH where the node has it, else the engine's exec."""
        name, door = _container(node), dict(node.ssh)
        known = self._links.get(name)
        if known is None or known[0] != door:  # a node created again under its name has another host key
            from seatrial.links.containers.exec import ExecLink
            from seatrial.links.ssh import SSHLink

            link = SSHLink(node) if door else ExecLink(_engine(node), name, node.name, user=self._settings.user)
            self._links[name] = known = (door, link)
        return known[1]

    async def state(self, node: Node) -> PowerState:
        """As the engine says it."""
        return (await self._seen(node)).power

    async def power_reason(self, node: Node) -> str:
        """The engine's word, with the exit code of an ended init, and whether memory had run out in this boot."""
        seen = await self._seen(node)
        if seen.power is PowerState.UNREACHABLE:
            return f"{seen.status}, but on no network"
        if seen.power is not PowerState.STOPPED:
            return seen.status
        memory_ran_out = seen.out_of_memory or (seen.code == KILLED_CODE and _out_of_memory(node).exists())
        word = "exited" if seen.status == "stopped" else seen.status  # Podman says `stopped` for a moment before
        return f"{word} with {seen.code}" + (": memory ran out" if memory_ran_out else "")

    async def boot_id(self, node: Node) -> str:
        """The start of its init."""
        seen = await self._seen(node)
        if seen.power is PowerState.STOPPED:
            raise LinkDown(f"{node.name} has no boot id to give: it is {seen.status}")
        return seen.boot

    async def _seen(self, node: Node) -> Seen:
        from seatrial.providers.containers.queries import Looks

        self._looks = self._looks or Looks()
        return await self._looks.at(_engine(node), _container(node))

    async def console(self, node: Node) -> str:
        """The output of its init and the image's own program (the last 64 KiB)."""
        from seatrial.links.containers.resources import NODE_LINES, log_of
        from seatrial.providers.containers.removal import tail_of

        return tail_of(await log_of(_engine(node), _container(node), NODE_LINES), TAIL)

    def enter(self, node: Node) -> Sequence[str]:
        """The engine's exec, for a person."""
        engine = _engine(node)
        extra = [f"{name}={value}" for name, value in engine.extra.items()]
        return [*(["env", *extra] if extra else []), engine.program, "exec", "-it", _container(node), "sh"]

    # Power

    async def start(self, node: Node) -> None:
        """Start it; a running one is left alone."""
        if await self.state(node) is PowerState.STOPPED:
            _out_of_memory(node).unlink(missing_ok=True)
        await self._act(node, "start", "starting")
        await self._require(node, PowerState.RUNNING)

    async def stop(self, node: Node) -> None:
        """A signal for the init by the engine, and SIGKILL if it does not obey in 10 s. A frozen one resumes first."""
        await self.resume(node)
        await self._act(node, "stop", "stopping", "-t", str(ORDERLY))
        await self._require(node, PowerState.STOPPED)

    async def crash(self, node: Node) -> None:
        """SIGKILL of its init takes every process with it."""
        from seatrial.links.containers import NotRunning

        await self.resume(node)
        with suppress(NotRunning):
            await self._act(node, "kill", "killing the init of", "--signal", "KILL")
        await self._require(node, PowerState.STOPPED)

    async def guest_stop(self, node: Node) -> None:
        """Signal its init from inside; Overrun if it does not obey."""
        await self._tell(node)
        if not await self._becomes(node, PowerState.STOPPED):
            raise Overrun(f"{node.name} did not power itself off within {OBEYED:g} s after the signal to its init")

    async def guest_reboot(self, node: Node) -> None:
        """Signal its init from inside. The engine starts it when it is down, as a firmware would; else it stays."""
        await self._tell(node)
        if await self._becomes(node, PowerState.STOPPED):
            await self.start(node)

    async def guest_crash(self, node: Node) -> str:
        """The kernel is this host's: no SysRq, but SIGKILL of the container's init; `off`."""
        await self.crash(node)
        return "off"

    async def pause(self, node: Node) -> None:
        if await self.state(node) is not PowerState.PAUSED:
            await self._act(node, "pause", "freezing")

    async def resume(self, node: Node) -> None:
        if await self.state(node) is PowerState.PAUSED:
            await self._act(node, "unpause", "letting go on")

    # Faults

    async def foresee_fault(self, node: Node, fault: Fault) -> Mapping[str, object]:
        """Its container, and the connections to its networks."""
        from seatrial.providers.containers.faults import foreseen

        return await foreseen(node, fault)

    def remedy(self, detail: Mapping[str, object]) -> Sequence[str]:
        """The engine's own command."""
        from seatrial.providers.containers.faults import remedy

        return remedy(detail)

    async def inject(self, node: Node, detail: Mapping[str, object]) -> None:
        """By the engine, which then has to show it."""
        from seatrial.providers.containers.faults import begin

        await begin(node, detail)

    async def _act(self, node: Node, verb: str, what: str, *options: str) -> None:
        # Where its monitor may stand, when this starts it.
        there = replace(_engine(node), folder=str(node.detail.get("folder", "")))
        await there.call(verb, *options, _container(node), what=f"{what} {node.name}", timeout=self.deadlines["stop"])

    async def _tell(self, node: Node) -> None:
        from seatrial.providers.containers.guest import POWER_OFF

        link: Any = self.link(node)
        try:
            done = await link.sudo(POWER_OFF, timeout=OBEYED)
        except LinkLost:  # it goes down, as requested
            return
        if not done.ok and done.exit_code < KILLED:  # an obedient init ends this very command
            raise CannotTell(f"{node.name} did not accept the command to power off: {done.stderr.strip()}")

    async def _require(self, node: Node, wanted: PowerState) -> None:
        if not await self._becomes(node, wanted):
            told = f"{OBEYED:g} s after the command of {_engine(node).name}, {node.name} is still not {wanted}"
            raise Overrun(told) if wanted is PowerState.STOPPED else CannotTell(told)

    async def _becomes(self, node: Node, wanted: PowerState) -> bool:
        """Whether its state is so within OBEYED seconds; the link of a stopped one is interrupted."""
        try:
            async with asyncio.timeout(OBEYED):
                while not _is(await self.state(node), wanted):
                    await asyncio.sleep(LOOK_EVERY)
        except TimeoutError:
            return False
        if wanted is PowerState.STOPPED:
            self._break_off(_container(node))
        return True

    def _break_off(self, container: str) -> None:
        known = self._links.get(container)
        if known is not None and isinstance(known[1], BreaksOff):
            known[1].abort()


def _is(state: PowerState, wanted: PowerState) -> bool:
    """A container off its networks runs too."""
    return state is wanted or (wanted is PowerState.RUNNING and state is PowerState.UNREACHABLE)


def _out_of_memory(node: Node) -> Path:
    """Remove leftovers of Podman's monitor; its own record is lost with cgroups of version 1."""
    return Path(str(node.detail.get("folder") or "/nonexistent")) / "oom"


def _container(node: Node) -> str:
    return str(node.detail["container"])


def _engine(node: Node) -> Engine:
    from seatrial.links.containers.engines import again

    return again(node.detail)
