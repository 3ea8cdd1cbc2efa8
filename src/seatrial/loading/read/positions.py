"""Positions in a text, in any format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Place = tuple[str | int, ...]
"""A way into a document: keys and list indices."""

Position = tuple[int, int]
"""Line and column, from 1."""


def texts_at(value: Any, place: Place) -> Iterator[tuple[str, Place]]:
    """Every string within a structure, with its place."""
    if isinstance(value, str):
        yield value, place
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts_at(inner, (*place, key))
    elif isinstance(value, list | tuple):
        for at, inner in enumerate(value):
            yield from texts_at(inner, (*place, at))


class Mark(NamedTuple):
    """The position of a value, and of its key (the value itself for items of a list)."""

    value: Position
    key: Position


class Flawed(Exception):
    """The flaws of a text, with positions; `read` adds the file's name."""

    def __init__(self, *flaws: tuple[Position, str, str]) -> None:
        super().__init__(flaws)
        self.flaws = flaws
