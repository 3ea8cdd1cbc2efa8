"""Shared by checks inside nodes: they run scripts in the node's own shell."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from seatrial.checks.per_node import choose, look_at
from seatrial.errors import CannotTell, StepFailed
from seatrial.model.resource import Node
from seatrial.model.result import Observation, failed
from seatrial.spi import Context

ON = "Nodes to look on: a selector such as `n12`, `n12,n13`, `*`, or a role of the system."

_TEXT = re.compile(r"(?:\[(?P<on>[^\]]+)\])?:(?P<rest>.+)", re.DOTALL)


def targeted(rest: str, example: str) -> dict[str, str]:
    """Read `:<rest>` or `[<nodes>]:<rest>`; ValueError has an example."""
    match = _TEXT.fullmatch(rest)
    if match is None or not match["rest"].strip():
        raise ValueError(
            f"incomplete text {rest!r}; allowed: {example}, on some nodes {example.replace(':', '[n11]:', 1)}"
        )
    on = {"on": match["on"].strip()} if match["on"] else {}
    return {**on, "rest": match["rest"].strip()}


async def on_each(
    ctx: Context, selector: str, look: Callable[[Node], Awaitable[Observation]], expected: object
) -> Observation:
    """Look on every node at the same time; a missing node fails."""

    def gone(why: str) -> Observation:
        return failed(why, expected, f"the node was {why}")

    return await look_at(await choose(ctx, selector), look, gone)


class NotThere(StepFailed):
    """The subject of the check is measured as missing on the node."""


ABSENT = 44
"""The exit code of a script for a missing subject."""


async def shell(ctx: Context, node: Node, script: str, *arguments: str, what: str) -> str:
    """The script's output on the node; NotThere if the subject is missing, CannotTell if the script failed."""
    done = await ctx.link(node).run(["sh", "-c", script, "sh", *arguments], env={"LC_ALL": "C"}, timeout=30)
    if done.exit_code == ABSENT:
        raise NotThere(done.stderr.strip() or f"{what} does not exist")
    if not done.ok:
        said = done.stderr.strip()[-300:] or f"exit code {done.exit_code}"
        raise CannotTell(f"{what} could not be inspected: {said}")
    return done.stdout
