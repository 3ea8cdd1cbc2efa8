"""A check observes one thing, once."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from seatrial.model.frozen import frozen
from seatrial.model.result import Observation

if TYPE_CHECKING:
    from seatrial.spi.context import Context


@runtime_checkable
class Check(Protocol):
    """One thing observed: a frozen dataclass. Its fields are its keys in a document."""

    async def observe(self, ctx: Context) -> Observation:
        """Look once; `validate` looks again. An exception means unknown."""


@runtime_checkable
class ReadsText(Protocol):
    """A check with a text form: `name:argument`."""

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        """Its keys, from the text after its name (`:argument`, or empty). ValueError names the allowed forms."""


@runtime_checkable
class AsksOthers(Protocol):
    """A step or check that may ask a program or server of other people: between its looks there is at least a second,
    unless the document says otherwise."""

    def asks_others(self, ctx: Context) -> bool:
        """Whether it does now."""


@runtime_checkable
class ExplainsFailure(Protocol):
    """A check that finds out why it did not pass, by more than its looks take: logs, events."""

    async def explain(self, ctx: Context, observation: Observation) -> Observation:
        """The last observation with a better `why`; called once, when no look is left. It has `EXPLAIN` seconds; an
        exception leaves the observation as it is. It never makes a pass of it."""


EXPLAIN = 15.0
"""Seconds to find out why a check did not pass."""


def is_ours(ctx: Context, host: str) -> bool:
    """Whether an address is this machine's, or of a node that the provider created."""
    try:
        loopback = ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        loopback = host in ("localhost", "") or host.endswith(".localhost")
    nodes = ctx.names().get("nodes") if ctx.system.places_nodes else None
    known = nodes.values() if isinstance(nodes, Mapping) else ()
    return loopback or any(isinstance(node, Mapping) and node.get("address") == host for node in known)


@frozen
class CheckTraits:
    """Class attributes of a check, each with its default."""

    may_be_empty: tuple[str, ...] = ()
    """Fields with a use for an empty value. For the others one that comes out empty makes the check unknown: nothing
    would be compared."""
    may_be_written_empty: tuple[str, ...] = ()
    """Fields with a use for an empty value that the author wrote, such as an empty list. If an expression in them comes
    out empty, the check is unknown."""
    expression_names: tuple[str, ...] | None = None
    """Names for the expressions in its fields, besides the usual ones; None: those of an HTTP answer."""
    text_pattern: str = ""
    """A regular expression for the text after its name, so editors mark what `from_text` refuses; empty: any text."""
