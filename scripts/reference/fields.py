"""Tables of a class's keys: one row for each key, one table for each class inside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scripts.reference.page import Page, sentence

from seatrial.loading.fields import Field, Nested, described
from seatrial.loading.shapes import Nothing, OneOf, Shape

_SHORTER = re.compile(r"(a mapping) with \w.*|(?<=a duration)() \(.*\)|(?<=a mapping)() of names to: anything")
"""Details found in the value's own table or in the page of documents."""

HEAD = ("Key", "Value", "Default", "Meaning")


def keys_of(page: Page, factory: type[Any], what: str, *, level: int = 3) -> None:
    """The keys of a class, and below them those of its mappings."""
    fields = described(factory)
    table_of(page, fields.values(), what)
    for path, inner in _inner(fields, ()):
        name = ".".join(path)
        page.heading(f"`{name}` of `{what}`", level)
        page.say(sentence((inner.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")))
        table_of(page, described(inner).values(), f"{what}.{name}")


def table_of(page: Page, fields: Iterable[Field], what: str) -> None:
    """A row for each key."""
    page.table(
        HEAD, ([f"`{field.key}`", value_of(field), default_of(field), _meaning(page, field, what)] for field in fields)
    )


def value_of(field: Field) -> str:
    """The allowed values of the key, in words."""
    shapes = field.shape.shapes if isinstance(field.shape, OneOf) else (field.shape,)
    words = [shape.allowed for shape in shapes if not isinstance(shape, Nothing)]
    return ", or ".join(dict.fromkeys(_SHORTER.sub(lambda found: found[1] or "", word) for word in words))


def default_of(field: Field) -> str:
    """The default, where it is one word."""
    if field.required:
        return "**required**"
    default = field.default
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, int | float):
        return f"`{default:g}`"
    return f"`{default}`" if isinstance(default, str) and default else ""


def _meaning(page: Page, field: Field, what: str) -> str:
    return sentence(page.need(field.doc, f"{what}: the key {field.key!r} has no docstring"))


def _inner(fields: Mapping[str, Field], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], type[Any]]]:
    """The classes of mappings within, each once, where it is met first."""
    seen: set[type[Any]] = set()
    waiting = [((*path, key), factory) for key, field in fields.items() for factory in _classes(field.shape)]
    while waiting:
        here, factory = waiting.pop(0)
        if factory not in seen:
            seen.add(factory)
            yield here, factory
            inner = described(factory).items()
            waiting += [((*here, key), below) for key, field in inner for below in _classes(field.shape)]


def _classes(shape: Shape) -> Iterator[type[Any]]:
    if isinstance(shape, Nested):
        yield shape.factory
    for inner in shape.shapes if isinstance(shape, OneOf) else [getattr(shape, "item", None)]:
        if inner is not None:
            yield from _classes(inner)
