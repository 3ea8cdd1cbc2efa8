"""`@frozen` makes what `@dataclass(frozen=True, slots=True, kw_only=True)` makes, in less time."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import pytest

from seatrial.model.frozen import frozen
from seatrial.model.record import record


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


@frozen
class Way(Point):
    """A class with a default that is made, one that is not given, and a look at all of them."""

    stops: list[str] = field(default_factory=list)
    length: int = field(default=3, init=False)

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("before the beginning")


def test_defaults_are_made_for_each_object_and_the_class_may_look_at_them() -> None:
    way, other = Way(x=1), Way(x=1, label="other", stops=["a"])
    way.stops.append("b")
    assert (way.stops, Way(x=2).stops, other.stops, way.length) == (["b"], [], ["a"], 3)
    with pytest.raises(ValueError, match="before the beginning"):
        Way(x=-1)


def test_a_frozen_dataclass_of_the_standard_library_may_inherit_from_it_and_the_other_way_round() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Standard(Way):
        z: int = 3

    @frozen
    class Ours(Standard):
        z2: int = 4

    ours = Ours(x=1, z=5)
    assert (ours.x, ours.z, ours.z2, ours.stops, Standard(x=2).z) == (1, 5, 4, [], 3)
    for one in (ours, Standard(x=1)):
        with pytest.raises(FrozenInstanceError):
            one.x = 2  # type: ignore[misc]
    with pytest.raises(TypeError, match="cannot inherit non-frozen dataclass from a frozen one"):
        dataclass(type("Loose", (Point,), {}))


def test_an_unknown_or_missing_value_is_refused_from_the_first_object_on() -> None:
    @frozen
    class New:
        x: int

    with pytest.raises(TypeError, match=r"New.__init__\(\) missing 1 required keyword-only argument: 'x'"):
        New()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'y'"):
        New(x=1, y=2)  # type: ignore[call-arg]
    assert New(x=1).x == 1


@record
class Tally:
    """It can be changed."""

    name: str
    seen: list[int] = field(default_factory=list)


def test_a_record_can_be_changed_and_has_no_hash() -> None:
    tally = Tally("a")
    assert tally == Tally("a", [])
    tally.name = "b"
    tally.seen.append(1)
    assert repr(tally) == "Tally(name='b', seen=[1])"
    assert tally != Tally("b")
    assert not hasattr(tally, "__dict__")
    with pytest.raises(TypeError, match="unhashable"):
        hash(tally)


def test_what_does_not_depend_on_the_fields_is_shared_by_all_classes() -> None:
    assert Point.__eq__ is Pair.__eq__
    assert Point.__hash__ is Pair.__hash__
    assert Point.__repr__ is not Plain.__repr__
