"""Looking at several nodes at the same time, and one verdict of all that was seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from seatrial.errors import CannotTell, LinkDown, LinkLost, SeatrialError, StepFailed
from seatrial.model.resource import Node
from seatrial.model.result import Observation, Verdict, failed, unknown, worst
from seatrial.spi import Context
from seatrial.spi.concurrency import map_concurrently

ALL = ("*", "all")
DESTROYED = "destroyed"
NEVER_MADE = "never made"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The nodes of a selector that stand, and those that should and do not: name to DESTROYED or NEVER_MADE."""

    nodes: Sequence[Node]
    absent: Mapping[str, str] = field(default_factory=dict)


async def choose(ctx: Context, selector: str) -> Chosen:
    """The nodes that a selector names; CannotTell when there are none and none were destroyed."""
    nodes = await ctx.nodes()
    declared = ctx.system.node_names(ctx.suite.system.settings, ctx.suite.parameters)
    words = [word.strip() for word in selector.split(",")]
    everything = any(word in ALL for word in words)
    if not nodes:
        status = await ctx.system.status(ctx)
        if status.state != "destroyed":
            raise CannotTell(f"there are no nodes to look at: {status.why or status.state or 'the system has none'}")
        return Chosen((), dict.fromkeys((declared or words) if everything else words, DESTROYED))
    missing = set(declared) - {node.name for node in nodes}
    if everything:
        return Chosen(nodes, {name: NEVER_MADE for name in declared if name in missing})
    here = [word for word in words if word not in missing]
    found = await ctx.select(",".join(here)) if here else ()
    absent = {word: NEVER_MADE for word in words if word in missing}
    if not found and not absent:
        raise CannotTell(f"the selector {selector!r} chose no nodes")
    return Chosen(found, absent)


async def look_at(
    chosen: Chosen,
    look: Callable[[Node], Awaitable[Observation]],
    gone: Callable[[str], Observation],
) -> Observation:
    """Look at each node; one that does not answer is a measured not-ok, one that refuses us could not be measured."""

    async def one(node: Node) -> Observation:
        try:
            return await look(node)
        except (LinkDown, LinkLost, TimeoutError) as error:
            return failed("no answer", why=str(error))
        except StepFailed as error:
            return failed(why=str(error))
        except (SeatrialError, OSError) as error:
            return unknown(str(error))

    seen = {name: gone(why) for name, why in chosen.absent.items()}
    found = await map_concurrently(one, chosen.nodes)
    return combined(seen | {node.name: observation for node, observation in zip(chosen.nodes, found, strict=True)})


def combined(each: Mapping[str, Observation]) -> Observation:
    """One observation of many: what was seen on each, the worst verdict, and the reasons of those that have it."""
    if not each:
        return unknown("there are no nodes to look at")
    verdict = worst(one.verdict for one in each.values())
    deciding = {name: one for name, one in sorted(each.items()) if one.verdict is verdict}
    why = (
        ""
        if verdict is Verdict.PASSED
        else "; ".join(f"{name}: {one.why or one.seen}" for name, one in deciding.items())
    )
    return Observation(
        verdict=verdict,
        seen={name: one.seen for name, one in sorted(each.items())},
        expected=next((one.expected for one in each.values() if one.expected is not None), None),
        why=why,
        category=next(iter(deciding.values())).category,
    )
