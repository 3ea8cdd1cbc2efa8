"""An action's own file, `action.yml`: its inputs, its outputs, and the steps of a composite action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seatrial.links.forge.workflows.reading import WorkflowReader
from seatrial.links.forge.workflows.workflow import Input, Step, Template
from seatrial.links.forge.workflows.yaml_tree import read_tree

NAMES = ("action.yml", "action.yaml")
"""File names of an action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action file, read."""

    inputs: Mapping[str, Input] = field(default_factory=dict)
    outputs: Mapping[str, Template] = field(default_factory=dict)
    using: str = ""
    """`composite`, `node20`, `docker`, …"""
    steps: tuple[Step, ...] = ()


def read_action(text: str, path: str = "") -> Action:
    """Read an `action.yml`; WorkflowError with every problem, by file and line."""
    tree = read_tree(text, path)
    reading = WorkflowReader(tree)
    data = tree.data
    tree.keys((), data, ("name", "author", "description", "inputs", "outputs", "runs", "branding"))
    runs = reading.mapping((), data, "runs")
    using = reading.text(("runs",), runs, "using")
    if not using:
        tree.wrong(("runs",), "`runs.using` names the kind of action", "for example `using: composite`")
    steps = reading.steps(("runs", "steps"), runs.get("steps") or []) if using == "composite" else ()
    for number, step in enumerate(steps):
        if step.run and not step.shell:
            tree.wrong(("runs", "steps", number), "a `run` step of a composite action must say its `shell`")
    reading.expressions(data, ())
    tree.done()
    outputs = reading.outputs((), data) if using == "composite" else {}
    return Action(inputs=reading.inputs((), data), outputs=outputs, using=using, steps=steps)
