"""Measures a deployment and its nodes: power by their provider, links, and the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.errors import SeatrialError
from seatrial.model.cluster import OFF, ClusterStatus, NodeHealth, PowerState, all_off, cluster_status
from seatrial.model.reading import Health, Reading, Source, absent, concluded, reported
from seatrial.model.resource import Node
from seatrial.spi import Context, link_of, power_reading
from seatrial.spi.concurrency import map_concurrently
from seatrial.systems.github_actions.settings import GithubActionsSettings
from seatrial.systems.probes import look
from seatrial.systems.states import able, named
from seatrial.systems.templates import Roots, node_root

WORKFLOW = "the deploy workflow"


class Measure:
    """Measures one deployment; `outputs` are its workflow's outputs."""

    def __init__(self, settings: GithubActionsSettings, outputs: Mapping[str, Any]) -> None:
        self._settings = settings
        self._outputs = outputs

    def roots(self, node: Node) -> Roots:
        """A node as seen by templates in the settings."""
        return {"node": node_root(node), "outputs": self._outputs}

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> dict[str, NodeHealth]:
        """Measure all of these at the same time."""
        found = await map_concurrently(lambda node: self._node(ctx, node), nodes)
        return {node.name: one for node, one in zip(nodes, found, strict=True)}

    async def status(self, ctx: Context, nodes: Sequence[Node]) -> ClusterStatus:
        """The state by the declared rule; without nodes by `health`, else by the workflow's result."""
        if not nodes or (self._settings.health is None and self._settings.ssh is None):
            return await self._alone(ctx)
        health = await self.health(ctx, nodes)
        holds = await able(ctx, self._settings.rule, health)
        status = cluster_status(health, rule=lambda _healthy, _total: holds)
        return await named(ctx, self._settings.states, status)

    async def _alone(self, ctx: Context) -> ClusterStatus:
        probe = self._settings.health
        if probe is None:
            why = "its workflow succeeded; nothing else is declared"
            return ClusterStatus(state=reported("running", why, by=WORKFLOW), service=reported(Health.OK, by=WORKFLOW))
        whole = Node(name="deployment")
        seen = await look(ctx, probe, whole, self.roots(whole))
        state = {Health.OK: "running", Health.NOT_OK: "critical", Health.UNKNOWN: ""}[seen.value]
        return ClusterStatus(state=concluded(state, seen.why, [seen]), service=seen)

    async def _node(self, ctx: Context, node: Node) -> NodeHealth:
        power = absent(PowerState.RUNNING, "no source reports its power state")
        if node.adopted:
            try:
                power = await power_reading(ctx.provider, node, ctx.suite.provider)
            except (SeatrialError, OSError) as error:
                why = f"the provider cannot read its power state: {error}"
                return NodeHealth(power=absent(PowerState.UNKNOWN, why), parts={"service": absent(Health.UNKNOWN, why)})
        if power.value in OFF:
            return all_off(power, f"{power.by} reports that it is {power.value}")
        parts: dict[str, Reading[Health]] = {}
        if node.ssh:
            link = parts["ssh"] = await link_of(ctx, node)
            if link.value is Health.NOT_OK:
                power = concluded(PowerState.UNREACHABLE, "", [link])
            elif link.ok and power.source is Source.ABSENT:
                power = concluded(PowerState.RUNNING, "", [link])
        service = await self._service(ctx, node, parts.get("ssh"))
        return NodeHealth(power=power, parts={**parts, "service": service} if service is not None else parts)

    async def _service(self, ctx: Context, node: Node, link: Reading[Health] | None) -> Reading[Health] | None:
        """None: the node has no service. Without a declared service, a link that answers is enough."""
        settings = self._settings
        if settings.health is None:
            return link or absent(Health.UNKNOWN, "cannot be measured: neither `health` nor `ssh` is declared")
        name = node.name.rstrip("0123456789")
        if settings.service_nodes and not {name, node.name} & set(settings.service_nodes):
            return None
        return await look(ctx, settings.health, node, self.roots(node))
