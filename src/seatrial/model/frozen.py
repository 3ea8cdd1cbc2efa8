"""`@frozen`: a frozen dataclass with slots and keyword-only fields, quick to define.

For each class `dataclasses` compiles six functions, which was a third of the time before a run starts. Here a class has
compiled only what depends on its fields (`__init__`), and all share the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")


@overload
def frozen(cls: type[T], /) -> type[T]: ...


@overload
def frozen(*, kw_only: bool) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(cls: type[T] | None = None, /, *, kw_only: bool = True) -> type[T] | Callable[[type[T]], type[T]]:
    """The same as `dataclass(frozen=True, slots=True, kw_only=True)`."""

    def make(cls: type[T]) -> type[T]:
        made = dataclass(frozen=True, slots=True, kw_only=kw_only, repr=False, eq=False)(cls)
        for name, method in (("__eq__", _equal), ("__hash__", _hash), ("__repr__", _shown)):
            if name not in cls.__dict__:
                setattr(made, name, method)
        return made

    return make if cls is None else make(cls)


def _compared(value: Any) -> tuple[Any, ...]:
    return tuple(getattr(value, described.name) for described in fields(value) if described.compare)


def _equal(self: Any, other: object) -> bool:
    return _compared(self) == _compared(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_compared(self))


def _shown(self: Any) -> str:
    values = (f"{described.name}={getattr(self, described.name)!r}" for described in fields(self) if described.repr)
    return f"{type(self).__qualname__}({', '.join(values)})"
