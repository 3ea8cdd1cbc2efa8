"""Required and forbidden text, and expressions: the same for answers, files and the output of commands."""

from __future__ import annotations

import re
from collections.abc import Sequence

from seatrial.errors import CannotTell
from seatrial.model.result import Observation, failed, passed, unknown
from seatrial.spi import Context

SHOWN = 200
"""Maximum number of characters shown."""

LEAST_BAD, MOST_BAD = 3, 5
"""A text with so many bad characters, and more than one in `MOST_BAD`, is none."""

_WIDE = re.compile(r"(?:[^\0]\0{1,3}){4}|(?:\0{1,3}[^\0]){4}")
"""Letters of UTF-16 or UTF-32."""

_BAD = re.compile(r"[\x01-\x07\x0e-\x1a\x1c-\x1f\x80-\x84\x86-\x9f\N{REPLACEMENT CHARACTER}]")
"""Characters that no text has many of: control characters, and what stands for undecoded bytes."""


def shown(ctx: Context, text: str) -> str:
    """The beginning of a text, for people; masked before it is cut, because half a secret would not be recognised."""
    text = ctx.masked(text.strip())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"


def words(given: str | Sequence[str]) -> tuple[str, ...]:
    """One text or several, as in a document; empty ones are left out."""
    return tuple(one for one in ((given,) if isinstance(given, str) else given) if one)


def held(
    ctx: Context, text: str, contains: str | Sequence[str], lacks: str | Sequence[str], what: str, undecoded: str = ""
) -> Observation | None:
    """Failed if a required text is missing or a forbidden one is present; unknown if one is absent from what is not
    readable as text, for the reason `undecoded` or by its look; else None."""
    for one in words(lacks):
        if one in text:
            unwanted = shown(ctx, one)
            return failed(shown(ctx, text), f"lacks {unwanted!r}", f"{what} contains {unwanted!r}")
    for one in words(contains):
        if one not in text:
            wanted = shown(ctx, one)
            if why := undecoded or unreadable(text, one):
                return unknown(f"{what} cannot be searched: {why}", f"contains {wanted!r}")
            return failed(shown(ctx, text), f"contains {wanted!r}", f"{what} does not contain {wanted!r}")
    for one in words(lacks):
        if why := undecoded or unreadable(text, one):
            return unknown(f"{what} cannot be searched: {why}", f"lacks {shown(ctx, one)!r}")
    return None


def unreadable(text: str, wanted: str = "") -> str:
    """Why a text is none, by its look: compressed, binary, or in another encoding than it was read in. Single bad bytes
    hide nothing but a `wanted` text with letters that may be encoded in another way. Empty: it is a text."""
    if _WIDE.search(text):
        return "it looks like UTF-16 or UTF-32: convert it to UTF-8 first"
    bad = len(_BAD.findall(text))
    if bad >= LEAST_BAD and bad * MOST_BAD > len(text):
        return "it is compressed or binary, or its encoding is another one than the one it names (default: UTF-8)"
    if "\N{REPLACEMENT CHARACTER}" in text and not wanted.isascii():
        return "its encoding is another one than the one it names (default: UTF-8)"
    return ""


async def holds(ctx: Context, expression: str, seen: object, **names: object) -> Observation:
    """Passed or failed by a CEL expression over `names`; unknown if it cannot be evaluated or is not a boolean."""
    try:
        value = await ctx.evaluate(expression, **names)
    except CannotTell as error:
        return unknown(str(error), expression, seen)
    if not isinstance(value, bool):
        return unknown(f"the expression returns {value!r}, expected true or false", expression, seen)
    return passed(seen, expression) if value else failed(seen, expression, f"`{expression}` is false")
