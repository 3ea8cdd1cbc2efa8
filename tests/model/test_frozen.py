"""`@frozen` makes what `@dataclass(frozen=True, slots=True, kw_only=True)` makes, in less time."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import pytest

from seatrial.model.frozen import frozen


@frozen
class Point:
    """A point."""

    x: int
    y: int = 0
    secret: str = field(default="", repr=False)
    label: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """The same by the standard library."""

    x: int
    y: int = 0
    secret: str = field(default="", repr=False)
    label: str = field(default="", compare=False)


@frozen(kw_only=False)
class Pair:
    """Its fields may be given by position; its text is its own."""

    left: int
    right: int

    def __repr__(self) -> str:
        return f"{self.left}|{self.right}"


def test_equality_and_hash_follow_the_compared_fields_of_the_same_class() -> None:
    assert Point(x=1, label="a") == Point(x=1, label="b") != Point(x=2)
    assert hash(Point(x=1, label="a")) == hash(Point(x=1))
    assert Point(x=1) != Plain(x=1)  # type: ignore[comparison-overlap]
    assert len({Point(x=1), Point(x=1), Point(x=1, y=2)}) == 2


def test_its_text_is_the_standard_one_without_hidden_fields() -> None:
    values: dict[str, Any] = {"x": 1, "secret": "hunter2", "label": "it's"}
    assert repr(Point(**values)) == repr(Plain(**values)).replace("Plain", "Point")
    assert "hunter2" not in repr(Point(**values))
    assert repr(Pair(1, 2)) == "1|2"


def test_it_cannot_be_changed_but_replaced_and_pickled() -> None:
    point = Point(x=1)
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    assert replace(point, y=3) == Point(x=1, y=3)
    assert pickle.loads(pickle.dumps(point)) == point
    assert not hasattr(point, "__dict__")


def test_positions_are_refused_unless_allowed() -> None:
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[call-arg]
    assert Pair(1, 2) == Pair(left=1, right=2)


def test_what_does_not_depend_on_the_fields_is_shared_by_all_classes() -> None:
    assert Point.__eq__ is Pair.__eq__
    assert Point.__hash__ is Pair.__hash__
    assert Point.__repr__ is not Plain.__repr__
