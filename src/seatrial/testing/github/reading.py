"""What the server itself reads of a workflow file: inputs, run name, concurrency group, names of jobs and steps."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Input:
    """One input of `workflow_dispatch`."""

    name: str
    type: str = "string"
    required: bool = False
    default: object = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Concurrency:
    """`concurrency:`; both may hold expressions."""

    group: str
    cancel_in_progress: str | bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """A workflow file as far as the server cares."""

    name: str
    run_name: str
    dispatch: Mapping[str, Input] | None
    concurrency: Concurrency | None
    permissions: Mapping[str, str] | None = None
    """What the job's token may; None: nothing is said."""
    jobs: Mapping[str, tuple[str, Sequence[str]]] = field(default_factory=dict)
    """Key of each job to its name and the names of its steps."""


class Unreadable(ValueError):
    """It is no workflow."""


def _document(text: str) -> Mapping[Any, Any]:
    try:
        read = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise Unreadable(str(error)) from error
    if not isinstance(read, Mapping) or not isinstance(read.get("jobs"), Mapping):
        raise Unreadable("a workflow is a mapping with `jobs`")
    return read


def workflow_name(text: str, path: str) -> str:
    """As lists show it: its `name`, else its path."""
    try:
        return str(_document(text).get("name") or path)
    except Unreadable:
        return path


def read(text: str, path: str) -> Reading:
    """Read a workflow file; Unreadable with what is wrong."""
    document = _document(text)
    # YAML 1.1 takes the word `on` for a boolean.
    triggers = document.get("on", document.get(True))
    dispatch = None
    if triggers == "workflow_dispatch" or (isinstance(triggers, list) and "workflow_dispatch" in triggers):
        dispatch = {}
    elif isinstance(triggers, Mapping) and "workflow_dispatch" in triggers:
        declared = (triggers["workflow_dispatch"] or {}).get("inputs") or {}
        dispatch = {str(name): _input(str(name), about or {}) for name, about in declared.items()}
    said = document.get("concurrency")
    concurrency = None
    if isinstance(said, Mapping):
        concurrency = Concurrency(str(said.get("group", "")), said.get("cancel-in-progress", False))
    elif said:
        concurrency = Concurrency(str(said))
    jobs = {str(key): _job(str(key), job or {}) for key, job in document["jobs"].items()}
    allowed = _permissions(document.get("permissions"))
    return Reading(workflow_name(text, path), str(document.get("run-name") or ""), dispatch, concurrency, allowed, jobs)


def _permissions(said: object) -> Mapping[str, str] | None:
    every = ("actions", "checks", "contents", "deployments", "secrets", "variables")
    if said in ("read-all", "write-all"):
        return dict.fromkeys(every, str(said).partition("-")[0])
    return {str(name): str(level) for name, level in said.items()} if isinstance(said, Mapping) else None


def _input(name: str, about: Mapping[str, Any]) -> Input:
    kind = str(about.get("type", "string"))
    options = tuple(str(option) for option in about.get("options") or ())
    return Input(name, kind, bool(about.get("required", False)), about.get("default"), options)


def _job(key: str, about: Mapping[str, Any]) -> tuple[str, Sequence[str]]:
    steps = about.get("steps") or []
    return str(about.get("name") or key), [_step(step) for step in steps if isinstance(step, Mapping)]


def _step(step: Mapping[str, Any]) -> str:
    if step.get("name"):
        return str(step["name"])
    said = str(step.get("uses") or step.get("run") or "").strip().split("\n")[0]
    return f"Run {said}"


HOLE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


def fill(template: str, contexts: Mapping[str, object]) -> str:
    """A text with its expressions filled in."""

    def value(hole: re.Match[str]) -> str:
        found: object = contexts
        for part in hole[1].strip().split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return "" if found is None else str(found).lower() if isinstance(found, bool) else str(found)

    return HOLE.sub(value, template)
