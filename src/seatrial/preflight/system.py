"""The system of a pipeline: no nodes, only the room in which its checks run, and the folder of its sources."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from seatrial.errors import LeftBehind, NotSupported, ToolMissing
from seatrial.links.process import process_start
from seatrial.model.resource import Node, Resource
from seatrial.preflight.resource_budget import ResourceBudget
from seatrial.registry import system
from seatrial.spi import Context

if TYPE_CHECKING:
    from seatrial.links.containers import Engine

Part = TypeVar("Part")

OWNER = "system:pipeline"
"""Who gives back what checks and services made."""

OBEYS = 100
"""Looks, 20 ms apart, at a server that was told to end: as long again for each harder word."""


@dataclass(frozen=True, kw_only=True)
class PipelineSettings:
    """What the checks of a pipeline share."""

    parallel: int = 1
    """Checks at a time."""
    cpus: float | None = None
    """CPUs of all checks at a time."""
    memory_gb: float | None = None
    """Memory of all checks at a time."""
    engine: str = ""
    """The container engine by its name or path; empty: the first that works."""
    image: str = ""
    """An image of the pipeline, by which it is found out which engine works."""
    images: tuple[str, ...] = ()
    """All that are named in it."""


@system("pipeline")
class Pipeline:
    """Checks of a source folder: one instance per trial, so that all of them share one budget."""

    Settings: ClassVar[type[Any]] = PipelineSettings
    places_nodes: ClassVar[bool] = False
    listed_by: ClassVar[tuple[str, ...]] = ("containers",)
    """Providers whose own lists show what checks and services made: `clean` looks there too."""

    def __init__(self, settings: PipelineSettings, folder: Path) -> None:
        self.source = folder
        """The folder of the sources."""
        self.room = ResourceBudget(settings.parallel, settings.cpus, settings.memory_gb)
        self._parts: dict[type[Any], Any] = {}
        self.images = settings.images
        """The images that the pipeline names, to ask an engine for all of them in one call."""
        self._settings = settings
        self._looking = asyncio.Lock()
        self._engine: Engine | ToolMissing | None = None
        self._preparing = asyncio.Lock()

    def part(self, kind: type[Part]) -> Part:
        """What the checks of the trial have in common, such as its services: one of a class, made when it is first
        asked for."""
        part: Part = self._parts.setdefault(kind, kind())
        return part

    async def engine(self) -> Engine:
        """The container engine of this machine; ToolMissing says what was tried. Looked for once, when it is needed."""
        from seatrial.links.containers.engines import find, mark_used

        async with self._looking:
            if self._engine is None:
                try:
                    self._engine = await find(self._settings.engine, image=self._settings.image)
                    mark_used(self._engine)
                except ToolMissing as error:
                    self._engine = error
        if isinstance(self._engine, ToolMissing):
            raise ToolMissing(str(self._engine))
        return self._engine

    async def network(self, ctx: Context) -> str:
        """The network of the trial, on which its services and checks know each other by name; made by the first."""
        from seatrial.links.containers.engines import detail_of
        from seatrial.links.containers.resources import labelled

        engine, name = await self.engine(), ctx.trial_id

        async def make() -> None:
            await engine.make("network", "create", *labelled(ctx.labels()), name, what="making the trial's network")

        async with self._preparing:
            if not ctx.holds("network", name, owner=OWNER):
                detail = {**detail_of(engine), "network": name}
                try:
                    await ctx.make("network", name, make, owner=OWNER, detail=detail)
                except BaseException:
                    await ctx.give_back("network", name)  # the next one tries anew
                    raise
        return name

    async def init(self, ctx: Context) -> None:
        """Nothing is to be done before the checks."""

    async def deploy(self, ctx: Context) -> None:
        """NotSupported: the deploy is what the checks come before."""
        raise NotSupported("a pipeline deploys nothing: it is run by `seatrial preflight`")

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        """None."""
        return ()

    async def destroy(self, ctx: Context) -> None:
        """Nothing to do: what checks and services made is given back by its records."""

    async def give_back(self, resource: Resource) -> None:
        """A container, a network, or the folder or the program of a service on this host, by its record; already gone
        is success."""
        if resource.kind == "server":
            await _server_gone(int(str(resource.detail["pid"])), str(resource.detail["started"]))
        elif resource.kind == "folder":
            await _folder_gone(Path(str(resource.detail["path"])), resource.trial)
        elif resource.kind in ("container", "network"):
            from seatrial.links.containers.engines import again
            from seatrial.links.containers.resources import take_away

            await take_away(again(resource.detail), resource.kind, str(resource.detail[resource.kind]))
        else:
            raise NotSupported(f"a pipeline makes no {resource.kind}")


def pipeline_of(ctx: Context) -> Pipeline:
    """The pipeline whose check or stage this is."""
    if not isinstance(ctx.system, Pipeline):
        raise NotSupported(f"the step {ctx.step} belongs into a pipeline")
    return ctx.system


async def _server_gone(pid: int, started: str) -> None:
    """End it in its own way, for a database that is killed leaves shared memory behind; kill what does not obey."""
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
    raise LeftBehind(f"the process {pid} did not go when it was killed")


async def _folder_gone(path: Path, trial: str) -> None:
    """Remove it; a server that was just killed may still have helpers that write their last into it."""
    if not trial or trial not in path.name:
        raise LeftBehind(f"{path} does not carry the name of its trial: not removed")
    for _ in range(50):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        await asyncio.sleep(0.1)
    shutil.rmtree(path)
