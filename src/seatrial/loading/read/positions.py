"""Where something stands in a text, whatever the text is written in."""

from __future__ import annotations

from dataclasses import dataclass

Place = tuple[str | int, ...]
"""A way into a document: keys and list indices."""

Position = tuple[int, int]
"""Line and column, from 1."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a value stands, and the key that it stands under (the value itself for items of a list)."""

    value: Position
    key: Position


class Flawed(Exception):
    """What is wrong in a text, with positions; `read` puts the file's name to it."""

    def __init__(self, *flaws: tuple[Position, str, str]) -> None:
        super().__init__(flaws)
        self.flaws = flaws
