"""One run from its dispatch to its outputs, known to the ledger before it is asked for; and its end by that record
alone, after an interruption or after SIGKILL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from seatrial.errors import LeftBehind, SeatrialError
from seatrial.expressions import late
from seatrial.links.forge.protocol import Absent, Forge, WorkflowRun
from seatrial.links.forge.runs.artifacts import fetch
from seatrial.links.forge.runs.dispatch import Ready, ready, start
from seatrial.links.forge.runs.order import Hunt, Order, Say, hunt_of, listed, looks
from seatrial.links.forge.runs.outcome import cancelled, judge, require_same, until_over
from seatrial.links.forge.runs.repository import Place, open_forge
from seatrial.spi import Context

STOP_SECONDS = 15.0
"""Seconds for cancelling a run when Seatrial is interrupted; cleanup asks again."""

CANCEL_SECONDS = 300.0
"""How long a run may take to end once it was cancelled: steps under `if: always()` have their turn."""

BEFORE, AFTER = 60.0, 180.0
"""Seconds around Seatrial's request: a run of that age may be the requested one."""

ENDING = 10.0
"""Seconds for several candidates to end by themselves before one of them counts as left behind."""

DELETED = "deleted"
"""The conclusion used here for a deleted run: it has ended, and its effects are unknown."""


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
    lines: list[str] = []

    def say(text: str) -> None:
        ctx.log(text, "notice")
        lines.append(text)

    say(f"following {order.workflow}: {run}")
    try:
        run = await until_over(forge, run, order.deadlines, say)
    except BaseException:
        await _stop(forge, run, say)
        raise
    finally:
        ctx.output(order.workflow, "\n".join(lines))
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


async def end_run(record: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Cancel the run of a record if it is active; the token is looked up again."""
    token = late.fill(str(record.get("token") or ""), environment)
    async with open_forge(record, token, environment, lambda text: None) as (forge, _):
        await ended(forge, record)


async def ended(forge: Forge, record: Mapping[str, Any]) -> list[WorkflowRun]:
    """The trial's runs, ended when this returns: several if the dispatch was repeated after a server fault, none if
    nothing was started. LeftBehind if an active run may be the trial's or another's; Absent if the token cannot see the
    repository."""
    if record.get("refused"):
        return []
    hunt = hunt_of(record)
    if id := int(record.get("run") or 0):
        try:
            known = await cancelled(forge, id, CANCEL_SECONDS)
        except Absent:
            # A token without access to the repository gets the same answer as for a deleted run.
            await forge.runs(str(record["workflow"]), most=1)
            known = WorkflowRun(id=id, status="completed", conclusion=DELETED)
        twice = await _found(forge, hunt, record) if record.get("again") and hunt.correlation else ()
        return [known, *[await cancelled(forge, run.id, CANCEL_SECONDS) for run in twice if run.id != id]]
    found = await _found(forge, hunt, record)
    if not hunt.correlation:
        asked = float(record.get("asked_there") or record.get("asked") or 0)
        found = [run for run in found if _of_that_time(run, asked)]
    if not found:
        return []
    if len(found) > 1 and not hunt.correlation:
        if "teardown" not in record and await _all_over(forge, found):
            return []  # the trial's run is among them, and none of them is active
        raise LeftBehind(
            f"{len(found)} runs of {hunt.workflow} could be the run started by this trial: {listed(found)}; look at "
            "them, cancel that run by hand, and undo its effects"
        )
    # Several of one id all belong to the trial: the dispatch was sent again after a fault of the server.
    return [await cancelled(forge, run.id, CANCEL_SECONDS) for run in found]


async def _all_over(forge: Forge, candidates: list[WorkflowRun]) -> bool:
    """Whether all of them end by themselves, soon: none may be cancelled, since all but one belong to others."""
    async for _ in looks(forge, ENDING):
        candidates = [run for run in candidates if not (run.over or (await forge.run(run.id)).over)]
        if not candidates:
            return True
    return False


async def _found(forge: Forge, hunt: Hunt, record: Mapping[str, Any]) -> list[WorkflowRun]:
    """Runs become visible late: a recent one may still appear."""
    age = time.time() - float(0 if record.get("looked") else record.get("asked") or 0)
    left = float(record.get("visible") or 0) + float(record.get("settle") or 0) - age
    runs: list[WorkflowRun] = []
    async for _ in looks(forge, max(left, 0.0)):
        runs = await hunt.found(forge)
        if runs and hunt.correlation:
            break
    return runs


def _of_that_time(run: WorkflowRun, asked: float) -> bool:
    try:
        created = datetime.fromisoformat(run.created).timestamp()
    except ValueError:
        return True
    return asked - BEFORE <= created <= asked + AFTER
