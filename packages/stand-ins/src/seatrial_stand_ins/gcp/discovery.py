"""Google's published description of Compute Engine, reduced to the served part: it checks every request and answer."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from seatrial_stand_ins.gcp.refusals import Refused, invalid

TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "boolean": (bool,), "integer": (int,), "number": (int, float), "object": (dict,),
    "array": (list,),
}  # fmt: skip
WHOLE = ("int64", "uint64")
"""Formats of numbers that are texts in JSON."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the API."""

    name: str
    """`instances.insert`."""
    verb: str
    path: re.Pattern[str]
    parameters: Mapping[str, Mapping[str, Any]]
    request: str
    response: str
    """The names of the schemas; empty: none."""


@functools.cache
def description() -> Any:
    """The document."""
    return json.loads(resources.files("seatrial_stand_ins.gcp").joinpath("compute.v1.json").read_text("utf-8"))


@functools.cache
def methods() -> tuple[Method, ...]:
    """All served methods."""
    found = []
    for collection, resource in description()["resources"].items():
        for name, method in resource["methods"].items():
            parts = re.split(r"\{(\w+)\}", method["path"])
            path = "".join(f"(?P<{part}>[^/]+)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
            refs = [method.get(side, {}).get("$ref", "") for side in ("request", "response")]
            found.append(
                Method(
                    f"{collection}.{name}", method["httpMethod"], re.compile(path), method.get("parameters", {}), *refs
                )
            )
    # `images/family/{family}` before `images/{image}`: a longer fixed path wins
    return tuple(sorted(found, key=lambda method: -method.path.pattern.count("/")))


def find(verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
    """The method for a path below `/compute/v1/`, and the values in it."""
    for method in methods():
        if method.verb == verb and (match := method.path.fullmatch(path)):
            return method, match.groupdict()
    return None


def require_right(method: Method, place: Mapping[str, str], query: Mapping[str, str], body: object) -> None:
    """Refused, as Google refuses it, unless the request is as described."""
    for name, value in place.items():
        pattern = method.parameters[name].get("pattern", ".*")
        if not re.fullmatch(pattern, value):
            raise invalid(name, value, f"Must be a match of regex '{pattern}'")
    known = {**description()["parameters"], **method.parameters}
    for name, value in query.items():
        parameter = known.get(name)
        if parameter is None or parameter.get("location") != "query":
            raise unknown(name)
        wrong = parameter["type"] == "integer" and not re.fullmatch(r"\d+", value)
        if wrong or (parameter["type"] == "boolean" and value not in ("true", "false")):
            raise Refused(400, "badRequest", f"Invalid value at '{name}' ({parameter['type']}), \"{value}\"")
    if method.request:
        for problem in problems(body, {"$ref": method.request}, ""):
            raise Refused(400, "badRequest", f"Invalid JSON payload received. {problem}")


def unknown(name: str) -> Refused:
    text = f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.'
    return Refused(400, "badRequest", text)


def wrong_answer(method: Method, body: object) -> str:
    """The first problem of an answer, empty if it is as described."""
    schema = {"$ref": method.response}
    return next((f"{method.name}: {problem}" for problem in problems(body, schema, "")), "")


def problems(value: object, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    """What in a value is not as its schema says."""
    if "$ref" in schema:
        schema = description()["schemas"][schema["$ref"]]
    kind = schema.get("type", "any")
    if kind == "any":
        return
    if kind == "string" and schema.get("format") in WHOLE and isinstance(value, int):
        value = str(value)  # Google takes both
    if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"Invalid value at '{at or 'body'}' ({kind}), {json.dumps(value)}"
    elif isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        for key, inner in value.items():
            if key in properties:
                yield from problems(inner, properties[key], f"{at}.{key}".strip("."))
            elif others is not None:
                yield from problems(inner, others, f"{at}.{key}".strip("."))
            else:
                yield f"Unknown name \"{key}\" at '{at or 'body'}': Cannot find field."
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from problems(inner, schema["items"], f"{at}[{number}]")
    elif isinstance(value, str):
        if "enum" in schema and value not in schema["enum"]:
            yield f"Invalid value at '{at}' (enum), \"{value}\""
        if schema.get("format") in WHOLE and not re.fullmatch(r"-?\d+", value):
            yield f"Invalid value at '{at}' ({schema['format']}), \"{value}\""
