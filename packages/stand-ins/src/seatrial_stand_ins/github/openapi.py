"""GitHub's published description of its API, reduced to the supported part: every answer is checked against it."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from openapi_schema_validator import OAS30Validator, oas30_format_checker

OLD, NEW = "2022-11-28", "2026-03-10"
VERSIONS = (OLD, NEW)
CHANGES = "x-github-breaking-changes"
BASIC_ERROR = {"$ref": "#/components/schemas/basic-error"}


@functools.cache
def _published() -> Any:
    return json.loads(resources.files("seatrial_stand_ins.github").joinpath("openapi.json").read_text("utf-8"))


@functools.cache
def description(version: str) -> Any:
    """The description as of a version of the API."""
    if version == OLD:
        return _published()
    changed = copy.deepcopy(_published())
    _apply(changed, version)
    return changed


def _apply(node: Any, version: str) -> None:
    if isinstance(node, dict):
        for change in node.pop(CHANGES, []):
            if change["version"] == version:
                _patch(node, change["patch"])
        for value in node.values():
            _apply(value, version)
    elif isinstance(node, list):
        for value in node:
            _apply(value, version)


def _patch(node: Any, patch: Any) -> None:
    """A JSON patch (a list) or a merge patch (a mapping), as GitHub publishes both."""
    if isinstance(patch, Mapping):
        for name, value in patch.items():
            if value is None:
                node.pop(name, None)
            elif isinstance(value, Mapping) and isinstance(node.get(name), dict):
                _patch(node[name], value)
            else:
                node[name] = value
        return
    for operation in patch:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        place = node
        for part in way:
            place = place[int(part)] if isinstance(place, list) else place[part]
        key = int(last) if isinstance(place, list) else last
        if operation["op"] == "remove":
            del place[key]
        else:
            place[key] = operation["value"]


def _of(version: str, node: Any) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        found = description(version)
        for part in node["$ref"].split("/")[1:]:
            found = found[part]
        node = found
    return node


@functools.cache
def _validator(version: str, method: str, template: str, status: int) -> OAS30Validator | None:
    """The validator of this answer; None if it has no body. KeyError for an undescribed answer."""
    responses = description(version)["paths"][template][method.lower()]["responses"]
    if str(status) in responses:
        content = _of(version, responses[str(status)]).get("content", {})
        described = content.get("application/json")
        if described is None:
            return None
        schema = described["schema"]
    elif status >= 400:
        schema = BASIC_ERROR  # common errors are not described for every operation
    else:
        raise KeyError(status)
    whole = {"components": description(version)["components"], **schema}
    return OAS30Validator(whole, format_checker=oas30_format_checker)


def wrong(version: str, method: str, template: str, status: int, has_body: bool, body: Any) -> str:
    """The problem of an answer in one line, empty if it is valid."""
    where = f"{method} {template} {status}"
    try:
        validator = _validator(version, method, template, status)
    except KeyError:
        return f"{where}: the description of version {version} has no such answer"
    if validator is None:
        return f"{where}: has a body, but the description has none" if has_body else ""
    if not has_body:
        return f"{where}: has no body, but the description has one"
    for error in validator.iter_errors(body):
        at = "/".join(str(part) for part in error.absolute_path)
        return f"{where}: {at or 'the body'}: {error.message[:300]}"
    return ""
