"""Looking at several nodes at the same time, with one verdict for all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from seatrial.checks.readings import status_of
from seatrial.errors import CannotTell, LinkDown, LinkLost, SeatrialError, StepFailed
from seatrial.model.reading import Reading, concluded, decides, remembered, reported
from seatrial.model.resource import Node
from seatrial.model.result import Observation, Verdict, failed, unknown, worst
from seatrial.spi import Context, KnowsNodes
from seatrial.spi.concurrency import map_concurrently

ALL = ("*", "all")
DESTROYED = "destroyed"
NEVER_MADE = "never made"


class OnNodes:
    """A check with nodes selected by `on`."""

    on: str

    def node_names(self) -> Sequence[str]:
        """The selector to check; empty if it selects no nodes by default."""
        return (self.on,) if self.on or type(self).on else ()


def text_of(rest: str, refusal: str) -> str:
    """Read `:<text>`, the short form of a check with one main key; the text of the ValueError ends with `refusal`."""
    text = rest[1:].strip()
    if not rest.startswith(":") or not text:
        raise ValueError(f"{rest!r} {refusal}")
    return text


@dataclass(frozen=True, slots=True)
class Chosen:
    """The existing nodes of a selector, and the missing ones: name to DESTROYED or NEVER_MADE."""

    nodes: Sequence[Node]
    absent: Mapping[str, Reading[str]] = field(default_factory=dict)


async def choose(ctx: Context, selector: str) -> Chosen:
    """The nodes of a selector; CannotTell if there are none and none were destroyed."""
    nodes = await ctx.nodes()
    system, suite = ctx.system, ctx.suite
    declared = system.node_names(suite.system.settings, suite.parameters) if isinstance(system, KnowsNodes) else ()
    words = [word.strip() for word in selector.split(",")]
    everything = any(word in ALL for word in words)
    if not nodes:
        state = (await status_of(ctx)).state
        if state.value != "destroyed":
            raise CannotTell(f"no nodes to check: {state.why or state.value or 'the system has none'}")
        destroyed = concluded(DESTROYED, state.why, [state])
        return Chosen((), dict.fromkeys((declared or words) if everything else words, destroyed))
    missing = set(declared) - {node.name for node in nodes}
    # Seatrial remembers all nodes created by the provider; other nodes are in the system's list, such as an inventory.
    never = remembered(NEVER_MADE, "") if ctx.system.places_nodes else reported(NEVER_MADE, by="the system")
    if everything:
        return Chosen(nodes, {name: never for name in declared if name in missing})
    here = [word for word in words if word not in missing]
    found = await ctx.select(",".join(here)) if here else ()
    absent = {word: never for word in words if word in missing}
    if not found and not absent:
        raise CannotTell(f"selector {selector!r} matches no nodes")
    return Chosen(found, absent)


async def look_at(
    chosen: Chosen,
    look: Callable[[Node], Awaitable[Observation]],
    gone: Callable[[str], Observation],
) -> Observation:
    """Look at each node; no answer is measured as not ok, a refused login is unknown."""

    async def one(node: Node) -> Observation:
        try:
            return await look(node)
        except (LinkDown, LinkLost, TimeoutError) as error:
            return failed("no answer", why=str(error))
        except StepFailed as error:
            return failed(why=str(error))
        except (SeatrialError, OSError) as error:
            return unknown(str(error))

    seen = {
        name: gone(reading.value) if decides(reading) else unknown(f"{reading.value} (only {reading.source})")
        for name, reading in chosen.absent.items()
    }
    found = await map_concurrently(one, chosen.nodes)
    return combined(seen | {node.name: observation for node, observation in zip(chosen.nodes, found, strict=True)})


def combined(each: Mapping[str, Observation]) -> Observation:
    """One observation of many: the seen values of all, the worst verdict, and the reasons for it."""
    if not each:
        return unknown("no nodes to check")
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
