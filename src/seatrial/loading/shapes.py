"""The shapes of fields: from a Python type to a reader for checking and converting values of documents."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from seatrial.errors import nearest
from seatrial.expressions import NAMES, Deferred, strip, templated
from seatrial.loading.read.positions import Place
from seatrial.loading.site import Site, Trial, shown
from seatrial.model.cluster import RULES
from seatrial.model.frozen import frozen
from seatrial.model.values import duration
from seatrial.model.written import WrittenFloat, WrittenInt, plain_number

Schema = dict[str, Any]


DURATION: Schema = {
    "type": ["number", "string"],
    "minimum": 0,
    "pattern": r"^\s*(\d+(\.\d+)?(ms|s|m|h|d))+\s*$|^\s*\d+(\.\d+)?\s*$|\$\{\{",
    "patternErrorMessage": "Write a number of seconds, or like 500ms, 10s, 5m, 1h, 1h30m.",
    "description": "A number of seconds, or like 500ms, 10s, 5m, 1h, 1h30m.",
}


class Shape(Protocol):
    """One kind of value."""

    @property
    def allowed(self) -> str:
        """The allowed values, for errors."""

    def read(self, value: Any, place: Place, site: Site) -> Any:
        """The value as the field holds it; problems go to the site."""

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        """The JSON Schema of it."""


def to_be_filled(value: object, site: Site) -> bool:
    """Whether a text has `${{ }}` to fill in later; afterwards it is data."""
    return isinstance(value, str) and (isinstance(value, Deferred) or (not site.bound and templated(value)))


@frozen(kw_only=False)
class Scalar:
    """Text, a number, a truth value."""

    wanted: tuple[type, ...]
    allowed: str
    json_type: str
    convert: Callable[[Any], Any] | None = None
    hint: str = ""
    least: float | None = None
    """The smallest number allowed."""
    most: float | None = None
    """The largest."""

    def read(self, value: Any, place: Place, site: Site) -> Any:
        if isinstance(value, WrittenInt | WrittenFloat) and type(plain_number(value)) in self.wanted:
            return self._within(self.convert(value) if self.convert else plain_number(value), place, site)
        if type(value) in self.wanted:
            return self._within(self.convert(value) if self.convert else value, place, site)
        if site.bound and (made := self.from_text(value)) is not None:
            return self._within(made, place, site)
        if to_be_filled(value, site):
            return value
        hint = self.hint if not isinstance(value, list | dict) else f"allowed: {self.allowed}"
        site.problem(place, f"{shown(value)} is not {self.allowed}", hint)
        return value

    def _within(self, value: Any, place: Place, site: Site) -> Any:
        low = self.least is not None and value < self.least
        if low or (self.most is not None and value > self.most):
            upto = "" if self.most is None else f" to {self.most:g}"
            size = "small" if low else "large"
            site.problem(place, f"{value:g} is too {size}", f"allowed: from {self.least:g}{upto}")
        return value

    def from_text(self, value: object) -> Any:
        if str in self.wanted:
            return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        if not isinstance(value, str):
            return None
        if bool in self.wanted:
            return {"true": True, "false": False}.get(value.lower())
        try:
            return int(value) if float not in self.wanted else float(value)
        except ValueError:
            return None

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        if self.json_type == "string":
            return {"type": ["string", "integer"] if int in self.wanted else "string"}
        limits = {"minimum": self.least, "maximum": self.most}
        number: Schema = {"type": self.json_type, **{key: one for key, one in limits.items() if one is not None}}
        return {"anyOf": [number, {"type": "string", "pattern": r"\$\{\{"}]}


TEXT = Scalar((str,), "text", "string", hint="put it in quotes")
WORDING = Scalar((str, int), "text or a whole number", "string", str, "put it in quotes")
"""Text, with whole numbers accepted as their digits: arguments, variables."""
WHOLE = Scalar((int,), "a whole number", "integer")
NUMBER = Scalar((float, int), "a number", "number", float)
TRUTH = Scalar((bool,), "true or false", "boolean")


class Anything:
    """Any value."""

    allowed = "anything"

    def read(self, value: Any, place: Place, site: Site) -> Any:
        return value

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return {}


class Nothing:
    """Null."""

    allowed = "null"

    def read(self, value: Any, place: Place, site: Site) -> Any:
        if value is not None:
            site.problem(place, f"{shown(value)} is not null")
        return None

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return {"type": "null"}


class Span:
    """A duration, in seconds."""

    allowed = "a duration (a number of seconds, or like 500ms, 10s, 5m, 1h)"

    def read(self, value: Any, place: Place, site: Site) -> Any:
        if to_be_filled(value, site):
            return value
        try:
            return duration(value)
        except ValueError as error:
            site.problem(place, str(error))
            return value

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return {"$ref": "#/$defs/duration"}


class TimeLimit(Span):
    """A timeout, in seconds: more than 0."""

    def read(self, value: Any, place: Place, site: Site) -> Any:
        seconds = super().read(value, place, site)
        if seconds == 0:
            site.problem(place, "a timeout of 0 leaves no time", "leave it out for the default")
        return seconds

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return {"$ref": "#/$defs/duration", "not": {"enum": [0, "0", "0s"]}}


class Formula:
    """A CEL expression: kept as text, evaluated on use."""

    allowed = "an expression"

    def read(self, value: Any, place: Place, site: Site) -> Any:
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, str):
            site.problem(place, f"{shown(value)} is not an expression", "write a CEL expression as text")
            return ""
        text = strip(value)
        if text:
            site.formula(text, place)
        return text

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return {"type": ["string", "boolean"]}


_NUMBERS_OF_NODES = ("healthy", "total")


class OfTheWhole:
    """The rule by which the whole works: a name, or CEL over the numbers of nodes."""

    allowed = f"{', '.join(RULES)}, or CEL over healthy and total"

    def read(self, value: Any, place: Place, site: Site) -> Any:
        text = TEXT.read(value, place, site)
        if not isinstance(text, str) or text in RULES or to_be_filled(text, site):
            return text
        if text.isidentifier() and text not in (*_NUMBERS_OF_NODES, *NAMES, "true", "false"):
            hint = nearest(text, RULES, what="rules")
            site.problem(place, f"unknown rule {text!r}", f"{hint}, or CEL over healthy and total: healthy >= 2")
        else:
            site.formula(text, place, _NUMBERS_OF_NODES)
        return text

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return TEXT.schema(refs)


class Regular:
    """A regular expression."""

    allowed = "a regular expression, as text"

    def read(self, value: Any, place: Place, site: Site) -> Any:
        if not isinstance(value, str):
            site.problem(place, f"{shown(value)} is not a regular expression", f"allowed: {self.allowed}, in quotes")
            return ""
        if to_be_filled(value, site):
            return value
        try:
            with warnings.catch_warnings(action="ignore"):
                re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            at = f" (character {error.pos + 1})" if isinstance(error, re.error) and error.pos is not None else ""
            why = error.msg if isinstance(error, re.error) else str(error) or "it is nested too deeply"
            site.problem(place, f"{value!r} is not a regular expression: {why}{at}")
        return value

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return {"type": "string", "format": "regex"}


class Command:
    """A command: a list of arguments, or text for a shell."""

    allowed = "a list of arguments, or text for a shell"
    what, empty, first = "a command", "the command is empty", "its first item is the program"

    def read(self, value: Any, place: Place, site: Site) -> Any:
        if isinstance(value, str):
            if not value.strip():
                site.problem(place, self.empty)
            return value
        if not isinstance(value, list | tuple):
            site.problem(place, f"{shown(value)} is not {self.what}", f"allowed: {self.allowed}")
            return ()
        if not value:
            site.problem(place, self.empty, self.first)
        return tuple(WORDING.read(one, (*place, at), site) for at, one in enumerate(value))

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return {"type": ["string", "array"], "items": WORDING.schema(refs), "minItems": 1, "pattern": r"\S"}


class Files(Command):
    """The name of a file, or a list of names."""

    allowed = "the name of a file, or a list of names"
    what, empty, first = "the name of a file", "no file is named", "write its name"


class Texts(Command):
    """A text, or a list of texts."""

    allowed = "a text, or a list of texts"
    what, empty, first = "a text", "the text is empty", "write a text, or leave the key out"


class Names(Command):
    """A name, or a list of names."""

    allowed = "a name, or a list of names"
    what, empty, first = "a name", "the list is empty", "write a name"


@frozen(kw_only=False)
class Choice:
    """One of a few words."""

    words: Mapping[Any, Any]

    @property
    def allowed(self) -> str:
        return "one of " + ", ".join(map(str, self.words))

    def read(self, value: Any, place: Place, site: Site) -> Any:
        if isinstance(value, bool) and "yes" in self.words:
            return "yes" if value else "no"
        if isinstance(value, str | int | float) and value in self.words:
            return self.words[value]
        if not to_be_filled(value, site):
            site.problem(place, f"{shown(value)} is not allowed", nearest(str(value), map(str, self.words)))
        return value

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return {"anyOf": [{"enum": list(self.words)}, {"type": "string", "pattern": r"\$\{\{"}]}


@frozen(kw_only=False)
class Many:
    """A list of one kind of value."""

    item: Shape
    make: Callable[[Any], Any] = tuple
    length: int | None = None

    @property
    def allowed(self) -> str:
        return f"a list of: {self.item.allowed}"

    def read(self, value: Any, place: Place, site: Site) -> Any:
        if to_be_filled(value, site):
            return value
        if not isinstance(value, list | tuple | set | frozenset):
            site.problem(place, f"{shown(value)} is not a list", f"allowed: {self.allowed}; write it in brackets")
            return self.make(())
        if self.length not in (None, len(value)):
            site.problem(place, f"the list has {len(value)} items; it must have {self.length}")
        return self.make(self.item.read(one, (*place, at), site) for at, one in enumerate(value))

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return {"type": "array", "items": self.item.schema(refs)}


@frozen(kw_only=False)
class Named:
    """A mapping of names to one kind of value."""

    item: Shape

    @property
    def allowed(self) -> str:
        return f"a mapping of names to: {self.item.allowed}"

    def read(self, value: Any, place: Place, site: Site) -> Any:
        if to_be_filled(value, site):
            return value
        if not isinstance(value, Mapping):
            site.problem(place, f"{shown(value)} is not a mapping", f"allowed: {self.allowed}")
            return {}
        return {str(name): self.item.read(one, (*place, name), site) for name, one in value.items()}

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return {"type": "object", "additionalProperties": self.item.schema(refs)}


class OfMappings:
    """A shape of mappings with known keys: if a value is a mapping, it may be intended."""


@frozen(kw_only=False)
class OneOf:
    """Any of several shapes: the first one to accept the value."""

    shapes: tuple[Shape, ...]

    @property
    def allowed(self) -> str:
        return ", or ".join(shape.allowed for shape in self.shapes)

    def read(self, value: Any, place: Place, site: Site) -> Any:
        if isinstance(self.shapes[-1], Nothing):
            if value is None:
                return None
            if len(self.shapes) == 2:
                return self.shapes[0].read(value, place, site)
        deepest: list[Any] = []
        for shape in self.shapes:
            tried = Trial(site)
            made = shape.read(value, place, tried)
            if not tried.problems:
                tried.replay()
                return made
            # Problems further down mean that this shape was intended: they help more than a list of all shapes.
            intended = isinstance(shape, OfMappings) and isinstance(value, Mapping)
            if intended or all(len(one[0]) > len(place) or one[3] for one in tried.problems):
                deepest = min(tried.problems, deepest or tried.problems, key=len)
        for where, message, hint, key in deepest:
            site.problem(where, message, hint, key=key)
        if not deepest:
            site.problem(place, f"{shown(value)} is not allowed here", f"allowed: {self.allowed}")
        return value

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return {"anyOf": [shape.schema(refs) for shape in self.shapes]}


class Plans:
    """Child steps or checks, compiled by the site."""

    def __init__(self, kind: str) -> None:
        self.kind, self.allowed = kind, f"a list of {kind}s"

    def read(self, value: Any, place: Place, site: Site) -> Any:
        return site.plans(self.kind, value, place)

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return {"type": "array", "items": {"$ref": f"#/$defs/{self.kind}"}}
