"""`@frozen`: a frozen dataclass with slots and keyword-only fields, quick to define and to make.

For each class `dataclasses` compiles six functions, which was a third of the time before a run starts, and most classes
are never used in it. Here a class has one compiled function, `__init__`, from when its first object is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields, is_dataclass
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
        return define(cls, kw_only, SHARED | FIXED, fixed=True)

    return make if cls is None else make(cls)


def define(cls: type[T], kw_only: bool, methods: Mapping[str, Any], *, fixed: bool = False) -> type[T]:
    """A dataclass with slots, with these methods unless it has its own; `fixed`: frozen, also for classes that inherit
    from it."""
    inherits = fixed and any(is_dataclass(base) for base in cls.__bases__)
    made: Any = dataclass(slots=True, kw_only=kw_only, frozen=inherits, init=False, repr=False, eq=False)(cls)
    made.__dataclass_params__.frozen = fixed
    for name, method in {**methods, "__init__": _init_later(made)}.items():
        if name not in cls.__dict__:
            setattr(made, name, method)
    return made  # type: ignore[no-any-return]


def _init_later(cls: type[Any]) -> Callable[..., None]:
    """The `__init__` of a class until its first object is made."""

    def first(self: Any, *values: Any, **named: Any) -> None:
        cls.__init__ = _init(cls)
        cls.__init__(self, *values, **named)

    return first


def _init(cls: type[Any]) -> Callable[..., None]:
    """Compile the `__init__` of a class, which writes straight into the slots."""
    names: dict[str, Any] = {"MISSING": MISSING}
    by_position, by_name, lines = ["self"], list[str](), list[str]()
    for described in fields(cls):
        name = described.name
        names |= {f"set_{name}": getattr(cls, name).__set__, f"default_{name}": described.default}
        names[f"make_{name}"] = described.default_factory
        (by_name if described.kw_only else by_position).extend(_parameter(described))
        lines += _assignment(described)
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    parameters = ", ".join([*by_position, *(["*", *by_name] if by_name else [])])
    exec(f"def __init__({parameters}):\n " + "\n ".join(lines or ["pass"]), names)
    init: Callable[..., None] = names["__init__"]
    init.__qualname__, init.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    return init


def _parameter(described: Field[Any]) -> list[str]:
    name = described.name
    if not described.init:
        return []
    if described.default_factory is not MISSING:
        return [f"{name}=MISSING"]
    return [name if described.default is MISSING else f"{name}=default_{name}"]


def _assignment(described: Field[Any]) -> list[str]:
    name = described.name
    if described.default_factory is not MISSING:
        given = f"make_{name}() if {name} is MISSING else {name}" if described.init else f"make_{name}()"
    elif described.init:
        given = name
    elif described.default is not MISSING:
        given = f"default_{name}"
    else:
        return []
    return [f"set_{name}(self, {given})"]


def _compared(value: Any) -> tuple[Any, ...]:
    return tuple(getattr(value, described.name) for described in fields(value) if described.compare)


def _equal(self: Any, other: object) -> bool:
    return _compared(self) == _compared(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_compared(self))


def _shown(self: Any) -> str:
    values = (f"{described.name}={getattr(self, described.name)!r}" for described in fields(self) if described.repr)
    return f"{type(self).__qualname__}({', '.join(values)})"


def _unchanged(self: Any, name: str, value: object = None) -> None:
    raise FrozenInstanceError(f"{type(self).__name__} cannot be changed: {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, described.name) for described in fields(self)]


def _restored(self: Any, state: list[Any]) -> None:
    for described, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, described.name, value)


SHARED: dict[str, Any] = {"__eq__": _equal, "__repr__": _shown}
"""What does not depend on the fields."""

FIXED: dict[str, Any] = {
    "__hash__": _hash, "__setattr__": _unchanged, "__delattr__": _unchanged,
    "__getstate__": _state, "__setstate__": _restored,
}  # fmt: skip
"""What only frozen objects have."""
