"""Inputs of a workflow or action: the values they accept, and their form in the `inputs` context."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from seatrial.errors import nearest
from seatrial.links.forge.workflows import values
from seatrial.links.forge.workflows.workflow import Input

EMPTY: Mapping[str, Any] = {"boolean": False, "number": 0}
"""The value of an input without value and default; others are the empty text."""


def input_problems(inputs: Mapping[str, Input], given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Every problem with the given values: the input given (empty: one is missing), the problem, and a hint. An
    `Unknown` may be right."""
    known = {name.lower(): one for name, one in inputs.items()}
    for name, value in given.items():
        if name.lower() not in known:
            yield name, f"there is no input {name!r}", nearest(name, inputs, what="there are")
        elif not isinstance(value, values.Unknown) and (why := _refused(known[name.lower()], value)):
            yield name, why, ""
    present = {name.lower() for name, value in given.items() if value not in (None, "")}
    for name, one in inputs.items():
        if one.required and name.lower() not in present and one.default in (None, ""):
            yield "", f"the input {name!r} is required and has no value", f"give it under `inputs:` ({one.type})"


def wrong_inputs(inputs: Mapping[str, Input], given: Mapping[str, Any]) -> list[str]:
    """Every problem with the given values, a sentence each."""
    return [f"{problem}; {hint}" if hint else problem for _, problem, hint in input_problems(inputs, given)]


def typed_inputs(inputs: Mapping[str, Input], given: Mapping[str, Any]) -> dict[str, Any]:
    """The `inputs` context: every input with its value, else its default, in its type."""
    there = {name.lower(): value for name, value in given.items() if value is not None}
    # An unknown value passes through: only the code that needs it gets the error.
    return {name: _typed(one, there.get(name.lower(), one.default)) for name, one in inputs.items()}


def _refused(about: Input, value: Any) -> str:
    text = values.as_text(value)
    if value in (None, "") and not about.options:
        return ""
    if about.type == "boolean" and text.lower() not in ("true", "false"):
        return f"the input {about.name!r} is true or false, not {text!r}"
    if about.type == "number" and math.isnan(values.as_number(value)):
        return f"the input {about.name!r} is a number, not {text!r}"
    if about.type == "choice" and text not in about.options:
        return f"the input {about.name!r} is not one of its options; {nearest(text, about.options, what='they are')}"
    return ""


def _typed(about: Input, value: Any) -> Any:
    if isinstance(value, values.Unknown):
        return value
    if value is None:
        return EMPTY.get(about.type, "")
    if about.type == "boolean":
        return values.as_text(value).lower() == "true"
    if about.type == "number":
        number = values.as_number(value)
        return int(number) if number.is_integer() else number
    return values.as_text(value)
