"""The system of a pipeline: no nodes, only the budget of its checks and its source folder."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from seatrial.errors import LeftBehind, NotSupported, SeatrialError, ToolMissing
from seatrial.links.process import process_start
from seatrial.model.resource import Node, Resource
from seatrial.preflight.document import Limits
from seatrial.registry import system
from seatrial.spi import Context

if TYPE_CHECKING:
    from seatrial.links.containers import Engine

Part = TypeVar("Part")

OWNER = "system:pipeline"
"""The provider name for the cleanup of checks and services."""

OBEYS = 100
"""Polls, 20 ms apart, after each signal to a server to end."""


Share = tuple[float, float]
"""CPUs and GB of memory."""

ROUNDING = 1e-9


class ResourceBudget:
    """Free resources; None: no limit. First come, first served, but a smaller request may pass a waiting larger one:
    every program ends, so each gets its turn."""

    def __init__(self, parallel: int, cpus: float | None = None, memory_gb: float | None = None) -> None:
        self._parallel = max(1, parallel)
        self._limits: Share = (inf if cpus is None else cpus, inf if memory_gb is None else memory_gb)
        self._held: list[Share] = []
        self._waiting: list[tuple[Share, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def take(self, cpus: float = 1.0, memory_gb: float = 0.0) -> AsyncIterator[None]:
        """Wait for free resources, and hold them; a request above the limit gets all of it."""
        # A request above the limit would wait forever.
        share = min(cpus, self._limits[0]), min(memory_gb, self._limits[1])
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((share, turn))
        self._admit()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._held.remove(share)
            else:
                self._waiting.remove((share, turn))
            self._admit()

    def _admit(self) -> None:
        """Wake all waiting requests that fit now."""
        for share, turn in list(self._waiting):
            if len(self._held) >= self._parallel:
                return
            if self._fits(share):
                self._waiting.remove((share, turn))
                self._held.append(share)
                turn.set_result(None)

    def _fits(self, share: Share) -> bool:
        held = [sum(one[at] for one in self._held) for at in (0, 1)]
        return all(share[at] + held[at] <= self._limits[at] + ROUNDING for at in (0, 1))


@dataclass(frozen=True, kw_only=True)
class PipelineSettings:
    """Settings for all checks of a pipeline."""

    budget: Limits = field(default_factory=Limits)
    """Limits for all checks together."""
    engine: str = ""
    """The container engine by name or path; empty: the first working one."""
    images: tuple[str, ...] = ()
    """All images named in it."""


@system("pipeline")
class Pipeline:
    """Checks of a source folder: one instance per trial, so all of them share one budget."""

    Settings: ClassVar[type[Any]] = PipelineSettings
    places_nodes: ClassVar[bool] = False
    listed_by: ClassVar[tuple[str, ...]] = ("containers",)
    """Providers whose lists show resources of checks and services: `clean` uses them too."""

    def __init__(self, settings: PipelineSettings, folder: Path) -> None:
        self.source = folder
        """The folder of the sources."""
        self.room = ResourceBudget(settings.budget.parallel or 1, settings.budget.cpus, settings.budget.memory_gb)
        self._parts: dict[type[Any], Any] = {}
        self.images = settings.images
        """The images named by the pipeline, for one query to the engine."""
        self.at_end: list[Callable[[], Awaitable[None]]] = []
        """What ends with the last check, the newest first."""
        self._settings = settings
        self._looking = asyncio.Lock()
        self._engine: Engine | ToolMissing | None = None
        self._preparing = asyncio.Lock()

    def part(self, kind: type[Part]) -> Part:
        """The trial's shared instance of a class, such as its services; created on first use."""
        part: Part = self._parts.setdefault(kind, kind())
        return part

    async def engine(self) -> Engine:
        """The container engine of this machine, looked up once when needed; ToolMissing lists the attempts."""
        from seatrial.links.containers.engines import find, mark_used

        async with self._looking:
            if self._engine is None:
                try:
                    self._engine = await find(self._settings.engine, image=next(iter(self.images), ""))
                    mark_used(self._engine)
                except ToolMissing as error:
                    self._engine = error
        if isinstance(self._engine, ToolMissing):
            raise ToolMissing(str(self._engine))
        return self._engine

    async def network(self, ctx: Context) -> str:
        """The trial's network; its services and checks reach each other by name. Created on first use."""
        from seatrial.links.containers.resources import labelled

        name = ctx.trial_id
        argv = ("network", "create", *labelled(ctx.labels()), name)
        async with self._preparing:
            if not ctx.holds("network", name, owner=OWNER):  # after a failure, the next caller tries again
                await self.make(ctx, "network", name, argv, what="creating the trial's network")
        return name

    async def make(
        self, ctx: Context, kind: str, name: str, argv: Sequence[str], *, what: str,
        env: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Create a container or network by a call of the engine; after a failure, remove it."""
        from seatrial.links.containers.engines import detail_of

        engine = await self.engine()

        async def create() -> None:
            await engine.make(*argv, what=what, env=env)

        try:
            await ctx.make(kind, name, create, owner=OWNER, detail={**detail_of(engine), kind: name})
        except BaseException:
            await taken_away(ctx, kind, name)
            raise

    async def end(self) -> None:
        """After the last check: end what its checks left running for each other."""
        while self.at_end:
            await self.at_end.pop()()

    async def init(self, ctx: Context) -> None:
        """Does nothing."""

    async def deploy(self, ctx: Context) -> None:
        """NotSupported: checks come before a deployment."""
        raise NotSupported("a pipeline deploys nothing: run it with `seatrial preflight`")

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        """None."""
        return ()

    async def destroy(self, ctx: Context) -> None:
        """Does nothing: resources of checks and services are removed by their records."""

    async def give_back(self, resource: Resource) -> None:
        """Remove a container, a network, or the folder or program of a service on this host, by its record; success if
        it is already gone."""
        if resource.kind == "server":
            await _server_gone(int(str(resource.detail["pid"])), str(resource.detail["started"]))
        elif resource.kind == "folder":
            await _folder_gone(Path(str(resource.detail["path"])), resource.trial)
        elif resource.kind in ("container", "network"):
            from seatrial.links.containers.engines import again
            from seatrial.links.containers.resources import take_away

            await take_away(again(resource.detail), resource.kind, str(resource.detail[resource.kind]))
        else:
            raise NotSupported(f"a pipeline has no resources of kind {resource.kind}")


def pipeline_of(ctx: Context) -> Pipeline:
    """The pipeline of this check or stage."""
    if not isinstance(ctx.system, Pipeline):
        raise NotSupported(f"the step {ctx.step} is allowed only in a pipeline")
    return ctx.system


async def taken_away(ctx: Context, kind: str, name: str) -> None:
    """Remove a resource of a check; if that fails, the sweep tries again and reports it."""
    try:
        await ctx.give_back(kind, name)
    except SeatrialError as error:
        ctx.log(f"the {kind} {name} could not be removed yet: {error}", "warning")


async def _server_gone(pid: int, started: str) -> None:
    """Ask it to end, because a killed database leaves shared memory behind; kill it if it does not obey."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        if not started or process_start(pid) != started:
            return
        with suppress(ProcessLookupError):
            if number is signal.SIGKILL:
                os.killpg(pid, number)
            else:
                os.kill(pid, number)
        for _ in range(OBEYS):
            if process_start(pid) != started:
                return
            await asyncio.sleep(0.02)
    raise LeftBehind(f"the process {pid} did not end after SIGKILL")


async def _folder_gone(path: Path, trial: str) -> None:
    """Remove it; helpers of a killed server may still write into it."""
    if not trial or trial not in path.name:
        raise LeftBehind(f"{path} does not contain the name of its trial: not removed")
    for _ in range(50):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        await asyncio.sleep(0.1)
    shutil.rmtree(path)
