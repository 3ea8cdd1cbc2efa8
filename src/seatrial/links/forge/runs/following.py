"""One run from its dispatch to its outputs, known to the ledger before it is asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import SeatrialError
from seatrial.links.forge.protocol import Forge, WorkflowRun
from seatrial.links.forge.runs.artifacts import fetch
from seatrial.links.forge.runs.dispatch import Ready, ready, start
from seatrial.links.forge.runs.order import Order, detail_of
from seatrial.links.forge.runs.outcome import judge
from seatrial.links.forge.runs.polling import require_same, until_over
from seatrial.links.forge.runs.repository import Place
from seatrial.spi import Context

STOP_SECONDS = 15.0
"""Seconds for cancelling a run when Seatrial is interrupted; cleanup asks again."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Followed:
    """A successful run and its artifacts."""

    run: WorkflowRun
    outputs: Mapping[str, Any]
    artifacts: Mapping[str, str]
    """Artifact to the folder with its files."""

    @property
    def told(self) -> dict[str, Any]:
        """The outputs of a step: the contents of its artifacts, and the run itself."""
        return {
            "run_id": self.run.id,
            "run_url": self.run.url,
            "run_sha": self.run.sha,
            "artifacts": dict(self.artifacts),
            **self.outputs,
        }


def record_of(place: Place, token: str, prepared: Ready) -> dict[str, Any]:
    """The record for the ledger to find the run again; `token` is its template, never its value."""
    deadlines = prepared.order.deadlines
    return {
        **place.record,
        "token": token,
        **detail_of(prepared.hunt),
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

    async def dispatch() -> WorkflowRun:
        return await started(forge, prepared, record, ctx.log)

    return await ctx.make(kind, name, dispatch, owner=owner, detail=record, outlives_host=True)


async def run_to_end(
    ctx: Context, forge: Forge, place: Place, token: str, order: Order, *, kind: str, owner: str
) -> Followed:
    """One run under an id of its own, from its dispatch to its outputs; then it is off the ledger."""
    id = fresh_id(ctx)
    prepared = await ready(forge, order, id)
    run = await made(ctx, forge, prepared, record_of(place, token, prepared), kind=kind, name=id, owner=owner)
    done = await followed(ctx, forge, run, order, ctx.log)
    await ctx.give_back(kind, id)
    return done


def fresh_id(ctx: Context) -> str:
    """A unique id for a run."""
    return f"{ctx.trial_id}-{ctx.random.getrandbits(32):08x}"


async def followed(ctx: Context, forge: Forge, run: WorkflowRun, order: Order, say: Say) -> Followed:
    """Wait for its end, judge it, fetch its artifacts; a run no longer waited for is cancelled."""
    folder = run_folder(ctx.artifacts, order.workflow, run)
    try:
        run = await until_over(forge, run, order.deadlines, say)
    except BaseException:
        await _stop(forge, run, say)
        raise
    await judge(forge, run, order.workflow, folder / "logs", ctx.masked)
    found = await fetch(forge, run, order, folder, ctx.masked)
    if order.artifacts:
        require_same(run, await forge.run(run.id))  # else they may be another attempt's
    return Followed(run, found.outputs, found.folders)


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
