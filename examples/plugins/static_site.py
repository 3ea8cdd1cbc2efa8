"""A system of your own: `init`, `deploy`, `nodes`, `destroy`, and two optional methods: `health` and `node_names`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import seatrial
from seatrial.errors import LinkDown, LinkLost, NotSupported
from seatrial.links.http import request
from seatrial.model.cluster import NodeHealth
from seatrial.model.reading import Health, measured
from seatrial.model.resource import Node, NodeSpec, Service
from seatrial.spi import Context, RunsServices, link_of


@dataclass(frozen=True, kw_only=True)
class SiteSettings:
    """The keys of `system:`."""

    page: str
    """The text of the page."""
    size: int = 2
    """The number of nodes with the page."""


@seatrial.system("static_site")
class StaticSite:
    """One page, served by every node."""

    Settings = SiteSettings
    places_nodes = True

    def __init__(self, settings: SiteSettings, folder: Path) -> None:
        self._settings = settings
        self._nodes: list[Node] = []

    @classmethod
    def node_names(cls, settings: SiteSettings, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """`web1`, `web2`, …: `seatrial check` refuses other names."""
        return tuple(f"web{number}" for number in range(1, settings.size + 1))

    async def init(self, ctx: Context) -> None:
        """There is nothing to prepare."""

    async def deploy(self, ctx: Context) -> None:
        """Make the nodes, write the page, start a server on each; the step `deploy` waits until all are healthy."""
        provider = ctx.provider
        if not isinstance(provider, RunsServices):
            raise NotSupported(f"static_site needs a provider with services; {ctx.suite.provider} has none")
        for name in self.node_names(self._settings, ctx.suite.parameters):
            node = await ctx.create_node(NodeSpec(name=name, ports={"http": 0}))
            self._nodes.append(node)
            await ctx.link(node).run(["sh", "-c", 'printf %s "$1" > index.html', "sh", self._settings.page])
            argv = ("python3", "-m", "http.server", "--bind", node.address, str(node.ports["http"]))
            await provider.install_service(node, Service(name="site", argv=argv))
            await provider.start_service(node, "site")

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        """The nodes in their order."""
        return self._nodes

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        """Power, link and server of each node. The state of the whole follows from these."""
        return {node.name: await self._measure(ctx, node) for node in nodes}

    async def _measure(self, ctx: Context, node: Node) -> NodeHealth:
        url = f"http://{node.address}:{node.ports['http']}/"
        try:
            service = measured(Health.OK if (await request("GET", url)).status == 200 else Health.NOT_OK, by=url)
        except (LinkDown, LinkLost, TimeoutError) as error:
            service = measured(Health.NOT_OK, str(error), by=url)
        return NodeHealth(power=await ctx.state_of(node), parts={"ssh": await link_of(ctx, node), "service": service})

    async def destroy(self, ctx: Context) -> None:
        """The engine removes the nodes; from now on there are none."""
        self._nodes = []
