"""Values for the `${{ }}` in a system's settings besides the usual ones, and their text form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from seatrial import expressions
from seatrial.errors import CannotTell, UsageError
from seatrial.model.resource import Node
from seatrial.spi import Context

T = TypeVar("T")

Roots = Mapping[str, Mapping[str, object]]
"""Values under their first names: `node`, `cluster`, `record`, `outputs`."""


def node_root(node: Node) -> dict[str, object]:
    """The names under `${{ node.… }}`."""
    return {"name": node.name, "address": node.address, "ports": dict(node.ports), "folder": node.folder}


def fill(ctx: Context, value: T, roots: Roots) -> T:
    """Fill in a string, or all strings of a list or mapping; other values become text."""
    try:
        return _filled(ctx, value, roots)  # type: ignore[no-any-return]
    except CannotTell as error:
        if any(path[0] in roots for path in expressions.names_in(value)):
            raise UsageError(f"the system's settings use {value!r}: {error}") from error
        raise


def _filled(ctx: Context, value: Any, roots: Roots) -> Any:
    if isinstance(value, str):
        bound: object = ctx.bind(value, **roots) if "$" in value else value
        return str(bound) if isinstance(bound, str | bool | int | float) else expressions.as_text(bound)
    if isinstance(value, Mapping):
        return {_filled(ctx, key, roots): _filled(ctx, inner, roots) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_filled(ctx, inner, roots) for inner in value)
    return value
