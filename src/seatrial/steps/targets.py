"""The nodes of a step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import TypeVar

from seatrial.model.frozen import frozen
from seatrial.model.resource import Node
from seatrial.spi import Need
from seatrial.spi.concurrency import for_each

T = TypeVar("T")


@frozen
class Targets:
    """The keys of every step on nodes; exactly one is required."""

    target_node: str = ""
    """A node, or a selector: `n12`, `n12,n13`, `*`, `any` (a running one), `random:2`, or a role of the system
    (`leader`)."""
    node: str = ""
    """The same as `target_node`."""
    nodes: str | Sequence[str] = ""
    """The same as `target_node`; a list is also allowed."""

    def target(self) -> str:
        listed = self.nodes if isinstance(self.nodes, str) else ",".join(self.nodes)
        return self.target_node or self.node or listed

    def rests_on(self) -> Collection[Need]:
        return (Need.NODES,)

    def check_fields(self) -> Iterable[tuple[str, str]]:
        given = [key for key in ("target_node", "node", "nodes") if getattr(self, key)]
        if not given:
            yield "", '`target_node` is missing: name a node or a selector, like n12, "n12,n13", "*", any, random:2'
        for extra in given[1:]:
            yield extra, f"`{given[0]}` already selects the nodes: keep one of the two"


async def by_node(nodes: Sequence[Node], act: Callable[[Node], Awaitable[T]]) -> dict[str, T]:
    """The result of `act` for each node, by its name; as with `for_each`, a failure of one does not stop the others."""
    results: dict[str, T] = {}

    async def one(node: Node) -> None:
        results[node.name] = await act(node)

    await for_each(nodes, one)
    return results


def to_outputs(nodes: Sequence[Node], **more: object) -> dict[str, object]:
    """The outputs of a step on nodes: `nodes` (names), `node` (the first), and more."""
    return {"nodes": [node.name for node in nodes], "node": nodes[0].name if nodes else "", **more}
