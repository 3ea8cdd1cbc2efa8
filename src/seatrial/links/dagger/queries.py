"""Queries for an engine, written without its schema: to fetch and to read that takes a session most of a second, and
only functions of modules need it. Imported only when a session opens: it imports the SDK."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from dagger.client._core import Arg, Context, Field, make_converter

from seatrial.links.dagger.telemetry import requested

LASTING = ("CacheVolume", "Secret")
"""Objects that are the same in a whole session: their IDs are asked for once."""


class Word(str):
    """The name of an enum's value: GraphQL has it without quotes."""

    __slots__ = ()


class Query(Context):  # type: ignore[misc, unused-ignore]  # untyped without the SDK
    """The SDK's query, which writes itself."""

    def __post_init__(self) -> None:
        """The SDK makes a converter for each step of a query; only a result needs one."""

    def select(self, type_name: str, field_name: str, args: Sequence[Arg]) -> Query:
        """This query with one more field; its arguments stay as they are until they are written."""
        given = {arg.name: arg.value for arg in args if arg.default is dataclasses.MISSING or arg.value != arg.default}
        longer: Query = dataclasses.replace(self, selections=self.selections.copy())
        longer.selections.append(Field(type_name, field_name, given))
        return longer

    async def resolve_ids(self) -> None:
        """Put IDs in the place of objects, as the engine wants; each is a request, except for those known already."""
        known: dict[str, str] = self.conn.__dict__.setdefault("seatrial_ids", {})
        places = [
            (field.args, name, value, value._ctx.text())
            for field in self.selections for name, value in field.args.items() if type(value).__name__ in LASTING
        ]  # fmt: skip
        new = {text: value for _, _, value, text in places if text not in known}
        known |= zip(new, await asyncio.gather(*(value.id() for value in new.values())), strict=True)
        for arguments, name, _, text in places:
            arguments[name] = known[text]
        await super().resolve_ids()

    async def request(self) -> Any:
        """The request; the IDs of its objects are known by now."""
        from gql import GraphQLRequest

        requested()
        return GraphQLRequest(self.text())

    def text(self) -> str:
        """The query in GraphQL."""
        inner = ""
        for field in reversed(self.selections):
            children = " ".join(f"{alias}: {_written(child)}" for alias, child in field.children.items())
            inner = _written(field) + (f" {{ {children or inner} }}" if children or inner else "")
        return f"query {{ {inner} }}"

    def get_value(self, value: Any, return_type: Any) -> Any:
        """See the SDK."""
        self.converter = make_converter(self)
        return super().get_value(value, return_type)


def _written(field: Field) -> str:
    if not field.args:
        return str(field.name)
    return f"{field.name}({', '.join(f'{name}: {literal(value)}' for name, value in field.args.items())})"


def literal(value: object) -> str:
    """A plain value, an enum's member or the SDK's record of values, in GraphQL."""
    match value:
        case Word():
            return str(value)
        case Enum():
            return value.name
        case Mapping():
            return f"{{{', '.join(f'{name}: {literal(each)}' for name, each in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(literal, value))}]"
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return literal({_camel(name): each for name, each in fields.items() if each is not None})
    # Not as ASCII: an engine reads `\uXXXX` as one character, and JSON writes some characters as two of them.
    return json.dumps(value, ensure_ascii=False)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
