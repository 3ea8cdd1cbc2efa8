"""Looking at a run until it has ended, with one deadline for its queue and one for the run itself."""

from __future__ import annotations

import asyncio

from seatrial.errors import CannotTell, Overrun
from seatrial.links.forge.protocol import Forge, WorkflowRun
from seatrial.links.forge.runs.order import RunDeadlines, Say, looks

FIRST, LONGEST = 0.2, 5.0
"""Seconds between looks: they grow from the first to the longest; an unchanged answer costs nothing."""

GROWTH = 1.3

ASKED = ("waiting", "action_required")
"""States of a run in need of an approval."""


class StillQueued(CannotTell):
    """No machine took the run in time: not evidence about the product."""

    category = "timeout"


async def until_over(forge: Forge, run: WorkflowRun, deadlines: RunDeadlines, say: Say) -> WorkflowRun:
    """The run once it has ended. StillQueued when none of its jobs begins in time, Overrun when it does not end in
    time, CannotTell when somebody runs it again meanwhile; it is not cancelled here."""
    clock = asyncio.get_running_loop().time
    since, pause, state, began = clock(), FIRST, "", False
    while True:
        if run.status != state:
            state = run.status
            say(
                f"run {run.id} is {state}" + (f": {run.conclusion}" if run.conclusion else "") + await _asks(forge, run)
            )
        if run.over:
            break
        if run.status == "in_progress" and not began:
            began, since, pause = True, clock(), FIRST
        late = clock() - since - (deadlines.run if began else deadlines.queue)
        if late >= 0:
            raise await _too_late(forge, run, began, deadlines)
        await asyncio.sleep(min(max(pause, forge.pace), -late))
        pause = min(pause * GROWTH, LONGEST)
        run = require_same(run, await forge.run(run.id))
    return run


def require_same(run: WorkflowRun, now: WorkflowRun) -> WorkflowRun:
    """The run as it is now; CannotTell if it is another attempt: its result says nothing about this one."""
    if now.attempt != run.attempt:
        by = f" by {now.actor}" if now.actor else ""
        raise CannotTell(
            f"{now} was run again{by} while it was followed: it is attempt {now.attempt}, and the trial started "
            f"attempt {run.attempt}; never run a trial's workflow again, start the trial again"
        )
    return now


async def cancelled(forge: Forge, id: int, seconds: float) -> WorkflowRun:
    """Cancel a run if it goes on, and return when it has ended; CannotTell when it does not."""
    if not (run := await forge.run(id)).over:
        await forge.cancel(id)
        async for _ in looks(forge, seconds):
            if (run := await forge.run(id)).over:
                return run
        raise CannotTell(f"{run} was cancelled, and is {run.status} {seconds:g} s later; look at it: {run.url}")
    return run


async def _asks(forge: Forge, run: WorkflowRun) -> str:
    """Who must approve a waiting run."""
    if run.status not in ASKED:
        return ""
    names = await forge.waits_for(run.id)
    return f" for the approval of {', '.join(map(repr, names))}" if names else " for somebody's approval"


async def _too_late(forge: Forge, run: WorkflowRun, began: bool, deadlines: RunDeadlines) -> Exception:
    jobs = await forge.jobs(run.id)
    lines = [f"{job.name}: {job.status}{job.conclusion and f' ({job.conclusion})'} {job.url}" for job in jobs]
    evidence = "\n".join([run.url, *lines])
    if began:
        going = ", ".join(repr(job.name) for job in jobs if job.status != "completed") or "none of its jobs"
        return Overrun(
            f"{run} did not end within {deadlines.run:g} s: {going} goes on{await _asks(forge, run)}", evidence=evidence
        )
    waits = [job for job in jobs if job.status == "queued"]
    labels = sorted({label for job in waits for label in job.labels})
    if run.status in ASKED:
        why = f"it waits{await _asks(forge, run)}"
    elif run.status == "pending" or not jobs:
        why = "it waits for another run of its concurrency group"
    else:
        why = f"no runner took it (its jobs ask for: {', '.join(labels) or 'nothing in particular'})"
    return StillQueued(f"{run} did not begin within {deadlines.queue:g} s: {why}", evidence=evidence)
