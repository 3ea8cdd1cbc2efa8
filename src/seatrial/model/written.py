"""Numbers of a document that keep their writing: `3.10`, `0644` and `1e3` are numbers, and themselves as text."""

from __future__ import annotations

from typing import Any

__all__ = ["WrittenFloat", "WrittenInt", "as_written", "plain_number", "written"]


class WrittenInt(int):
    """A whole number that Python would write otherwise."""

    text: str

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__


class WrittenFloat(float):
    """A number that Python would write otherwise."""

    text: str

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__


def written(value: float, text: str) -> Any:
    """The number, with its writing if Python has another one for it."""
    if str(value) == text:
        return value
    number = WrittenInt(value) if isinstance(value, int) else WrittenFloat(value)
    number.text = text
    return number


def plain_number(value: Any) -> Any:
    """A number without its writing; any other value unchanged."""
    if isinstance(value, WrittenInt):
        return int(value)
    return float(value) if isinstance(value, WrittenFloat) else value


def as_written(value: Any) -> Any:
    """A structure with the writing of such numbers in place of their values, for results."""
    if isinstance(value, WrittenInt | WrittenFloat):
        return value.text
    if isinstance(value, dict):
        return {key: as_written(one) for key, one in value.items()}
    return [as_written(one) for one in value] if isinstance(value, list | tuple) else value
