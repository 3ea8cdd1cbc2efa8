"""Positions in a text, in any format."""

from __future__ import annotations

from seatrial.model.frozen import frozen

Place = tuple[str | int, ...]
"""A way into a document: keys and list indices."""

Position = tuple[int, int]
"""Line and column, from 1."""


@frozen(kw_only=False)
class Mark:
    """The position of a value, and of its key (the value itself for items of a list)."""

    value: Position
    key: Position


class Flawed(Exception):
    """The flaws of a text, with positions; `read` adds the file's name."""

    def __init__(self, *flaws: tuple[Position, str, str]) -> None:
        super().__init__(flaws)
        self.flaws = flaws
