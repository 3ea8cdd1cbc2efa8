"""Which nodes a step is about, and doing the same to all of them at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from seatrial.errors import CannotTell, SeatrialError, StepFailed
from seatrial.model.resource import Node


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The keys of every step that is about nodes; exactly one of them is given."""

    target_node: str = ""
    """A node, or a selector: `n12`, `n12,n13`, `*`, `any` (that runs), `random:2`, or a role of the system
    (`leader`)."""
    node: str = ""
    """The same as `target_node`."""
    nodes: str | Sequence[str] = ""
    """The same as `target_node`; a list is also allowed."""

    def target(self) -> str:
        """The selector that was given."""
        listed = self.nodes if isinstance(self.nodes, str) else ",".join(self.nodes)
        return self.target_node or self.node or listed

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """One and only one key names the nodes."""
        given = [key for key in ("target_node", "node", "nodes") if getattr(self, key)]
        if not given:
            yield "", '`target_node` is missing: name a node or a selector, like n12, "n12,n13", "*", any, random:2'
        for extra in given[1:]:
            yield extra, f"`{given[0]}` names the nodes already: keep one of the two"


def told(nodes: Sequence[Node], **more: object) -> dict[str, object]:
    """The outputs of a step about nodes: `nodes` (names), `node` (the first), and more."""
    return {"nodes": [node.name for node in nodes], "node": nodes[0].name if nodes else "", **more}


async def each(nodes: Sequence[Node], act: Callable[[Node], Awaitable[None]]) -> None:
    """Do it to all nodes at the same time; one that fails does not keep the others, and all that failed are named."""
    errors: list[Exception] = []

    async def one(node: Node) -> None:
        try:
            await act(node)
        except Exception as error:  # noqa: BLE001 - raised below, when every node had its turn
            errors.append(error)

    if len(nodes) == 1:
        await act(nodes[0])
        return
    async with asyncio.TaskGroup() as group:
        for node in nodes:
            group.create_task(one(node))
    if errors:
        raise _worst(errors)


def _worst(errors: Sequence[Exception]) -> Exception:
    """One error for several: failed before unknown, with what each of them said."""
    first = min(errors, key=lambda error: not isinstance(error, StepFailed))
    if len(errors) == 1:
        return first
    text = "; ".join(str(error) or type(error).__name__ for error in errors)
    evidence = "\n".join(filter(None, (str(getattr(error, "evidence", "")) for error in errors)))
    if isinstance(first, StepFailed):
        return StepFailed(text, category=first.category, evidence=evidence)
    together = CannotTell(text, evidence=evidence)
    together.category = first.category if isinstance(first, SeatrialError) else together.category
    together.__cause__ = first
    return together
