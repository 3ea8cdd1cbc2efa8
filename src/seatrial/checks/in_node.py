"""Looking inside nodes with their own shell: what checks that do so have in common."""

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
    """Read `:<rest>` or `[<nodes>]:<rest>`; ValueError shows an example."""
    match = _TEXT.fullmatch(rest)
    if match is None or not match["rest"].strip():
        raise ValueError(
            f"{rest!r} is incomplete; allowed is {example}, on some nodes {example.replace(':', '[n11]:', 1)}"
        )
    on = {"on": match["on"].strip()} if match["on"] else {}
    return {**on, "rest": match["rest"].strip()}


async def on_each(
    ctx: Context, selector: str, look: Callable[[Node], Awaitable[Observation]], expected: object
) -> Observation:
    """Look on every node at the same time; one that is gone has not got what is looked for."""

    def gone(why: str) -> Observation:
        return failed(why, expected, f"the node was {why}")

    return await look_at(await choose(ctx, selector), look, gone)


class NotThere(StepFailed):
    """What was to be looked at is not on the node: that is measured."""


ABSENT = 44
"""How a script of ours says so."""


async def shell(ctx: Context, node: Node, script: str, *arguments: str, what: str) -> str:
    """What a script of ours printed on the node; NotThere when it says so, CannotTell when it could not do its work."""
    done = await ctx.link(node).run(["sh", "-c", script, "sh", *arguments], env={"LC_ALL": "C"}, timeout=30)
    if done.exit_code == ABSENT:
        raise NotThere(done.stderr.strip() or f"there is no {what}")
    if not done.ok:
        said = done.stderr.strip()[-300:] or f"exit code {done.exit_code}"
        raise CannotTell(f"{what} could not be looked at: {said}")
    return done.stdout
