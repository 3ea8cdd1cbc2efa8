"""Ending a run by its ledger record alone: after an interruption, or after SIGKILL."""

from __future__ import annotations

import calendar
import time
from collections.abc import Mapping
from typing import Any

from seatrial.errors import LeftBehind
from seatrial.expressions import late
from seatrial.links.forge.protocol import Absent, Forge, WorkflowRun
from seatrial.links.forge.runs.order import Hunt, hunt_of, listed, looks
from seatrial.links.forge.runs.outcome import cancelled
from seatrial.links.forge.runs.repository import open_forge

CANCEL_SECONDS = 300.0
"""How long a run may take to end once it was cancelled: steps under `if: always()` have their turn."""

BEFORE, AFTER = 60.0, 180.0
"""Seconds around Seatrial's request: a run of that age may be the requested one."""

ENDING = 10.0
"""Seconds for several candidates to end by themselves before one of them counts as left behind."""

DELETED = "deleted"
"""The conclusion used here for a deleted run: it has ended, and its effects are unknown."""


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
    if id := int(record.get("run") or 0):
        try:
            return [await cancelled(forge, id, CANCEL_SECONDS)]
        except Absent:
            # A token without access to the repository gets the same answer as for a deleted run.
            await forge.runs(str(record["workflow"]), most=1)
            return [WorkflowRun(id=id, status="completed", conclusion=DELETED)]
    hunt = hunt_of(record)
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
        created = calendar.timegm(time.strptime(run.created, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return True
    return asked - BEFORE <= created <= asked + AFTER
