"""The text forms of a check, for editors: is its name alone one, its examples, and the pattern of the others."""

from __future__ import annotations

import re
from typing import Any

from seatrial import spi


def stands_alone(factory: type[Any]) -> bool:
    """Whether the name alone is a check."""
    try:
        fields = factory.from_text("") if issubclass(factory, spi.ReadsText) else {}
        made = factory(**fields)
    except (TypeError, ValueError):  # a key without a default, or a text that must not be empty
        return False
    return not (isinstance(made, spi.ChecksFields) and list(made.check_fields()))


def examples(name: str, description: str) -> list[str]:
    """The text forms in the description of a check, such as `node_status:n12`."""
    return re.findall(rf"`({name}[^a-z0-9_`][^`]*)`", description)


def pattern(factory: type[Any]) -> str:
    """The text after the name of a check, as a regular expression of JSON Schema; empty: there is none."""
    if not issubclass(factory, spi.ReadsText):
        return ""
    written = spi.traits(factory, spi.CheckTraits).text_pattern or "[^a-z0-9_].*"
    return re.sub(r"\(\?P<\w+>", "(?:", written)
