"""From a dataclass to the keys allowed in a document, and from the written values to an instance, also at run time."""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING
from typing import Any

from seatrial import expressions
from seatrial.errors import UsageError, nearest
from seatrial.loading import shapes
from seatrial.loading.docstrings import attribute_docs
from seatrial.loading.read.positions import Place
from seatrial.loading.shapes import Many, Named, OfMappings, OneOf, Schema, Shape, to_be_filled
from seatrial.loading.site import Plans, Site, Trial, shown
from seatrial.loading.suite_keys import RetryKeys
from seatrial.model.frozen import frozen
from seatrial.model.scenario import CheckPlan, Retry, StepPlan
from seatrial.model.values import Argv, Duration, Expression, FileNames, Names, Pattern, Range, Rule, Timeout
from seatrial.spi import ChecksFields


@frozen(kw_only=False)
class Field:
    """One key of a class."""

    name: str
    """The dataclass field; a trailing underscore is not part of the key."""
    key: str
    shape: Shape
    required: bool
    default: Any
    owner: type[Any]
    compiled: bool
    """Holds steps or checks: each is bound on its own when it runs."""
    formula: bool
    """Holds CEL: the text is never filled in."""
    metadata: Mapping[str, Any]

    def waits(self, value: object) -> bool:
        """Whether a value has `${{ }}` to fill in when the step or check runs."""
        return not (self.compiled or self.formula) and expressions.templated(value)

    @property
    def doc(self) -> str:
        """The description: the docstring below the field, else `doc` of its metadata."""
        return attribute_docs(self.owner).get(self.name) or str(self.metadata.get("doc", ""))


class Fields(dict[str, Field]):
    """The keys of a class in order."""

    @functools.cached_property
    def required(self) -> tuple[Field, ...]:
        """Those without a default."""
        return tuple(field for field in self.values() if field.required)


_DESCRIBED: dict[type[Any], Fields] = {}
"""A cache: the fields of a class do not change."""


def described(factory: type[Any]) -> Fields:
    """The keys of a class in order; UsageError if a field's type cannot be written in a document."""
    if factory not in _DESCRIBED:
        _DESCRIBED[factory] = _describe(factory)
    return _DESCRIBED[factory]


def _describe(factory: type[Any]) -> Fields:
    if not dataclasses.is_dataclass(factory):
        raise UsageError(f"{factory.__module__}.{factory.__qualname__} must be a dataclass")
    try:
        hints = typing.get_type_hints(factory, include_extras=True)
    except NameError as error:
        raise UsageError(f"{factory.__qualname__}: the type of a field cannot be resolved: {error}") from error
    known = Fields()
    for field in dataclasses.fields(factory):
        if not field.init:
            continue
        try:
            shape = shape_of(hints[field.name])
        except UsageError as error:
            raise UsageError(f"{factory.__qualname__}.{field.name}: {error}") from None
        key = field.name.rstrip("_")
        known[key] = Field(
            name=field.name,
            key=key,
            shape=shape,
            required=field.default is MISSING and field.default_factory is MISSING,
            default=None if field.default is MISSING else field.default,
            owner=factory,
            metadata=field.metadata,
            compiled=_holds(shape, shapes.Plans),
            formula=_holds(shape, shapes.Formula),
        )
    return known


def _holds(shape: Shape, kind: type[Any]) -> bool:
    return any(isinstance(inner, kind) for inner in (shape.shapes if isinstance(shape, OneOf) else (shape,)))


def read_fields(
    factory: type[Any],
    given: Mapping[str, Any],
    place: Place,
    site: Site,
    *,
    besides: Collection[str] = (),
    what: str = "",
    partial: bool = False,
    lacking: bool = False,
) -> tuple[dict[str, Any], bool]:
    """The fields of a class from a mapping, and whether they are ready: no `${{ }}` is left.

    A value with `${{ }}` is checked as far as possible and kept as written; with `partial`, its other parts are
    converted. Keys in `besides` belong to another reader. With `lacking`, required keys may be missing.
    """
    known = described(factory)
    fields: dict[str, Any] = {}
    ready = True
    for key, value in given.items():
        if key in besides:
            continue
        field = known.get(key)
        if field is None:
            message = f"unknown key {key!r}{what and f' of {what}'}"
            site.problem((*place, key), message, nearest(str(key), [*known, *besides]), key=True)
            continue
        made = field.shape.read(value, (*place, key), site)
        waits = field.waits(value)
        fields[field.name] = value if waits and not partial else made
        ready = ready and not waits
    for field in () if lacking else known.required:
        if field.key not in given:
            hint = f"`{field.key}: …` is {field.shape.allowed}" + (f". {field.doc}" if field.doc else "")
            site.problem(place, f"{what or 'this'} needs the key {field.key!r}", hint)
    return fields, ready


def read_instance(factory: type[Any], given: Mapping[str, Any], place: Place, site: Site, *, what: str = "") -> Any:
    """An instance with every `${{ }}` left in place; None if a value is invalid."""
    trial = Trial(site)
    fields, ready = read_fields(factory, given, place, trial, what=what, partial=True)
    trial.replay()
    return None if trial.problems else build(factory, fields, place, site, partial=not (ready or site.bound))


def build(factory: type[Any], fields: Mapping[str, Any], place: Place, site: Site, *, partial: bool = False) -> Any:
    """An instance, checked by its own rules across fields; None if it breaks one."""
    try:
        made = factory(**fields)
        broken = list(made.check_fields()) if not partial and issubclass(factory, ChecksFields) else []
    except (TypeError, ValueError, UsageError) as error:
        site.problem(place, str(error))
        return None
    for key, message in broken:
        name = key.rstrip("_")
        site.problem((*place, name) if name else place, message)
    return None if broken else made


@frozen(kw_only=False)
class Nested(OfMappings):
    """A mapping described by a frozen dataclass."""

    factory: type[Any]

    @property
    def allowed(self) -> str:
        return f"a mapping with {', '.join(described(self.factory))}"

    def read(self, value: Any, place: Place, site: Site) -> Any:
        if isinstance(value, self.factory) or to_be_filled(value, site):
            return value
        if not isinstance(value, Mapping):
            key, first = place[-1] if place else "", next(iter(described(self.factory)), "")
            form = f"; write it as `{key}: {{{first}: …}}`" if first and isinstance(key, str) and key else ""
            site.problem(place, f"{shown(value)} is not a mapping", f"allowed: {self.allowed}{form}")
            return None
        return read_instance(self.factory, value, place, site)

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return refs(self.factory)


class Again:
    """The retries of a step or check: a number of attempts, or a mapping."""

    allowed = f"a number of attempts, or a mapping with {', '.join(one.name for one in dataclasses.fields(RetryKeys))}"

    def read(self, value: Any, place: Place, site: Site) -> Any:
        if value is None or isinstance(value, Retry):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            if value < 1:
                site.problem(place, f"{value} is not a valid number of attempts", "allowed: a whole number from 1")
            return Retry(max_attempts=value)
        if not isinstance(value, Mapping):
            site.problem(place, f"{shown(value)} is not a valid retry", f"allowed: {self.allowed}")
            return None
        if expressions.templated(value):
            site.problem(place, "`retry` must be known before the run", "write the values, not `${{ }}`")
            return None
        made = read_instance(RetryKeys, value, place, site, what="retry")
        return made and made.planned()

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return {"$ref": "#/$defs/retry"}


_PLAIN: dict[object, Shape] = {
    str: shapes.TEXT,
    int: shapes.WHOLE,
    float: shapes.NUMBER,
    bool: shapes.TRUTH,
    object: shapes.Anything(),
    Any: shapes.Anything(),
    type(None): shapes.Nothing(),
    None: shapes.Nothing(),
    Duration: shapes.Span(),
    Timeout: shapes.TimeLimit(),
    Expression: shapes.Formula(),
    Pattern: shapes.Regular(),
    Rule: shapes.OfTheWhole(),
    StepPlan: shapes.Plans("step"),
    CheckPlan: shapes.Plans("check"),
    Retry: Again(),
}


def shape_of(hint: Any) -> Shape:
    """The shape of a type; UsageError for a type documents cannot hold."""
    if hint == Argv:
        return shapes.Command()
    if hint == FileNames:
        return shapes.Files()
    if hint == Names:
        return shapes.Names()
    try:
        return _PLAIN[hint]
    except (KeyError, TypeError):  # not one of them, or not hashable
        pass
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        shape, limit = shape_of(args[0]), next((extra for extra in args[1:] if isinstance(extra, Range)), None)
        if limit is not None and isinstance(shape, shapes.Scalar):
            return dataclasses.replace(shape, least=limit.least, most=limit.most)
        return shape
    if origin in (typing.Union, types.UnionType):
        return OneOf(tuple(_alternatives(args)))
    if origin is typing.Literal:
        return shapes.Choice({one: one for one in args})
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return Named(shapes.WORDING if args[1] is str else shape_of(args[1]))
    if hint is tuple or hint is list:
        return Many(shapes.Anything(), hint)
    if origin in (tuple, list, set, frozenset, Sequence):
        return _many(origin, args)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return shapes.Choice({one.value: one for one in hint})
    if hint is dict or hint is Mapping:
        return Named(shapes.Anything())
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return Nested(hint)
    raise UsageError(f"a field of type {hint} cannot be written in a document")


def _alternatives(args: tuple[Any, ...]) -> Iterator[Shape]:
    """The shapes of a union, null last; a text or a list of texts is one of them, not two."""
    words = (str, tuple[str, ...])
    if set(words) <= set(args):
        yield shapes.Texts()
        args = tuple(one for one in args if one not in words)
    yield from (shape_of(one) for one in sorted(args, key=lambda one: one is type(None)))


def _many(origin: Any, args: tuple[Any, ...]) -> Shape:
    if args[0] in (StepPlan, CheckPlan):
        return _PLAIN[args[0]]
    make = tuple if origin is Sequence else origin
    fixed = origin is tuple and args[-1] is not Ellipsis
    return Many(shape_of(args[0]), make, len(args) if fixed else None)


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
    site, ready = _Running(factory.__name__), dict(fields)
    for field in described(factory).values():
        value = fields.get(field.name)
        if field.waits(value):
            ready[field.name] = field.shape.read(_bound(field.shape, value, bind), (field.key,), site)
    return build(factory, ready, (), site)
