"""Problems of a dispatch visible before it is sent: the file, its inputs, its concurrency groups."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.errors import nearest
from seatrial.links.forge.protocol import Absent, Forge
from seatrial.links.forge.runs.order import short
from seatrial.links.forge.runs.repository import Place
from seatrial.links.forge.workflows.concurrency import judge
from seatrial.links.forge.workflows.inputs import wrong_inputs
from seatrial.links.forge.workflows.reading import read_workflow
from seatrial.links.forge.workflows.values import Unknown
from seatrial.links.forge.workflows.workflow import Workflow
from seatrial.links.forge.workflows.yaml_tree import WorkflowError

FOLDER = ".github/workflows"

ROUNDS = 10
"""Levels of called workflows fetched for the guard."""

Wrong = tuple[tuple[str, ...], str, str]
"""The wrong key, its problem, and a hint."""

Read = Callable[[str], str | None]

Log = Callable[[str, str], None]
"""A text and its level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A dispatch as far as it is known before anything runs."""

    workflow: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Inputs with a known value."""
    later: frozenset[str] = frozenset()
    """Names of the inputs with an unknown value."""
    correlation_input: str = ""

    @property
    def path(self) -> str:
        """From the repository's root."""
        return self.workflow if "/" in self.workflow else f"{FOLDER}/{self.workflow}"


def wrong_here(place: Place, draft: Draft, environment: Mapping[str, str]) -> Iterator[Wrong]:
    """Problems by the files of the local checkout; none if the checkout is of another repository, or does not know the
    ref."""
    checkout, ref = place.checkout, short(place.ref)
    if checkout is None or not checkout.knows(ref):
        return
    text = checkout.file(draft.path, ref)
    if text is None:
        there = sorted(one.name for one in (checkout.folder / FOLDER).glob("*.y*ml"))
        yield (
            ("workflow",),
            f"there is no {draft.path} at {ref} of {checkout.folder}",
            nearest(draft.workflow, there, what="there are"),
        )
        return
    yield from wrong_in(text, draft, f"{draft.path} at {ref}")
    yield from collisions(
        place, draft, lambda path: checkout.file(path, ref), environment, ours=lambda path: checkout.file(path)
    )


def wrong_in(text: str, draft: Draft, where: str) -> Iterator[Wrong]:
    """Problems of a draft by the text of its workflow."""
    try:
        workflow = read_workflow(text, draft.path)
    except WorkflowError as error:
        yield ("workflow",), f"the workflow cannot be read: {error}", ""
        return
    if workflow.dispatch is None:
        hint = "add `workflow_dispatch:` under `on:`"
        yield ("workflow",), f"{where} has no `workflow_dispatch` trigger, so nobody can start it", hint
        return
    yield from _inputs(workflow, draft, where)


def _inputs(workflow: Workflow, draft: Draft, where: str) -> Iterator[Wrong]:
    known = dict(workflow.dispatch or {})
    lower = {name.lower(): one for name, one in known.items()}
    for name in (*draft.inputs, *draft.later):
        if name.lower() not in lower:
            hint = nearest(name, known, what="it takes")
            yield ("inputs", name), f"{where} has no input {name!r}", hint
    for name, value in draft.inputs.items():
        one = lower.get(name.lower())
        if one is not None:
            for why in wrong_inputs({one.name: one}, {one.name: value}):
                yield ("inputs", name), f"{where}: {why}", ""
    given = {name.lower() for name in (*draft.inputs, *draft.later, draft.correlation_input or "correlation_id")}
    for name, one in known.items():
        if one.required and one.default in (None, "") and name.lower() not in given:
            yield ("inputs",), f"{where} requires the input {name!r}", f"give it under `inputs:` ({one.type})"
    if draft.correlation_input and draft.correlation_input not in known:
        hint = nearest(draft.correlation_input, known, what="it takes")
        yield ("correlation_input",), f"{where} has no input {draft.correlation_input!r}", hint


def collisions(
    place: Place,
    draft: Draft,
    read: Read,
    environment: Mapping[str, str],
    *,
    ours: Read | None = None,
    doubts: list[str] | None = None,
) -> Iterator[Wrong]:
    """The concurrency groups that would block the run for ever, because this run holds them; unknowns that could hide
    one are added to `doubts`."""
    try:
        judgement = judge(
            repository=place.repository,
            path=draft.path,
            ref=place.ref,
            inputs={
                **draft.inputs,
                **{name: Unknown(f"inputs.{name}", "it is known when the run is dispatched") for name in draft.later},
                # The id is unique: a group made with it belongs to this run alone.
                draft.correlation_input or "correlation_id": "(the id of this dispatch)",
            },
            read=read,
            read_ours=ours,
            environment=environment,
            event=_event(environment),
        )
    except WorkflowError:
        return  # the file's problems were reported already
    if doubts is not None:
        doubts += judgement.doubts
    for one in judgement.collisions:
        problem = one.problem()
        yield ("workflow",), f"{problem.file}:{problem.line}: {problem.message}", problem.hint


def _event(environment: Mapping[str, str]) -> Mapping[str, Any] | None:
    """The event that started the current run."""
    try:
        found = json.loads(Path(environment["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    except (KeyError, OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


async def wrong_there(
    forge: Forge, place: Place, draft: Draft, environment: Mapping[str, str], log: Log
) -> list[Wrong]:
    """The same by the forge's files at the ref, fetched on demand. Unknown groups are logged."""
    texts: dict[str, str | None] = {}
    missed: set[str] = set()

    def read(path: str) -> str | None:
        if path not in texts:
            missed.add(path)
        return texts.get(path)

    found: list[Wrong] = []
    doubts: list[str] = []
    for _ in range(ROUNDS):
        missed.clear()
        doubts.clear()
        if (text := read(draft.path)) is not None:
            where = f"{draft.path} at {place.ref} of {place.repository}"
            found = [*wrong_in(text, draft, where), *collisions(place, draft, read, environment, doubts=doubts)]
        elif draft.path in texts:
            return [(("workflow",), f"{place.repository} has no {draft.path} at {place.ref}", "push it")]
        if not missed:
            break
        for path in sorted(missed):
            texts[path] = await _text(forge, path, place.ref)
    for doubt in doubts:
        log(f"whether {draft.path} would wait for the run that waits for it: {doubt}", "warning")
    return found


async def _text(forge: Forge, path: str, ref: str) -> str | None:
    try:
        return (await forge.read(path, short(ref))).text
    except Absent:
        return None
