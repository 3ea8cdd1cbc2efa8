"""Finds the nodes with a role (for example the leader) right now, by asking the nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from seatrial.errors import CannotTell
from seatrial.model.resource import Node
from seatrial.spi import Context
from seatrial.spi.concurrency import map_concurrently
from seatrial.systems.probes import Answer, NoAnswer, accepted, send
from seatrial.systems.processes.settings import RoleSettings
from seatrial.systems.templates import Roots, fill


async def holders(
    ctx: Context, role: RoleSettings, nodes: Sequence[Node], roots_of: Callable[[Node], Roots], *, single: bool
) -> list[Node]:
    """The nodes with the role; none if no node has it yet, or if only one may and the nodes disagree."""

    async def ask(node: Node) -> Answer | None:
        url, headers, body = fill(ctx, (role.http, dict(role.headers), role.body), roots_of(node))
        try:
            answer = await send(role.method, url, headers=headers, body=body, timeout=role.timeout)
        except NoAnswer:
            return None
        return answer if accepted(answer.status, role.status) and answer.is_json else None

    answers = await map_concurrently(ask, nodes)
    found: dict[str, Node] = {}
    by_name = {node.name: node for node in nodes}
    for node, answer in zip(nodes, answers, strict=True):
        if answer is None:
            continue
        names = {"json": answer.json, "body": answer.body, "status": answer.status}
        value = await ctx.evaluate(role.that or role.name, **names)
        holder = node if role.that and value is True else by_name.get(str(value)) if role.name else None
        if role.name and value and holder is None:
            raise CannotTell(f"{node.name} names {value!r}, not one of the nodes {', '.join(by_name)}")
        if holder is not None:
            found[holder.name] = holder
    if single and len(found) > 1:
        return []
    return [node for node in nodes if node.name in found]
