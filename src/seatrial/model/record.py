"""`@record`: the same as `@dataclass(slots=True)`, as quick to define as `@frozen`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TypeVar, dataclass_transform, overload

from seatrial.model.frozen import SHARED, define

T = TypeVar("T")


@overload
def record(cls: type[T], /) -> type[T]: ...


@overload
def record(*, kw_only: bool) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(field_specifiers=(field,))
def record(cls: type[T] | None = None, /, *, kw_only: bool = False) -> type[T] | Callable[[type[T]], type[T]]:
    """A dataclass with slots whose fields can be changed; it is equal to one with equal fields, and has no hash."""

    def make(cls: type[T]) -> type[T]:
        return define(cls, kw_only, {**SHARED, "__hash__": None})

    return make if cls is None else make(cls)
