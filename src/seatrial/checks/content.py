"""Required and forbidden text, and expressions: the same for answers, files and the output of commands."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.errors import CannotTell
from seatrial.model.result import Observation, failed, passed, unknown
from seatrial.spi import Context

SHOWN = 200
"""Maximum number of characters shown."""


def shown(ctx: Context, text: str) -> str:
    """The beginning of a text, for people; masked before it is cut, because half a secret would not be recognised."""
    text = ctx.masked(text.strip())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"


def words(given: str | Sequence[str]) -> tuple[str, ...]:
    """One text or several, as in a document; empty ones are left out."""
    return tuple(one for one in ((given,) if isinstance(given, str) else given) if one)


def held(
    ctx: Context, text: str, contains: str | Sequence[str], lacks: str | Sequence[str], what: str
) -> Observation | None:
    """Failed if a required text is missing or a forbidden one is present; else None."""
    for one in words(contains):
        if one not in text:
            wanted = shown(ctx, one)
            return failed(shown(ctx, text), f"contains {wanted!r}", f"{what} does not contain {wanted!r}")
    for one in words(lacks):
        if one in text:
            unwanted = shown(ctx, one)
            return failed(shown(ctx, text), f"lacks {unwanted!r}", f"{what} contains {unwanted!r}")
    return None


async def holds(ctx: Context, expression: str, seen: object, **names: object) -> Observation:
    """Passed or failed by a CEL expression over `names`; unknown if it cannot be evaluated or is not a boolean."""
    try:
        value = await ctx.evaluate(expression, **names)
    except CannotTell as error:
        return unknown(str(error), expression, seen)
    if not isinstance(value, bool):
        return unknown(f"the expression returns {value!r}, expected true or false", expression, seen)
    return passed(seen, expression) if value else failed(seen, expression, f"`{expression}` is false")
