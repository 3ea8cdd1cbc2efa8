"""A system is the thing under test; what it can do besides is a small protocol each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from seatrial.model.cluster import ClusterStatus, NodeHealth
from seatrial.model.resource import Node, Resource
from seatrial.spi.powers import Powers

if TYPE_CHECKING:
    from seatrial.spi.context import Context


@runtime_checkable
class System(Protocol):
    """The thing under test, one instance per trial: `Class(settings, folder)`, settings an instance of its `Settings`.

    Methods may raise StepFailed (the product did wrong), Overrun (it took too long); anything else means unknown.
    """

    Settings: ClassVar[type[Any]]
    """A frozen dataclass: the keys of `system:` in a document."""
    places_nodes: ClassVar[bool]
    """Whether its nodes are made by the provider (else it brings its own, from an inventory)."""

    def __init__(self, settings: Any, folder: Path) -> None: ...

    @classmethod
    def powers(cls, settings: Any) -> frozenset[Powers]:
        """Powers that the system has itself, over those of the provider."""

    @classmethod
    def node_names(cls, settings: Any, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """The nodes as far as they are known before deploy; empty: not known."""

    async def init(self, ctx: Context) -> None: ...
    async def deploy(self, ctx: Context) -> None:
        """Make nodes, start the product, wait for nothing."""

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        """The nodes that stand now, in their order."""

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        """Measure these nodes, at the same time."""

    async def status(self, ctx: Context) -> ClusterStatus:
        """Measure the whole; before deploy `initialized`, after destroy `destroyed`."""

    async def power(self, ctx: Context, node: Node, what: Powers) -> bool:
        """Do it by the system's own means, and return True; False: the provider shall."""

    async def before_outage(self, ctx: Context) -> None:
        """Write numbered records and keep which were acknowledged; called after deploy and before stop, crash."""

    async def records(self, ctx: Context) -> RecordsReport:
        """Read the acknowledged records back from every healthy node."""

    async def destroy(self, ctx: Context) -> None:
        """Take the product away; the nodes are given back by the engine."""

    async def give_back(self, resource: Resource) -> None:
        """Give back a resource that this system made, from the ledger record alone (called on a bare instance)."""


@runtime_checkable
class HandsOver(Protocol):
    """A system whose deployed cluster another instance of it can go on with: what `reuse: snapshot` asks of it.

    A class method `filled_anew(settings)` may give the part of its settings whose expressions are filled in after the
    deployment too; without it they all are, and one that names the trial keeps its cluster from being reused.
    """

    def hand_over(self) -> object:
        """What it knows of its cluster as it stands, in a value that nothing changes later."""

    async def take_over(self, ctx: Context, memory: object) -> None:
        """Know this from now on, and nothing of what was known before; several trials may be given one value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsReport:
    """What became of the numbered records."""

    acknowledged: int
    read_from: tuple[str, ...]
    """The nodes that were read."""
    lost: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Node to the keys of acknowledged records that it does not have, or has with another value."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Node to why it could not be read."""
