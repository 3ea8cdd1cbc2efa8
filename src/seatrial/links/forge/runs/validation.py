"""Problems of a dispatch visible before it is sent: the file, its inputs, its concurrency groups."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import nearest
from seatrial.links.forge.protocol import FOLDER, Absent, Forge
from seatrial.links.forge.runs.order import CORRELATION, Order, short
from seatrial.links.forge.runs.repository import Place
from seatrial.links.forge.workflows.claims import Read
from seatrial.links.forge.workflows.concurrency import judge
from seatrial.links.forge.workflows.reading import read_workflow
from seatrial.links.forge.workflows.values import Unknown
from seatrial.links.forge.workflows.workflow import Workflow, input_problems
from seatrial.links.forge.workflows.yaml_tree import WorkflowError

ROUNDS = 10
"""Levels of called workflows fetched for the guard."""

Wrong = tuple[tuple[str, ...], str, str]
"""The wrong key, its problem, and a hint."""

Log = Callable[[str, str], None]
"""A text and its level."""


def later(name: str) -> Unknown:
    """The value of an input before it is known."""
    return Unknown(f"inputs.{name}", "it is known when the run is dispatched")


def wrong_here(place: Place, order: Order, environment: Mapping[str, str]) -> Iterator[Wrong]:
    """Problems by the files of the local checkout; none if the checkout is of another repository, or does not know the
    ref."""
    checkout, ref = place.checkout, short(order.ref)
    if checkout is None or not checkout.knows(ref):
        return
    text = checkout.file(order.path, ref)
    if text is None:
        names = sorted(file.name for file in (checkout.folder / FOLDER).glob("*.y*ml"))
        hint = nearest(order.workflow, names, what="there are")
        yield ("workflow",), f"there is no {order.path} at {ref} of {checkout.folder}", hint
        return
    yield from _wrong_in(text, order, f"{order.path} at {ref}")
    yield from _collisions(place, order, lambda path: checkout.file(path, ref), environment, [], ours=checkout.file)


def workflow_here(place: Place, order: Order) -> Workflow | None:
    """The workflow of an order by the local checkout; None if it is missing, or cannot be read."""
    checkout, ref = place.checkout, short(order.ref)
    text = checkout.file(order.path, ref) if checkout is not None and checkout.knows(ref) else None
    try:
        return read_workflow(text, order.path) if text is not None else None
    except WorkflowError:
        return None


def _unsure(text: str, order: Order) -> list[str]:
    """Problems in parts of a workflow that only the runner needs."""
    try:
        return [str(doubt) for doubt in read_workflow(text, order.path).doubts]
    except WorkflowError:
        return []  # a problem, reported as such


def _wrong_in(text: str, order: Order, where: str) -> Iterator[Wrong]:
    """Problems of an order by the text of its workflow."""
    try:
        known = read_workflow(text, order.path).dispatch
    except WorkflowError as error:
        yield ("workflow",), f"the workflow cannot be read: {error}", ""
        return
    if known is None:
        hint = "add `workflow_dispatch:` under `on:`"
        yield ("workflow",), f"{where} has no `workflow_dispatch` trigger, so nobody can start it", hint
        return
    named = order.correlation_input or CORRELATION
    given = {**({named: later(named)} if named in known else {}), **order.inputs}
    for name, problem, hint in input_problems(known, given):
        yield (("inputs", name) if name else ("inputs",)), f"{where}: {problem}", hint
    if order.correlation_input and named not in known:
        yield ("correlation_input",), f"{where} has no input {named!r}", nearest(named, known, what="it takes")


def _collisions(
    place: Place,
    order: Order,
    read: Read,
    environment: Mapping[str, str],
    doubts: list[str],
    *,
    ours: Read | None = None,
) -> Iterator[Wrong]:
    """The concurrency groups that would block the run for ever, because this run holds them; unknowns that could hide
    one are added to `doubts`."""
    # The id is unique: a group made with it belongs to this run alone.
    inputs = {**order.inputs, order.correlation_input or CORRELATION: "(the id of this dispatch)"}
    try:
        judgement = judge(
            repository=place.repository,
            path=order.path,
            ref=order.ref,
            inputs=inputs,
            read=read,
            read_ours=ours,
            environment=environment,
            event=_event(environment),
        )
    except WorkflowError:
        return  # the file's problems were reported already
    doubts += judgement.doubts
    for collision in judgement.collisions:
        problem = collision.problem()
        yield ("workflow",), f"{problem.file}:{problem.line}: {problem.message}", problem.hint


def _event(environment: Mapping[str, str]) -> Mapping[str, Any] | None:
    """The event that started the current run."""
    try:
        found = json.loads(Path(environment["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    except (KeyError, OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


async def wrong_there(
    forge: Forge, place: Place, order: Order, environment: Mapping[str, str], log: Log
) -> list[Wrong]:
    """The same by the forge's files at the ref, fetched on demand. Unknown groups are logged."""
    texts: dict[str, str | None] = {}
    missing: set[str] = set()

    def read(path: str) -> str | None:
        if path not in texts:
            missing.add(path)
        return texts.get(path)

    problems: list[Wrong] = []
    doubts: list[str] = []
    unsure: list[str] = []
    for _ in range(ROUNDS):
        missing.clear()
        doubts.clear()
        if (text := read(order.path)) is not None:
            where = f"{order.path} at {order.ref} of {place.repository}"
            unsure = _unsure(text, order)
            problems = [*_wrong_in(text, order, where), *_collisions(place, order, read, environment, doubts)]
        elif order.path in texts:
            return [(("workflow",), f"{place.repository} has no {order.path} at {order.ref}", "push it")]
        if not missing:
            break
        for path in sorted(missing):
            try:
                texts[path] = await forge.read(path, short(order.ref))
            except Absent:
                texts[path] = None
    for line in unsure:
        log(f"GitHub may reject this workflow: {line}", "warning")
    for doubt in doubts:
        log(f"whether {order.path} would wait for the run that waits for it: {doubt}", "warning")
    return problems
