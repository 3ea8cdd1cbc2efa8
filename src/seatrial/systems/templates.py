"""Templates that a system fills itself: `${{ node.… }}`, `${{ cluster.… }}`, `${{ record.… }}`, `${{ outputs.… }}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from seatrial.errors import UsageError, nearest
from seatrial.model.resource import Node
from seatrial.spi import Context

T = TypeVar("T")

ROOTS = ("node", "cluster", "record")
"""The first words of templates that the context does not know and a system fills itself."""

_REFERENCE = re.compile(r"\$\{\{\s*((?:node|cluster|record|outputs)(?:\.[A-Za-z0-9_-]+)+)\s*\}\}")

Roots = Mapping[str, Mapping[str, object]]


def node_root(node: Node) -> dict[str, object]:
    """What `${{ node.… }}` can name."""
    return {"name": node.name, "address": node.address, "ports": dict(node.ports), "folder": node.folder}


def fill(ctx: Context, value: T, roots: Roots) -> T:
    """Fill in a string, or all strings of a list or mapping: our own roots first, the context's names after them."""
    return ctx.bind(_replaced(value, roots))


def _replaced(value: T, roots: Roots) -> T:
    found: Any = value
    if isinstance(value, str):
        found = _REFERENCE.sub(lambda match: _look_up(match[1], roots), value)
    elif isinstance(value, list | tuple):
        found = type(value)(_replaced(one, roots) for one in value)
    elif isinstance(value, Mapping):
        found = {key: _replaced(one, roots) for key, one in value.items()}
    return found  # type: ignore[no-any-return]


def _look_up(path: str, roots: Roots) -> str:
    here: object = roots
    done: list[str] = []
    for word in path.split("."):
        if not isinstance(here, Mapping) or word not in here:
            known: Iterable[str] = here if isinstance(here, Mapping) else ()
            where = f"under {'.'.join(done)}" if done else "here"
            raise UsageError(
                f"the system's settings use ${{{{ {path} }}}}, but {word!r} is not known {where}: "
                f"{nearest(word, map(str, known))}"
            )
        here = here[word]
        done.append(word)
    if isinstance(here, Mapping):
        raise UsageError(
            f"the system's settings use ${{{{ {path} }}}}, which is not one value; "
            f"{nearest('', map(str, here), what='name one of')}"
        )
    return str(here)
