"""Reads the valid parts of an invalid document, so one mistake does not hide the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.loading.fields import Nested, described
from seatrial.loading.shapes import Many, Named, OneOf, Shape
from seatrial.loading.site import SilentSite

_NOTHING = object()


def salvaged(factory: type[Any], given: object) -> Any:
    """An instance with all valid values; invalid ones get their default or an empty value."""
    held = given if isinstance(given, Mapping) else {}
    fields: dict[str, Any] = {}
    for key, one in described(factory).items():
        value = _value(one.shape, held[key]) if key in held else _NOTHING
        if value is not _NOTHING:
            fields[one.name] = value
        elif one.required:
            fields[one.name] = {} if isinstance(one.shape, Named) else ("true",)
    return factory(**fields)


def _value(shape: Shape, given: object) -> Any:
    site = SilentSite()
    made = shape.read(given, (), site)
    if not site.count:
        return made
    if isinstance(shape, Nested) and isinstance(given, Mapping):
        return salvaged(shape.factory, given)
    if isinstance(shape, Named) and isinstance(given, Mapping):
        tried = {str(name): _value(shape.item, one) for name, one in given.items()}
        return {name: one for name, one in tried.items() if one is not _NOTHING}
    if isinstance(shape, Many) and isinstance(given, list) and shape.length is None:
        items = (_value(shape.item, one) for one in given)
        return shape.make(one for one in items if one is not _NOTHING)
    if isinstance(shape, OneOf):
        return next((one for each in shape.shapes if (one := _value(each, given)) is not _NOTHING), _NOTHING)
    return _NOTHING
