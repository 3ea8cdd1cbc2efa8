"""The nodes of a deployment, from its workflow's outputs, and their measurement: power, link and service."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, SeatrialError, StepFailed
from seatrial.model.cluster import OFF, ClusterStatus, NodeHealth, PowerState, all_off, power_by_parts
from seatrial.model.reading import Health, Reading, absent, concluded, reported
from seatrial.model.resource import Node
from seatrial.spi import Context, link_of, power_reading
from seatrial.spi.concurrency import NODES_AT_ONCE, map_concurrently
from seatrial.systems.github_actions.settings import GithubActionsSettings, SshSettings
from seatrial.systems.probes import look
from seatrial.systems.settings import Roots, node_root
from seatrial.systems.states import whole

WORKFLOW = "the deploy workflow"

_WITH_PORT = re.compile(r"(?P<host>[^:\[\]\s]+|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})")


def machines(
    ctx: Context, wanted: Mapping[str, Any], ssh: SshSettings | None, outputs: Mapping[str, Any], folder: Path
) -> list[Node]:
    """A node for each name; NAME1, NAME2, … for a list. StepFailed when the outputs lack a named value."""
    nodes: list[Node] = []
    for name, told in wanted.items():
        value = filled(ctx, told, outputs, f"the address of {name}")
        for node, address in _named(name, value):
            nodes.append(_node(ctx, node, address, ssh, outputs, folder))
    if len({node.name for node in nodes}) != len(nodes):
        raise CannotTell(f"two nodes have the same name: {', '.join(node.name for node in nodes)}; change `nodes`")
    return nodes


def filled(ctx: Context, told: Any, outputs: Mapping[str, Any], what: str) -> Any:
    """A value with `${{ outputs.… }}` in it; a template alone keeps its type."""
    try:
        return ctx.bind(told, outputs=outputs)
    except CannotTell as error:
        if "outputs" not in str(error):
            raise
        raise StepFailed(f"{what}: {told!r} has no value in the workflow's outputs: {error}") from error


def _named(name: str, value: Any) -> Sequence[tuple[str, str]]:
    if isinstance(value, str) and re.search(r"[,\s]", value.strip()):
        value = [one for one in re.split(r"[,\s]+", value.strip()) if one]
    if isinstance(value, list | tuple):
        if wrong := [one for one in value if one is not None and not isinstance(one, str)]:
            raise StepFailed(f"the addresses of {name} contain {wrong[0]!r}, not a text")
        return [(f"{name}{number}", one.strip()) for number, one in enumerate(value, 1) if one and one.strip()]
    if value is None or value == "":
        return ()
    if not isinstance(value, str):
        raise StepFailed(f"the address of {name} is {value!r}, not a text or a list of texts")
    return [(name, value.strip())]


def _node(
    ctx: Context, name: str, address: str, ssh: SshSettings | None, outputs: Mapping[str, Any], folder: Path
) -> Node:
    with_port = _WITH_PORT.fullmatch(address)
    port = int(with_port["port"]) if with_port else 0
    host = (with_port["host"] if with_port else address).strip("[]")
    if ssh is None:
        return Node(name=name, address=host)
    ways: dict[str, object] = {"host": host, "port": port or ssh.port}
    ways["user"] = filled(ctx, ssh.user, outputs, "the SSH user")
    for word in ("key", "known_hosts"):
        path = filled(ctx, getattr(ssh, word), outputs, f"`{word}` of SSH")
        if path:
            ways[word] = str(folder / Path(str(path)).expanduser())
    if ssh.accept:
        ways["accept"] = True
    return Node(name=name, address=host, ssh=ways)


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
        found = await map_concurrently(lambda node: self._node(ctx, node), nodes, most=NODES_AT_ONCE)
        return {node.name: one for node, one in zip(nodes, found, strict=True)}

    async def status(self, ctx: Context, nodes: Sequence[Node]) -> ClusterStatus:
        """The state by the declared rule; without nodes by `health`, else by the workflow's result."""
        if not nodes or (self._settings.health is None and self._settings.ssh is None):
            return await self._alone(ctx)
        return await whole(ctx, await self.health(ctx, nodes), self._settings.rule, self._settings.states)

    async def _alone(self, ctx: Context) -> ClusterStatus:
        probe = self._settings.health
        if probe is None:
            why = "its workflow succeeded; nothing else is declared"
            return ClusterStatus(state=reported("running", why, by=WORKFLOW), service=reported(Health.OK, by=WORKFLOW))
        deployment = Node(name="deployment")
        seen = await look(ctx, probe, deployment, self.roots(deployment))
        state = {Health.OK: "running", Health.NOT_OK: "critical", Health.UNKNOWN: ""}[seen.value]
        return ClusterStatus(state=concluded(state, seen.why, [seen]), service=seen)

    async def _node(self, ctx: Context, node: Node) -> NodeHealth:
        said: Reading[PowerState] | None = None
        if node.adopted:
            try:
                said = await power_reading(ctx.provider, node, ctx.suite.provider)
            except (SeatrialError, OSError) as error:
                why = f"the provider cannot read its power state: {error}"
                return NodeHealth(power=absent(PowerState.UNKNOWN, why), parts={"service": absent(Health.UNKNOWN, why)})
        if said is not None and said.value in OFF:
            return all_off(said, f"{said.by} reports that it is {said.value}")
        parts: dict[str, Reading[Health]] = {"ssh": await link_of(ctx, node)} if node.ssh else {}
        service = await self._service(ctx, node, parts.get("ssh"))
        if service is not None:
            parts["service"] = service
        return NodeHealth(power=power_by_parts(parts, said), parts=parts)

    async def _service(self, ctx: Context, node: Node, link: Reading[Health] | None) -> Reading[Health] | None:
        """None: the node has no service. Without a declared service, a link that answers is enough."""
        settings = self._settings
        if settings.health is None:
            return link or absent(Health.UNKNOWN, "cannot be measured: neither `health` nor `ssh` is declared")
        name = node.name.rstrip("0123456789")
        if settings.service_nodes and not {name, node.name} & set(settings.service_nodes):
            return None
        return await look(ctx, settings.health, node, self.roots(node))
