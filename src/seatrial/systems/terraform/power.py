"""Power over the nodes of a configuration: a command of the settings, and the nodes that a variable has turned off."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from seatrial.errors import CannotTell, StepFailed
from seatrial.links import process
from seatrial.links.output import end
from seatrial.links.process.spawned import supervised, warn_of_secrets
from seatrial.model.frozen import frozen
from seatrial.model.resource import Connection, Node
from seatrial.model.values import Argv, argv_of
from seatrial.spi import Context
from seatrial.systems.machines import roots_of
from seatrial.systems.settings import fill
from seatrial.systems.terraform.workspace import Prepared

_DEADLINES = {"start_node": "start", "restart_node": "restart"}


@frozen(kw_only=False)
class Away:
    """The nodes that the variable has turned off. If its outputs leave them out, they stay nodes."""

    off: frozenset[str] = frozenset()
    """Their names."""
    nodes: Sequence[Node] = ()
    """All nodes as they were listed before the last change."""

    @property
    def everyone(self) -> bool:
        """Whether no node is left on."""
        return bool(self.off) and all(node.name in self.off for node in self.nodes)

    def left_out(self, listed: Collection[Node]) -> list[Node]:
        """Those that are off and not among these."""
        names = {node.name for node in listed}
        return [node for node in self.nodes if node.name in self.off and node.name not in names]

    def among(self, listed: Sequence[Node]) -> list[Node]:
        """These nodes and the ones left out, in their earlier order."""
        order = {node.name: at for at, node in enumerate(self.nodes)}
        return sorted([*listed, *self.left_out(listed)], key=lambda node: order.get(node.name, len(order)))

    def remember(self) -> dict[str, Any]:
        """It as JSON values."""
        return {"off": sorted(self.off), "nodes": [asdict(node) for node in self.nodes]}

    @classmethod
    def remembered(cls, memory: Mapping[str, Any]) -> Away:
        """What `remember` said."""
        nodes = [{**node, "connection": Connection(**node["connection"]) if node["connection"] else None}
                 for node in memory["nodes"]]  # fmt: skip
        return cls(frozenset(memory["off"]), [Node(**node) for node in nodes])


async def by_command(ctx: Context, ready: Prepared, verb: str, command: Argv, node: Node) -> None:
    """Run the command of the settings for one node; StepFailed when it fails."""
    argv = argv_of(fill(ctx, command, roots_of(node)))
    warn_of_secrets(ctx, argv)
    seconds = ctx.deadline(_DEADLINES.get(verb, "stop"))
    with ctx.keeping(verb) as output:
        done = await process.run(
            argv, cwd=ready.place.folder, env=ready.environment, timeout=seconds, output=output.add,
            under=await supervised(ctx),
        )  # fmt: skip
    if not done.ok:
        said = end((done.stderr.strip() or done.stdout.strip()), 300)
        text = f"{verb}: {' '.join(argv)} {done.ended}: {said}"
        raise CannotTell(f"{text}: {done.accident}") if done.accident else StepFailed(text)
