"""Bodies checked against the models of Azure's own SDK: an unknown field, or a value of another kind, is an error."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

PACKAGES = {
    "Microsoft.Compute": "azure.mgmt.compute.models",
    "Microsoft.Network": "azure.mgmt.network.models",
    "Microsoft.Resources": "azure.mgmt.resource.resources.models",
}


def wrong(kind: str, body: object) -> str:
    """What is not as the model says; empty: nothing. `kind`: `Microsoft.Compute/VirtualMachine`."""
    package, _, name = kind.partition("/")
    return _wrong(getattr(import_module(PACKAGES[package]), name), body, "")


def _wrong(kind: Any, value: object, place: str) -> str:
    if value is None:
        return ""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        wrongs = [_wrong(one, value, place) for one in arguments if one is not type(None)]
        return "" if "" in wrongs else wrongs[0]
    if origin in (list, dict):
        if not isinstance(value, origin):
            return f"{place or 'the body'} must be a {origin.__name__}"
        each = value.items() if isinstance(value, dict) else enumerate(typing.cast("list[object]", value))
        return next(filter(None, (_wrong(arguments[-1], one, f"{place}[{key}]") for key, one in each)), "")
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        kind = str  # Azure adds words to these at any time
    fields = _fields(kind) if isinstance(kind, type) else None
    if fields is None:
        simple = kind in (str, int, bool, float) and not isinstance(value, (int, float) if kind is float else kind)
        return f"{place} is {value!r}, and must be a {kind.__name__}" if simple else ""
    if not isinstance(value, Mapping):
        return f"{place or 'the body'} must be an object"
    for key, one in value.items():
        if key not in fields:
            return f"Could not find member '{key}' on object of type '{kind.__name__}'"
        if found := _wrong(fields[key], one, f"{place}.{key}".lstrip(".")):
            return found
    return ""


@cache
def _fields(kind: type) -> dict[str, Any] | None:
    """The kinds of a model's fields, by their names in JSON; None: it is not a model."""
    if not hasattr(kind, "_deserialize"):
        return None
    module = import_module(kind.__module__)
    names = {"_models": import_module(kind.__module__.rpartition(".")[0]), **vars(typing)}
    fields: dict[str, Any] = {}
    for base in kind.__mro__:
        if not hasattr(base, "_deserialize"):
            continue
        own = vars(base).get("__annotations__", {})
        for attribute, annotation in own.items():
            rest: Any = vars(base).get(attribute)
            if type(rest).__name__ == "_RestField":
                hint = annotation if not isinstance(annotation, str) else typing.ForwardRef(annotation)
                space = {**names, **vars(module), "_models": names["_models"]}
                fields.setdefault(rest._rest_name_input or attribute, _resolved(hint, space))
    return fields


def _resolved(hint: Any, names: dict[str, Any]) -> Any:
    holder = type("Holder", (), {"__annotations__": {"one": hint}})
    return typing.get_type_hints(holder, names)["one"]
