"""From a dataclass to the keys that a document may write, and from what is written to its instance."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import MISSING, dataclass
from typing import Any

from seatrial import expressions
from seatrial.errors import UsageError, nearest
from seatrial.loading.docstrings import attribute_docs
from seatrial.loading.read.document import Place
from seatrial.loading.shapes import Children, Formula, Many, Named, Nested, Observed, OneOf, Shape, Site, shape_of
from seatrial.model.scenario import CheckPlan, StepPlan


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a class."""

    name: str
    """The dataclass field; a trailing underscore is no part of the key."""
    key: str
    shape: Shape
    required: bool
    default: Any
    owner: type[Any]
    compiled: bool
    """Holds steps or checks: these are bound one by one, each when it runs."""
    formula: bool
    """Holds CEL: the text is never filled in."""
    metadata: Mapping[str, Any]

    @property
    def doc(self) -> str:
        """The description: the docstring below the field, else `doc` of its metadata."""
        return attribute_docs(self.owner).get(self.name) or str(self.metadata.get("doc", ""))


_DESCRIBED: dict[type[Any], Mapping[str, Field]] = {}
"""A cache: what a class looks like does not change."""


def described(factory: type[Any]) -> Mapping[str, Field]:
    """The keys of a class in their order; UsageError when a field's type cannot be written in a document."""
    known = _DESCRIBED.get(factory)
    if known is None:
        known = _DESCRIBED[factory] = _describe(factory)
    return known


def _describe(factory: type[Any]) -> Mapping[str, Field]:
    if not dataclasses.is_dataclass(factory):
        raise UsageError(f"{factory.__module__}.{factory.__qualname__} must be a dataclass")
    try:
        hints = typing.get_type_hints(factory)
    except NameError as error:
        raise UsageError(f"{factory.__qualname__}: a field's type cannot be found: {error}") from error
    found = {}
    for one in dataclasses.fields(factory):
        if not one.init:
            continue
        try:
            shape = shape_of(hints[one.name])
        except UsageError as error:
            raise UsageError(f"{factory.__qualname__}.{one.name}: {error}") from None
        found[one.name.rstrip("_")] = Field(
            name=one.name,
            key=one.name.rstrip("_"),
            shape=shape,
            required=one.default is MISSING and one.default_factory is MISSING,
            default=None if one.default is MISSING else one.default,
            owner=factory,
            metadata=one.metadata,
            compiled=_holds(shape, (Children, Observed)),
            formula=_holds(shape, (Formula,)),
        )
    return found


def _holds(shape: Shape, kinds: tuple[type[Any], ...]) -> bool:
    inner = shape.shapes if isinstance(shape, OneOf) else (shape,)
    return any(isinstance(one, kinds) for one in inner)


def read_fields(
    factory: type[Any],
    given: Mapping[str, Any],
    place: Place,
    site: Site,
    *,
    ignore: Container[str] = (),
    also: Iterable[str] = (),
    what: str = "",
    partial: bool = False,
) -> tuple[dict[str, Any], bool]:
    """The fields of a class from a mapping, and whether they are ready: nothing is left to fill in.

    A value that holds `${{ }}` is checked as far as it can be and kept as it was written; with `partial`, converted
    around it. Keys in `ignore` are somebody else's; `also` are keys that a wrong one may have been meant for.
    """
    known = described(factory)
    fields: dict[str, Any] = {}
    ready = True
    for key, value in given.items():
        if key in ignore:
            continue
        one = known.get(key)
        if one is None:
            message = f"unknown key {key!r}{what and f' of {what}'}"
            site.problem((*place, key), message, nearest(str(key), [*known, *also]), key=True)
            continue
        made = one.shape.read(value, (*place, key), site)
        if partial or one.compiled or one.formula or not expressions.templated(value):
            fields[one.name] = made
        else:
            fields[one.name] = value
            ready = False
    for key, one in known.items():
        if one.required and one.name not in fields and key not in given:
            site.problem(place, f"{what or 'this'} needs the key {key!r}", f"allowed: {one.shape.allowed}")
    return fields, ready


def read_instance(factory: type[Any], given: Mapping[str, Any], place: Place, site: Site, *, what: str = "") -> Any:
    """An instance with every `${{ }}` left where it is; None when something is wrong."""
    counted = _Counted(site)
    fields, _ = read_fields(factory, given, place, counted, what=what, partial=True)
    return None if counted.count else build(factory, fields, place, site, partial=expressions.templated(given))


def build(factory: type[Any], fields: Mapping[str, Any], place: Place, site: Site, *, partial: bool = False) -> Any:
    """An instance, after its own rules across fields; None when these are broken."""
    try:
        made = factory(**fields)
        broken = [] if partial else list(getattr(made, "check_fields", tuple)())
    except (TypeError, ValueError, UsageError) as error:
        site.problem(place, str(error))
        return None
    for key, message in broken:
        name = key.rstrip("_")
        site.problem((*place, name) if name else place, message)
    return None if broken else made


def _bound(shape: Shape, value: Any, bind: Callable[[Any], Any]) -> Any:
    """A value with its `${{ }}` filled in, but for the expressions of mappings within: these stay what they are."""
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


class _Counted:
    """A site that counts."""

    def __init__(self, site: Site) -> None:
        self.site, self.bound, self.count = site, site.bound, 0

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        self.count += 1
        self.site.problem(place, message, hint, key=key)

    def formula(self, text: str, place: Place) -> None:
        self.site.formula(text, place)

    def steps(self, value: object, place: Place) -> tuple[StepPlan, ...]:
        return self.site.steps(value, place)

    def checks(self, value: object, place: Place) -> tuple[CheckPlan, ...]:
        return self.site.checks(value, place)


class _Running:
    """The site at run time: a value that turned out wrong is an error at once."""

    bound = True

    def __init__(self, what: str) -> None:
        self.what = what

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        where = ".".join(map(str, place))
        raise UsageError(f"{self.what}{where and f', {where}'}: {message}{hint and f' ({hint})'}")

    def formula(self, text: str, place: Place) -> None:
        """Was checked when the document was read."""

    def steps(self, value: object, place: Place) -> tuple[StepPlan, ...]:
        if isinstance(value, tuple):
            return value
        raise UsageError(f"{self.what}: steps cannot be made by an expression")

    def checks(self, value: object, place: Place) -> tuple[CheckPlan, ...]:
        if isinstance(value, tuple):
            return value
        raise UsageError(f"{self.what}: checks cannot be made by an expression")


def bind_fields(factory: type[Any], fields: Mapping[str, Any], bind: Callable[[Any], Any]) -> Any:
    """A ready step or check at run time; UsageError says which field got what it cannot hold."""
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
