"""The fields of a step or check at run time: every `${{ }}` filled in, then validated again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from seatrial import expressions
from seatrial.errors import UsageError
from seatrial.loading.fields import Nested, build, described
from seatrial.loading.read.positions import Place
from seatrial.loading.shapes import Many, Named, OneOf, Shape
from seatrial.loading.site import Plans, Site


def _bound(shape: Shape, value: Any, bind: Callable[[Any], Any]) -> Any:
    """A value with its `${{ }}` filled in, except the expressions of nested mappings: these stay unchanged."""
    inner = shape.shapes if isinstance(shape, OneOf) else (shape,)
    if isinstance(value, Mapping):
        for one in inner:
            if isinstance(one, Nested):
                known = described(one.factory)
                return {
                    key: made if (field := known.get(key)) is None or field.formula else _bound(field.shape, made, bind)
                    for key, made in value.items()
                }
            if isinstance(one, Named):
                return {bind(key): _bound(one.item, made, bind) for key, made in value.items()}
    if isinstance(value, list | tuple):
        for one in inner:
            if isinstance(one, Many):
                return [_bound(one.item, made, bind) for made in value]
    return bind(value)


class _Running(Site):
    """The site at run time: an invalid value raises at once."""

    bound = True

    def __init__(self, what: str) -> None:
        self.what = what

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        where = ".".join(map(str, place))
        raise UsageError(f"{self.what}{where and f', {where}'}: {message}{hint and f' ({hint})'}")

    def plans(self, kind: str, value: object, place: Place) -> Plans:
        if isinstance(value, tuple):
            return value
        raise UsageError(f"{self.what}: an expression cannot produce {kind}s")


def bind_fields(factory: type[Any], fields: Mapping[str, Any], bind: Callable[[Any], Any]) -> Any:
    """A ready step or check at run time; UsageError names the field with an invalid value."""
    known = {one.name: one for one in described(factory).values()}
    site = _Running(factory.__name__)
    ready: dict[str, Any] = {}
    for name, value in fields.items():
        one = known[name]
        if one.compiled or one.formula or not expressions.templated(value):
            ready[name] = value
        else:
            ready[name] = one.shape.read(_bound(one.shape, value, bind), (one.key,), site)
    return build(factory, ready, (), site)
