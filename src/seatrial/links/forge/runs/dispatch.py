"""From an order to the one run it started: never another's.

In this order: the id in the forge's own answer; the one run with our id in its name; the one run younger than our
request, of the same workflow, ref and event, and by us. If more than one candidate remains, none is followed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from seatrial.errors import CannotTell, UsageError
from seatrial.links.forge.protocol import Absent, Denied, Forge, Rejected, Unsure, WorkflowRun
from seatrial.links.forge.runs.order import CORRELATION, Hunt, Order, Say, listed, looks, short
from seatrial.links.forge.workflows.reading import read_workflow
from seatrial.links.forge.workflows.workflow import Workflow, wrong_inputs
from seatrial.links.forge.workflows.yaml_tree import WorkflowError
from seatrial.links.git import Checkout

TRIES = 3
"""Dispatches sent when server faults leave open whether one was accepted."""

Note = Callable[[str, object], None]


@dataclass(frozen=True, slots=True)
class Ready:
    """An order, checked against the workflow at the ref, ready to be sent."""

    order: Order
    hunt: Hunt
    ahead: float = 0.0
    """Seconds by which the forge's clock is ahead of the local one."""


class Ambiguous(CannotTell):
    """More than one run could be the dispatched one: none is followed."""


async def until_visible(forge: Forge, ref: str, seconds: float, checkout: Checkout | None, say: Say) -> str:
    """The commit at the ref, once the API shows the commit pushed from here; CannotTell if it never does."""
    wanted = ""
    if checkout is not None and checkout.branch == short(ref) and checkout.head:
        if checkout.pushed == checkout.head:
            wanted = checkout.head
        else:
            say(
                f"the checked-out commit {checkout.head[:12]} was not pushed to {ref}"
                + (f" (last seen at {checkout.pushed[:12]})" if checkout.pushed else "")
                + ": the workflow would run another commit"
            )
    head = ""
    async for _ in looks(forge, seconds):
        head = await forge.head(short(ref))
        if head and (not wanted or head == wanted):
            return head
        if head and await forge.contains(short(ref), wanted):
            say(f"{ref} is at {head[:12]} by now; it contains {wanted[:12]}")
            return head
    if not head:
        raise CannotTell(
            f"{forge.repository} has no {ref!r} that the API shows within {seconds:g} s; push it, or name another `ref`"
        )
    raise CannotTell(
        f"{forge.repository} shows {ref} at {head[:12]}, not at {wanted[:12]} which was pushed from here, "
        f"for {seconds:g} s: the workflow would run something else"
    )


async def read_there(forge: Forge, order: Order) -> Workflow:
    """The workflow of an order at its ref; UsageError if it cannot be read."""
    try:
        return read_workflow(await forge.read(order.path, short(order.ref)), order.path)
    except WorkflowError as error:
        raise UsageError(f"the workflow cannot be read: {error}") from error


async def ready(forge: Forge, order: Order, id: str) -> Ready:
    """Read the workflow at the ref and check the inputs against its own; `id` goes into its name where it lets us."""
    workflow = await read_there(forge, order)
    named, carried = _correlating(workflow, order)
    order = replace(order, inputs={**order.inputs, **({named: id} if named else {})})
    if workflow.dispatch is None:
        problems = ["it has no `workflow_dispatch` trigger, so nobody can start it"]
    else:
        problems = wrong_inputs(workflow.dispatch, order.inputs)
    if problems:
        raise UsageError(f"{order.path} at {order.ref}: {'; '.join(problems)}")
    runs = await forge.runs(order.workflow, ref=short(order.ref), most=1)
    hunt = Hunt(
        workflow=order.workflow,
        ref=order.ref,
        correlation=id if carried else "",
        above=max((run.id for run in runs), default=0),
        actor=await forge.who(),
    )
    return Ready(order, hunt, forge.ahead)


def _correlating(workflow: Workflow, order: Order) -> tuple[str, bool]:
    """The input for our id (empty: none), and whether the run's name will carry it."""
    named = order.correlation_input or CORRELATION
    known = workflow.dispatch or {}
    if named not in known or named in order.inputs:
        return (order.correlation_input if named not in order.inputs else ""), False
    mentions = workflow.run_name.replace(" ", "")
    return named, f"inputs.{named}" in mentions or f"inputs['{named}']" in mentions


async def start(forge: Forge, ready: Ready, say: Say, note: Note = lambda word, value: None) -> WorkflowRun:
    """Dispatch, and return our run once the API shows it; CannotTell if it does not, Ambiguous if other runs cannot be
    excluded. `note` records at once what cleanup needs: the `run`, or `refused` (nothing was started), or `looked` (a
    search in vain), and `again` (it was sent more than once)."""
    order, hunt = ready.order, ready.hunt
    for attempt in range(1, TRIES + 1):
        try:
            id = await _dispatched(forge, order)
        except (Denied, Rejected):
            if attempt == 1:  # else one before may have been taken
                note("refused", True)
            raise
        except Unsure as error:
            # It may have been taken: only when no run turns up is it sent once more.
            say(f"{error}; looking for {order.deadlines.visible:g} s whether it was taken all the same")
            found = await _turned_up(forge, hunt, order.deadlines.visible)
            if not found:
                if attempt == TRIES:
                    note("looked", True)
                    raise CannotTell(f"the workflow {order.workflow} could not be started: {error}") from error
                note("again", True)
                continue
            id = 0
        if id:
            note("run", id)
            say(f"run {id} of {order.workflow} was started (the answer to the dispatch says so)")
            return await _shown(forge, id, order)
        return await _identified(forge, hunt, order, say, note)
    raise AssertionError("the last attempt returns or raises")


async def _dispatched(forge: Forge, order: Order) -> int:
    """Send it; wait for a ref unknown to the dispatch endpoint as long as the rest of the API shows it."""
    last: Rejected | None = None
    async for _ in looks(forge, order.deadlines.visible):
        try:
            return await forge.dispatch(order.workflow, order.ref, order.inputs)
        except Rejected as error:
            if "no ref found" not in str(error).lower():
                raise
            last = error
    raise last or CannotTell("nothing was dispatched")


async def _shown(forge: Forge, id: int, order: Order) -> WorkflowRun:
    last: Absent | None = None
    async for _ in looks(forge, order.deadlines.visible):
        try:
            return await forge.run(id)
        except Absent as error:
            last = error
    raise CannotTell(f"run {id} was started, and the API does not show it: {last}") from last


async def _turned_up(forge: Forge, hunt: Hunt, seconds: float) -> list[WorkflowRun]:
    async for _ in looks(forge, seconds):
        if found := await hunt.found(forge):
            return found
    return []


async def _identified(forge: Forge, hunt: Hunt, order: Order, say: Say, note: Note) -> WorkflowRun:
    """The dispatched run, identified by its name or by its age."""
    found = await _turned_up(forge, hunt, order.deadlines.visible)
    if not found:
        note("looked", True)
        how = f"with {hunt.correlation} in its name" if hunt.correlation else "younger than our request"
        raise CannotTell(
            f"{hunt.workflow} was dispatched on {hunt.ref}, and no run {how} appeared within "
            f"{order.deadlines.visible:g} s"
        )
    if not hunt.correlation and len(found) == 1:
        # Runs become visible late, and not in their order: the dispatched one may still appear.
        async for _ in looks(forge, order.deadlines.settle):
            found = await hunt.found(forge)
            if len(found) > 1:
                break
    if len(found) != 1:
        note("looked", True)
        raise Ambiguous(_ambiguous(hunt, found))
    how = f"its name has {hunt.correlation} in it" if hunt.correlation else "it alone is younger than our request"
    say(f"run {found[0].id} of {hunt.workflow} was started by this dispatch: {how}")
    return found[0]


def _ambiguous(hunt: Hunt, found: list[WorkflowRun]) -> str:
    """Why our run cannot be identified, and the remedy."""
    if hunt.correlation:
        return f"{len(found)} runs of {hunt.workflow} have {hunt.correlation} in their name: {listed(found)}"
    return (
        f"{len(found)} runs of {hunt.workflow} on {hunt.ref} are younger than our request, and the server does not say "
        f"which one it started: {listed(found)}; none is followed. Declare an input `{CORRELATION}` in the workflow "
        f"and put `${{{{ inputs.{CORRELATION} }}}}` into its `run-name`"
    )
