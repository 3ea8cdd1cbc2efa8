"""What a text must hold, and what must hold of it: the same for answers, files and the output of commands."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.errors import CannotTell
from seatrial.model.result import Observation, failed, passed, unknown
from seatrial.spi import Context

SHOWN = 200
"""Characters of a text that are shown."""


def shown(ctx: Context, text: str) -> str:
    """A text for a person: its beginning, with every secret hidden before it is cut: half of one would not be known."""
    text = ctx.masked(text.strip())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"


def words(given: str | Sequence[str]) -> tuple[str, ...]:
    """One text or several, as they are written in documents; empty ones ask for nothing."""
    return tuple(one for one in ((given,) if isinstance(given, str) else given) if one)


def held(
    ctx: Context, text: str, contains: str | Sequence[str], lacks: str | Sequence[str], what: str
) -> Observation | None:
    """Failed when a wanted text is not there, or an unwanted one is; None when all is as it should be."""
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
    """Passed or failed by a CEL expression over `names`; unknown when it cannot be evaluated or is no yes or no."""
    try:
        value = await ctx.evaluate(expression, **names)
    except CannotTell as error:
        return unknown(str(error), expression, seen)
    if not isinstance(value, bool):
        return unknown(f"the expression gives {value!r}, not true or false", expression, seen)
    return passed(seen, expression) if value else failed(seen, expression, f"`{expression}` does not hold")
