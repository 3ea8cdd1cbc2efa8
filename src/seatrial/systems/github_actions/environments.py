"""The environment of a deployment: the inputs that choose it, and how the name of a run shows them.

GitHub does not list the inputs of a run. Three sources tell the environment of a run: Seatrial's id in its name, the
project's own list, and the inputs in its name. Without any of them the environment is unknown, never assumed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.errors import nearest
from seatrial.links.forge.protocol import WorkflowRun
from seatrial.links.forge.runs.order import CORRELATION
from seatrial.links.forge.runs.validation import Wrong
from seatrial.links.forge.workflows.expressions import parts
from seatrial.links.forge.workflows.values import Unknown, as_text
from seatrial.links.forge.workflows.workflow import Workflow, typed_inputs
from seatrial.systems.github_actions.history import DeploymentHistory, id_in

DEPLOY, TEARDOWN = "deploy", "teardown"

ALL = "i0000"
"""How a digest begins if the document does not name the inputs that choose the environment."""

NAMED = len(ALL)

LONGEST = 500
"""Characters of a run's name that are read."""

_INPUT = re.compile(r"\s*(?:github\.event\.)?inputs(?:\.([\w-]+)|\['([\w-]+)'\])\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The environment of a deployment; JSON values, for the ledger."""

    digest: str = ""
    """Of the values that choose it."""
    alone: bool = False
    """There is no other: the teardown has no inputs to choose by, or the document says so."""
    values: Mapping[str, str] = field(default_factory=dict)
    """The inputs that choose it, as far as the document names them."""
    names: Mapping[str, str] = field(default_factory=dict)
    """The `run-name` of the `deploy` and the `teardown` workflow."""
    undecided: tuple[str, ...] = ()
    """Inputs of the teardown that may choose it."""

    def same(self, run: WorkflowRun, part: str, history: DeploymentHistory, record: Mapping[str, Any]) -> bool | None:
        """Whether a run of one of the workflows is of this environment; None: it is not known."""
        if self.alone:
            return True
        id = id_in(run.title)
        digest = (id.environment if id else "") or history.environment_of(record, run)
        if digest and (digest == self.digest or digest[:NAMED] == self.digest[:NAMED] != ALL):
            return digest == self.digest
        if not self.values or (shown := shown_in(self.names.get(part, ""), run.title, self.values)) is None:
            return None
        return all(shown[name].casefold() == value.casefold() for name, value in self.values.items())

    def remedy(self) -> str:
        """What to do where the history does not tell the environment of a run."""
        if self.values:
            return (
                f"its name does not show {_listed(self.values)} as the `run-name` of today does; tear it down under "
                "that name, or say what stands with `standing: {command: […]}`"
            )
        return (
            f"the inputs of other runs are unknown, and the teardown has {_listed(self.undecided)}; name those that "
            "choose the environment in `environment:` and show each in the `run-name` of both workflows (`[]`: none "
            "does), or say what stands with `standing: {command: […]}`"
        )


def environment_of(
    chosen: Sequence[str] | None,
    workflows: Mapping[str, Workflow],
    inputs: Mapping[str, Any],
    kept: Mapping[str, Any],
    correlation: str,
) -> Environment:
    """The environment of a deployment with these `inputs`; `kept` are the teardown's as the ledger has them,
    `correlation` is its input for Seatrial's id."""
    known = workflows[TEARDOWN].dispatch or {}
    undecided = tuple(name for name in known if name.lower() != (correlation or CORRELATION).lower())
    values = {name: as_text(value) for name, value in _chosen(chosen or (), workflows[DEPLOY], inputs).items()}
    given = {name: as_text(value) for name, value in _chosen(undecided, workflows[TEARDOWN], kept).items()}
    return Environment(
        digest=_digest(values, given),
        alone=not (undecided if chosen is None else chosen),
        values=values,
        names={part: workflow.run_name for part, workflow in workflows.items()},
        undecided=undecided,
    )


def _digest(values: Mapping[str, str], given: Mapping[str, str]) -> str:
    """Five characters for the names of the inputs that choose the environment, six for their values. If the document
    names none, all inputs count: two with different ones may still be the same environment."""

    def short(told: object, size: int) -> str:
        return hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=size).hexdigest()

    return f"{f'e{short(sorted(values), 2)}' if values else ALL}{short(values or given, 3)}"


def problems(
    chosen: Sequence[str], workflows: Mapping[str, Workflow], inputs: Mapping[str, Mapping[str, Any]]
) -> Iterator[Wrong]:
    """Every problem with the inputs named by `environment:`; `workflows` and `inputs` are by `deploy` and `teardown`.
    An `Unknown` may be right."""
    for name in chosen:
        values: dict[str, str] = {}
        for part, workflow in workflows.items():
            known = workflow.dispatch or {}
            if name not in known:
                yield ("environment",), f"{workflow.path} has no input {name!r}", nearest(name, known, what="it takes")
            elif (name.lower(), True) not in _split(workflow.run_name):
                hint = f"write `run-name: … ${{{{ inputs.{name} }}}}`, with spaces around it"
                yield ("environment",), f"the `run-name` of {workflow.path} does not show the input {name!r}", hint
            else:
                value = _chosen((name,), workflow, inputs[part])[name]
                if isinstance(value, Unknown):
                    continue
                values[part] = text = as_text(value)
                if not text or text.split() != [text]:
                    yield (
                        ("environment",),
                        f"the {part} workflow's input {name!r} chooses the environment, and has the value {text!r}",
                        "give it a value without spaces",
                    )
        if len({value.casefold() for value in values.values()}) > 1:
            said = ", ".join(f"{part}: {value!r}" for part, value in values.items())
            yield ("environment",), f"the input {name!r} chooses the environment, and has two values ({said})", ""


def shown_in(template: str, title: str, names: Mapping[str, Any]) -> dict[str, str] | None:
    """The values of inputs in the name of a run, by the `run-name` that made it; None: the name does not tell them, or
    can be read in two ways."""
    pieces, wanted = _split(template), {name.lower() for name in names}
    text = title.strip()
    if not pieces or len(text) > LONGEST:
        return None
    # Spaces beside an empty value at an end of the name were cut off.
    first, last = (hole and name not in wanted for name, hole in (pieces[0], pieces[-1]))
    text = f"{' ' if first else ''}{text}{' ' if last else ''}"
    readings: set[tuple[str, ...]] = set()
    for lazy in ("", "?"):
        pattern = [
            (rf"(\S+{lazy})" if name in wanted else f".*{lazy}") if hole else re.escape(name) for name, hole in pieces
        ]
        if match := re.fullmatch("".join(pattern), text, re.DOTALL):
            readings.add(match.groups())
    if len(readings) != 1:
        return None
    values: dict[str, str] = {}
    for name, value in zip((name for name, hole in pieces if hole and name in wanted), readings.pop(), strict=True):
        if values.setdefault(name, value) != value:
            return None
    return {name: values[name.lower()] for name in names} if values.keys() >= wanted else None


def _split(template: str) -> list[tuple[str, bool]]:
    """Texts and holes in turn; a hole is the name of its input in lower case, or empty for any other expression."""
    found: list[tuple[str, bool]] = []
    for text, hole in parts(template.strip()):
        match = _INPUT.fullmatch(text) if hole else None
        found.append(((match[1] or match[2]).lower() if match else "" if hole else text, hole))
    return found


def _chosen(chosen: Sequence[str], workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    typed = typed_inputs(workflow.dispatch or {}, given)
    return {name: typed[name] for name in chosen if name in typed}


def _listed(names: Mapping[str, Any] | Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "no inputs"
