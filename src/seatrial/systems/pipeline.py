"""The system of a pipeline: no nodes, only the room in which its checks run, and the folder of its sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from seatrial.errors import NotSupported
from seatrial.model.cluster import ClusterStatus, Measured, NodeHealth, Reading
from seatrial.model.resource import Node, Resource
from seatrial.registry import system
from seatrial.spi import Context, Powers, RecordsReport
from seatrial.systems.room import Room

_WHY = "a pipeline has no nodes"


@dataclass(frozen=True, kw_only=True)
class PipelineSettings:
    """What the checks of a pipeline share."""

    parallel: int = 1
    """Checks at a time."""
    cpus: float | None = None
    """CPUs of all checks at a time."""
    memory_gb: float | None = None
    """Memory of all checks at a time."""


@system("pipeline")
class Pipeline:
    """Checks of a source folder: one instance per trial, so that all of them share one budget."""

    Settings: ClassVar[type[Any]] = PipelineSettings
    places_nodes: ClassVar[bool] = False

    def __init__(self, settings: PipelineSettings, folder: Path) -> None:
        self.source = folder
        """The folder of the sources."""
        self.room = Room(settings.parallel, settings.cpus, settings.memory_gb)

    @classmethod
    def powers(cls, settings: PipelineSettings) -> frozenset[Powers]:
        """None: there is nothing to power."""
        return frozenset()

    @classmethod
    def node_names(cls, settings: PipelineSettings, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """None."""
        return ()

    async def init(self, ctx: Context) -> None:
        """Nothing is to be done before the checks."""

    async def deploy(self, ctx: Context) -> None:
        """NotSupported: the deploy is what the checks come before."""
        raise NotSupported("a pipeline deploys nothing: it is run by `seatrial preflight`")

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        """None."""
        return ()

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        """Of no node."""
        return {}

    async def status(self, ctx: Context) -> ClusterStatus:
        """Not to be told: there are no nodes."""
        return ClusterStatus(state="", service=Reading(Measured.UNKNOWN, _WHY), why=_WHY)

    async def power(self, ctx: Context, node: Node, what: Powers) -> bool:
        """It has no power over anything."""
        return False

    async def before_outage(self, ctx: Context) -> None:
        """It keeps no records."""

    async def records(self, ctx: Context) -> RecordsReport:
        """NotSupported: it keeps no records."""
        raise NotSupported("a pipeline keeps no records")

    async def destroy(self, ctx: Context) -> None:
        """Nothing stands; programs are given back by the engine."""

    async def give_back(self, resource: Resource) -> None:
        """NotSupported: it makes nothing of its own yet."""
        raise NotSupported(f"a pipeline makes no {resource.kind}")
