"""One run from its dispatch to its outputs, known to the ledger before it is asked for."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from seatrial.errors import SeatrialError
from seatrial.links.forge.protocol import Forge, WorkflowRun
from seatrial.links.forge.runs.artifacts import fetch
from seatrial.links.forge.runs.dispatch import Ready, ready, start
from seatrial.links.forge.runs.order import Order, Say
from seatrial.links.forge.runs.outcome import judge, require_same, until_over
from seatrial.links.forge.runs.repository import Place
from seatrial.spi import Context

STOP_SECONDS = 15.0
"""Seconds for cancelling a run when Seatrial is interrupted; cleanup asks again."""


def record_of(place: Place, token: str, prepared: Ready) -> dict[str, Any]:
    """The record for the ledger to find the run again; `token` is its template, never its value."""
    deadlines = prepared.order.deadlines
    return {
        **place.record,
        "token": token,
        **asdict(prepared.hunt),
        "run": 0,
        "asked": round(time.time()),
        "asked_there": round(time.time() + prepared.ahead),
        "visible": deadlines.visible,
        "settle": deadlines.settle,
    }


async def started(forge: Forge, prepared: Ready, record: dict[str, Any], say: Say) -> WorkflowRun:
    """Dispatch; from then on the record has the run's id, or its absence, or the search in vain."""
    run = await start(forge, prepared, say, record.__setitem__)
    record["run"] = run.id
    return run


async def made(
    ctx: Context, forge: Forge, prepared: Ready, record: dict[str, Any], *, kind: str, name: str, owner: str
) -> WorkflowRun:
    """Dispatch with the ledger's intent written first."""
    dispatch = partial(started, forge, prepared, record, ctx.log)
    return await ctx.make(kind, name, dispatch, owner=owner, detail=record, outlives_host=True)


async def run_to_end(
    ctx: Context, forge: Forge, place: Place, token: str, order: Order, *, kind: str, owner: str
) -> dict[str, Any]:
    """One run under an id of its own, from its dispatch to its outputs; then it is off the ledger."""
    id = fresh_id(ctx)
    prepared = await ready(forge, order, id)
    run = await made(ctx, forge, prepared, record_of(place, token, prepared), kind=kind, name=id, owner=owner)
    outputs = await followed(ctx, forge, run, order)
    await ctx.give_back(kind, id)
    return outputs


def fresh_id(ctx: Context) -> str:
    """A unique id for a run."""
    return f"{ctx.trial_id}-{ctx.random.getrandbits(32):08x}"


async def followed(ctx: Context, forge: Forge, run: WorkflowRun, order: Order) -> dict[str, Any]:
    """Wait for its end, judge it, fetch its artifacts; a run no longer waited for is cancelled. The outputs: the run
    itself, and the contents of its artifacts."""
    folder = run_folder(ctx.artifacts, order.workflow, run)
    try:
        run = await until_over(forge, run, order.deadlines, ctx.log)
    except BaseException:
        await _stop(forge, run, ctx.log)
        raise
    await judge(forge, run, order.workflow, folder / "logs", ctx.masked)
    outputs = await fetch(forge, run, order, folder, ctx.masked)
    if order.artifacts:
        require_same(run, await forge.run(run.id))  # else they may be another attempt's
    return {"run_id": run.id, "run_url": run.url, "run_sha": run.sha, **outputs}


def run_folder(artifacts: Path, workflow: str, run: WorkflowRun) -> Path:
    """Where the logs and artifacts of a run are kept."""
    name = workflow.rpartition("/")[2].rpartition(".")[0] or workflow
    return artifacts / "workflows" / f"{name}-{run.id}"


async def _stop(forge: Forge, run: WorkflowRun, say: Say) -> None:
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await forge.cancel(run.id)
        say(f"{run} was cancelled")
    except (SeatrialError, TimeoutError) as error:
        say(f"{run} could not be cancelled now, the clean-up asks again: {error}")
