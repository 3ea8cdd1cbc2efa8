"""The provider of suites whose deployer has its own, unknown to Seatrial: nothing is created, and no API is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from seatrial.errors import NotSupported
from seatrial.links.ssh import SSHLink
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec, Resource
from seatrial.registry import provider
from seatrial.spi import Context, Powers, Readiness

HOUR, MINUTES_20 = 3600.0, 1200.0


@provider("deployer")
class DeployersOwn:
    """Where the deployer creates the nodes, on a provider that only the deployer knows."""

    powers: frozenset[Powers] = frozenset()
    deadlines: ClassVar[Mapping[str, float]] = {
        "deploy": HOUR, "start": MINUTES_20, "stop": MINUTES_20, "restart": MINUTES_20, "destroy": MINUTES_20,
    }  # fmt: skip

    def __init__(self, settings: Any) -> None:
        """It has no settings."""

    def link(self, node: Node) -> SSHLink:
        """SSH, as the inventory describes it; LinkRefused on use for a node without it."""
        return SSHLink(node)

    async def create(self, spec: NodeSpec, ctx: Context) -> Node:
        raise NotSupported(f"{spec.name} cannot be created: only the deployer creates nodes on its own provider")

    def foresee(self, spec: NodeSpec, ctx: Context) -> Mapping[str, object]:
        return {}

    async def destroy(self, resource: Resource) -> None:
        """Seatrial has created nothing here."""

    async def find(self, run: str) -> Sequence[Resource]:
        return []

    async def state(self, node: Node) -> PowerState:
        return PowerState.UNKNOWN

    async def boot_id(self, node: Node) -> str:
        raise NotSupported(f"only {node.name} itself knows its boot id")

    @classmethod
    async def readiness(cls, settings: Any) -> Readiness:
        return Readiness(True, "nothing to try: only the deployer uses its provider")
