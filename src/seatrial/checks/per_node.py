"""Looking at several nodes at the same time, with one verdict for all; most looks are scripts in a node's own shell."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from seatrial.checks.readings import decide_by, state_of_whole
from seatrial.errors import CannotTell, LinkDown, LinkLost, SeatrialError, StepFailed
from seatrial.links.output import end
from seatrial.model.reading import Reading, concluded, reported
from seatrial.model.resource import Node
from seatrial.model.result import Observation, Verdict, failed, passed, unknown, worst
from seatrial.spi import Context, KnowsNodes, MissesNodes, Need
from seatrial.spi.concurrency import NODES_AT_ONCE, map_concurrently

ALL = ("*", "all")
DESTROYED = "destroyed"
NEVER_MADE = "never made"


class OnNodes:
    """A check with nodes selected by `on`."""

    on: str

    def node_names(self) -> Sequence[str]:
        return (self.on,) if self.on or type(self).on else ()

    def rests_on(self) -> Sequence[Need]:
        return (Need.INSIDE,) if self.on else ()


@dataclass(frozen=True, kw_only=True)
class OnEachNode(OnNodes):
    """A check inside nodes, by default all."""

    on: str = "*"
    """Nodes to look on: a selector such as `n12`, `n12,n13`, `*`, or a role of the system."""


ON_SOME = r"(?:\[(?P<on>[^\]]+)\])?:"
"""The nodes of a check's text form, in brackets."""

_ON_SOME = re.compile(rf"{ON_SOME}(?P<rest>.+)", re.DOTALL)


def text_of(rest: str, what: str, example: str) -> str:
    """Read `:<text>`, the short form of a check with one main key; ValueError has the example."""
    text = rest[1:].strip()
    if not rest.startswith(":") or not text:
        form = f"{example.partition(':')[0]}:{what.split()[-1].upper()}"
        raise ValueError(f"{rest!r} missing {what}; allowed: {form}, like {example}")
    return text


def targeted(rest: str, example: str, key: str = "rest") -> dict[str, str]:
    """Read `:<rest>` or `[<nodes>]:<rest>` as `on` and a key; ValueError has the example."""
    match = _ON_SOME.fullmatch(rest)
    if match is None or not match["rest"].strip():
        some = example.replace(":", "[n11]:", 1)
        raise ValueError(f"incomplete text {rest!r}; allowed: {example}, on some nodes {some}")
    on = {"on": match["on"].strip()} if match["on"] else {}
    return {**on, key: match["rest"].strip()}


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
        state = await state_of_whole(ctx)
        if state.value != "destroyed":
            raise CannotTell(f"no nodes to check: {state.why or state.value or 'the system has none'}")
        destroyed = concluded(DESTROYED, state.why, [state])
        return Chosen((), dict.fromkeys((declared or words) if everything else words, destroyed))
    there = {node.name for node in nodes}
    missing = [name for name in declared if name not in there]
    if isinstance(system, MissesNodes):
        missing += [name for name in system.missing_nodes(ctx, nodes) if name not in missing]
    never = reported(NEVER_MADE, by="the system")
    if everything:
        return Chosen(nodes, dict.fromkeys(missing, never))
    here = [word for word in words if word not in missing]
    found = await ctx.select(",".join(here)) if here else ()
    absent = {word: never for word in words if word in missing}
    if not found and not absent:
        raise CannotTell(f"selector {selector!r} matches no nodes")
    return Chosen(found, absent)


async def on_each(
    ctx: Context, selector: str, look: Callable[[Node], Awaitable[Observation]], expected: object, absent_as: str = ""
) -> Observation:
    """Look at each node; no answer is measured as not ok, a refused login is unknown, and a missing node fails unless
    it is missing in the way of `absent_as`."""

    async def one(node: Node) -> Observation:
        try:
            return await look(node)
        except (LinkDown, LinkLost, TimeoutError) as error:
            return failed("no answer", why=str(error))
        except StepFailed as error:
            return failed(why=str(error))
        except (SeatrialError, OSError) as error:
            return unknown(str(error))

    def missing(reading: Reading[str]) -> Observation:
        def judge(gone: Reading[str]) -> Observation:
            if not gone.value:
                return unknown(gone.why)
            return (passed if gone.value == absent_as else failed)(gone.value, expected, f"the node was {gone.value}")

        return decide_by(ctx, reading, "", judge)

    chosen = await choose(ctx, selector)
    found = await map_concurrently(one, chosen.nodes, most=NODES_AT_ONCE)
    absent = {name: missing(reading) for name, reading in chosen.absent.items()}
    seen = absent | {node.name: observation for node, observation in zip(chosen.nodes, found, strict=True)}
    return combined(seen, expected)


def combined(each: Mapping[str, Observation], expected: object = None) -> Observation:
    """One observation of many: the seen values of all, the worst verdict, and the reasons for it."""
    if not each:
        return unknown("no nodes to check", expected)
    each = dict(sorted(each.items()))
    verdict = worst(one.verdict for one in each.values())
    deciding = {name: one for name, one in each.items() if one.verdict is verdict}
    whys = (f"{name}: {one.why or one.seen}" for name, one in deciding.items())
    return Observation(
        verdict=verdict,
        seen={name: one.seen for name, one in each.items()},
        expected=next((one.expected for one in each.values() if one.expected is not None), expected),
        why="" if verdict is Verdict.PASSED else "; ".join(whys),
        category=next(iter(deciding.values())).category,
    )


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
        said = end(done.stderr.strip(), 300) or f"exit code {done.exit_code}"
        raise CannotTell(f"{what} could not be inspected: {said}")
    if done.dropped:
        raise CannotTell(f"{what} could not be inspected: {done.dropped} bytes of the answer were not kept")
    return done.stdout
