"""A workflow file: its triggers, inputs, concurrency, jobs, steps; and an action's. Templates are not filled in yet,
but the values given to inputs can be checked, and a matrix expanded into its jobs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from seatrial.errors import Problem, nearest
from seatrial.links.forge.workflows import values
from seatrial.links.forge.workflows.syntax import ExpressionError

Template = str
"""A text that may contain `${{ }}`."""

MOST = 256
"""GitHub's limit of jobs from one matrix."""

ACTION_NAMES = ("action.yml", "action.yaml")
"""File names of an action."""

EMPTY: Mapping[str, Any] = {"boolean": False, "number": 0}
"""The value of an input without value and default; others are the empty text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a dispatched or called workflow, or of an action."""

    name: str
    type: str = "string"
    """`string`, `boolean`, `number`, `choice` or `environment`."""
    required: bool = False
    default: Any = None
    options: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """In a group one run is active and one waits; a longer waiting one is cancelled, and with `cancel_in_progress` the
    active one too."""

    group: Template
    cancel_in_progress: bool | Template = False
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Defaults of `run:` steps."""

    shell: Template = ""
    working_directory: Template = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The keys of both a job and a step."""

    id: str = ""
    name: Template = ""
    condition: Template = ""
    uses: str = ""
    with_: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, Any] = field(default_factory=dict)
    continue_on_error: bool | Template = False
    timeout_minutes: float | Template | None = None
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Part):
    """One step of a job or of a composite action."""

    run: Template = ""
    shell: Template = ""
    working_directory: Template = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A job several times; `matrix` is a mapping, or a template with a mapping as its result."""

    matrix: Any = None
    fail_fast: bool | Template = True
    max_parallel: int | Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Part):
    """One job: steps on a runner, or (`uses`) a reusable workflow."""

    needs: tuple[str, ...] = ()
    runs_on: Any = None
    steps: tuple[Step, ...] = ()
    outputs: Mapping[str, Template] = field(default_factory=dict)
    defaults: Defaults = field(default_factory=Defaults)
    concurrency: Concurrency | None = None
    environment: Template = ""
    environment_url: Template = ""
    strategy: Strategy = field(default_factory=Strategy)
    secrets: Mapping[str, Template] | str = field(default_factory=dict)
    """Secrets passed to a reusable workflow, or `inherit`."""
    container: Any = None
    services: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The inputs, secrets and outputs of a reusable workflow (`on: workflow_call`)."""

    inputs: Mapping[str, Input] = field(default_factory=dict)
    secrets: Mapping[str, bool] = field(default_factory=dict)
    """Name to whether it must be given."""
    outputs: Mapping[str, Template] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A workflow file, read."""

    path: str
    name: str = ""
    """Its own, else its path, as GitHub shows it."""
    run_name: Template = ""
    triggers: Mapping[str, Any] = field(default_factory=dict)
    """The triggers under `on`: event to its settings."""
    dispatch: Mapping[str, Input] | None = None
    """The inputs of `workflow_dispatch`; None: it cannot be dispatched."""
    call: Call | None = None
    """None: it cannot be called by others."""
    concurrency: Concurrency | None = None
    env: Mapping[str, Any] = field(default_factory=dict)
    defaults: Defaults = field(default_factory=Defaults)
    jobs: Mapping[str, Job] = field(default_factory=dict)
    permissions: Any = None
    doubts: tuple[Problem, ...] = ()
    """Problems in parts that only the runner needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action's own file, `action.yml`, read."""

    inputs: Mapping[str, Input] = field(default_factory=dict)
    outputs: Mapping[str, Template] = field(default_factory=dict)
    using: str = ""
    """`composite`, `node20`, `docker`, …"""
    steps: tuple[Step, ...] = ()


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


def expand(matrix: Any) -> list[dict[str, Any]]:
    """Every combination, without those of `exclude`, with those of `include`, merged as GitHub merges them.

    An entry of `include` is added to each combination whose original values it does not overwrite; if there is none, it
    is a combination of its own. No matrix is one job without values. ExpressionError for an invalid matrix.
    """
    if matrix is None:
        return [{}]
    if not isinstance(matrix, Mapping):
        raise ExpressionError(f"a matrix must be a mapping, not a {values.kind(matrix)}")
    axes = {str(key): one for key, one in matrix.items() if key not in ("include", "exclude")}
    for key, one in axes.items():
        if not isinstance(one, list) or not one:
            raise ExpressionError(f"the matrix key {key!r} must be a list with at least one value")
    include, exclude = (_entries(matrix, key) for key in ("include", "exclude"))
    plain = [dict(zip(axes, found, strict=True)) for found in itertools.product(*axes.values())] if axes else []
    plain = [one for one in plain if not any(_matches(one, entry) for entry in exclude)]
    made = [dict(one) for one in plain]
    for entry in include:
        hit = False
        for original, one in zip(plain, made, strict=False):
            if all(key not in original or _same(original[key], value) for key, value in entry.items()):
                one.update(entry)
                hit = True
        if not hit:
            made.append(dict(entry))
    if not made:
        raise ExpressionError("the matrix has no combination left")
    if len(made) > MOST:
        raise ExpressionError(f"the matrix makes {len(made)} jobs; GitHub makes at most {MOST}")
    return made


def title(combination: Mapping[str, Any]) -> str:
    """How GitHub names a job of a matrix: its values in brackets."""
    shown = [_shown(one) for one in combination.values()]
    return f"({', '.join(shown)})" if shown else ""


def _shown(value: Any) -> str:
    if values.primitive(value):
        return values.as_text(value)
    parts = value.values() if isinstance(value, Mapping) else value
    return ", ".join(map(_shown, parts))


def _entries(matrix: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = matrix.get(key) or []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise ExpressionError(f"`{key}` of a matrix must be a list of mappings")
    return found


def _matches(combination: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    return bool(entry) and all(key in combination and _same(combination[key], one) for key, one in entry.items())


def _same(left: Any, right: Any) -> bool:
    if values.primitive(left) and values.primitive(right):
        return values.equal(left, right)
    return bool(left == right)
