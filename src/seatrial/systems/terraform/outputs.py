"""The outputs of a configuration: those for the step's outputs, and the texts to mask."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from seatrial.spi import Context

OF_THE_STEP = ("state", "nodes", "addresses", "reused", "deployed_by")
"""The outputs of the step `deploy` itself; an output of the configuration does not take their place."""

SHORTEST = 3
"""Characters of a text that can be masked wherever it appears."""


def may_be_told(name: str, output: Mapping[str, Any]) -> bool:
    """Whether it is an output of the step too."""
    return name not in OF_THE_STEP and (not output["sensitive"] or _maskable(output["value"]))


_NO_SECRETS = ("name", "connection", "ansible_connection")
"""Keys of a node whose values are masked in no output: a report without the names of the nodes tells nothing."""


def hide(ctx: Context, outputs: Mapping[str, Mapping[str, Any]], nodes: str) -> None:
    """Mask the texts of the sensitive ones wherever they appear; of the output `nodes`, not the names of the nodes."""
    for name, output in outputs.items():
        if not output["sensitive"]:
            continue
        for text in _texts(output["value"], _NO_SECRETS if name == nodes else ()):
            if isinstance(text, str) and len(text) >= SHORTEST:
                ctx.secret(text)
        if not _maskable(output["value"]):
            why = f"only texts of {SHORTEST} characters can be masked"
            ctx.log(f"the sensitive output {name!r} is left out: {why}", "debug")


def _texts(value: object, without: Collection[str] = ()) -> Iterator[object]:
    """The values in a value, without the names around them, and without those of some keys."""
    if isinstance(value, Mapping):
        value = [inner for key, inner in value.items() if key not in without]
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, without)
    else:
        yield value


def _maskable(value: object) -> bool:
    return all(isinstance(text, str) and len(text) >= SHORTEST for text in _texts(value))
