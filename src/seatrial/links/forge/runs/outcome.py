"""The end of a run: waiting for it, with one deadline for its queue and one for the run itself, and its meaning: the
product did wrong, somebody stopped it, or the result is unknown."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from seatrial.errors import CannotTell, Overrun, SeatrialError, StepFailed
from seatrial.links.forge.protocol import Forge, RunJob, RunStep, WorkflowRun
from seatrial.links.forge.runs.order import RunDeadlines, Say, looks
from seatrial.links.output import beginning

FIRST, LONGEST = 0.2, 5.0
"""Seconds between looks: they grow from the first to the longest; an unchanged answer costs nothing."""

GROWTH = 1.3

BEFORE_JOBS = ("requested", "pending")
"""States of a run without jobs yet."""

ASKED = ("waiting", "action_required")
"""States of a run in need of an approval."""


LOG_LIMIT = 64 * 1024 * 1024
"""Bytes fetched of one job's log."""

SHOWN = 20
"""Lines of a failed step in a message."""

LONG = 300
"""Characters shown of a line in a message."""

BAD = ("failure", "timed_out", "startup_failure")

_STAMP = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT[\d:.]+Z ")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_DRESS = ("##[group]", "##[endgroup]", "##[command]", "##[debug]", "##[section]", "[command]")


class StillQueued(CannotTell):
    """No machine took the run in time: not evidence about the product."""

    category = "timeout"


async def until_over(forge: Forge, run: WorkflowRun, deadlines: RunDeadlines, say: Say) -> WorkflowRun:
    """The run once it has ended. StillQueued when none of its jobs runs for too long, Overrun when its jobs run for too
    long, CannotTell when somebody runs it again meanwhile; it is not cancelled here."""
    clock = asyncio.get_running_loop().time
    before, pause, state = clock(), FIRST, ""
    spent = {True: 0.0, False: 0.0}
    """Seconds in which a job ran, and in which none did."""
    ended: set[int] = set()
    was_running = False
    while True:
        if run.status != state:
            state = run.status
            ends = f": {run.conclusion}" if run.conclusion else ""
            say(f"run {run.id} is {state}{ends}{await _asks(forge, run)}")
        jobs = await _jobs(forge, run)
        for job in jobs:
            if job.status == "completed" and job.id not in ended:
                ended.add(job.id)
                say(f"job {job.name!r} ended: {job.conclusion} {job.url}".rstrip())
        if run.over:
            break
        running = run.status not in ASKED and any(job.status == "in_progress" for job in jobs)
        spent[was_running] += clock() - before
        before = clock()
        if running != was_running:
            was_running, pause = running, FIRST
        late = spent[running] - (deadlines.run if running else deadlines.queue)
        if late >= 0:
            raise await _too_late(forge, run, jobs, deadlines)
        await asyncio.sleep(min(max(pause, forge.pace), -late))
        pause = min(pause * GROWTH, LONGEST)
        run = require_same(run, await forge.run(run.id))
    return run


async def _jobs(forge: Forge, run: WorkflowRun) -> Sequence[RunJob]:
    try:
        return await forge.jobs(run.id) if run.status not in BEFORE_JOBS else ()
    except CannotTell:
        if run.over:  # its result is known without them
            return ()
        raise


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
    return await _approval(forge, run) if run.status in ASKED else ""


async def _approval(forge: Forge, run: WorkflowRun) -> str:
    names = await forge.waits_for(run.id)
    return f" for the approval of {', '.join(map(repr, names))}" if names else " for somebody's approval"


async def _too_late(forge: Forge, run: WorkflowRun, jobs: Sequence[RunJob], deadlines: RunDeadlines) -> Exception:
    lines = [f"{job.name}: {job.status}{job.conclusion and f' ({job.conclusion})'} {job.url}" for job in jobs]
    evidence = "\n".join([run.url, *lines])
    going = ", ".join(repr(job.name) for job in jobs if job.status == "in_progress")
    if going and run.status not in ASKED:
        return Overrun(f"{run} did not end within {deadlines.run:g} s: {going} goes on", evidence=evidence)
    waits = [job for job in jobs if job.status != "completed"]
    labels = sorted({label for job in waits for label in job.labels})
    asked = run.status in ASKED or any(job.status in ASKED for job in waits)
    if asked:
        why = f"it waits{await _approval(forge, run)}"
    elif run.status == "pending" or (waits and all(job.status == "pending" for job in waits)):
        why = "it waits for another run of its concurrency group"
    elif not waits:
        why = f"it is {run.status}, and none of its jobs waits for a runner"
    else:
        why = f"no runner took it (its jobs ask for: {', '.join(labels) or 'nothing in particular'})"
    what = "did not go on" if any(job.status == "completed" for job in jobs) else "did not begin"
    names = ", ".join(repr(job.name) for job in waits)
    return StillQueued(
        f"{run} {what} within {deadlines.queue:g} s: {why}{f'; {names} did not run' if names else ''}",
        evidence=evidence,
    )


async def judge(forge: Forge, run: WorkflowRun, workflow: str, folder: Path, masked: Callable[[str], str]) -> None:
    """Return if it succeeded. StepFailed or Overrun with the failing job and step and its last words; CannotTell if it
    was stopped, or never ran. Logs of failed jobs go to `folder`, with secrets hidden."""
    where = f"{workflow} ({run.url or f'run {run.id}'})"
    match run.conclusion:
        case "success":
            return
        case "failure" | "timed_out":
            raise await _failed(forge, run, where, folder, masked)
        case "startup_failure":
            raise StepFailed(f"{where} could not start: its workflow file, or one called by it, is not valid there")
        case "cancelled":
            raise CannotTell(f"{where} was cancelled by somebody, not by this trial")
        case "action_required":
            names = ", ".join(map(repr, await forge.waits_for(run.id))) or "somebody"
            raise CannotTell(f"{where} ended without running: it needs the approval of {names}")
        case "skipped":
            raise CannotTell(f"{where} ran nothing: every job of it was skipped by its condition")
        case other:
            raise CannotTell(f"{where} ended as {other or 'no conclusion'!r}: its effects are unknown")


async def _failed(forge: Forge, run: WorkflowRun, where: str, folder: Path, masked: Callable[[str], str]) -> StepFailed:
    jobs = [job for job in await forge.jobs(run.id) if job.conclusion in BAD]
    late = run.conclusion == "timed_out" or any(job.conclusion == "timed_out" for job in jobs)
    kind: type[StepFailed] = Overrun if late else StepFailed
    if not jobs:
        return kind(f"{where} ended as {run.conclusion}, and names no job that did", evidence=run.url)
    told: list[str] = []
    message = ""
    for job in jobs:
        step = next((one for one in job.steps if one.conclusion in BAD), None)
        lines = await _log(forge, job, folder, masked)
        at = f"job {job.name!r}" + (f", step {step.name!r}" if step else "")
        last = _last(lines, step)
        said = next((line for line in reversed(last) if line.strip()), "")
        how = "took too long" if job.conclusion == "timed_out" else "failed"
        message = message or f"{where} {how}: {at}" + (f": {beginning(said, LONG)}" if said else "")
        told += [f"{at}: {job.conclusion} {job.url}", *last]
    if len(jobs) > 1:
        message += f" (and {len(jobs) - 1} more jobs)"
    return kind(message, evidence="\n".join(told))


async def _log(forge: Forge, job: RunJob, folder: Path, masked: Callable[[str], str]) -> list[str]:
    """The lines of a job's log, kept in the folder; why there are none as its only line."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{_file_name(job.name)}-{job.id}.log"
    try:
        await forge.log(job.id, file, limit=LOG_LIMIT)
        text = masked(file.read_text(encoding="utf-8", errors="replace"))
    except (SeatrialError, TimeoutError) as error:
        return [f"(no log of it: {error})"]
    file.write_text(text, encoding="utf-8")
    return [_COLOUR.sub("", _STAMP.sub("", line)).rstrip() for line in text.splitlines()]


def _last(lines: list[str], step: RunStep | None) -> list[str]:
    """The last useful lines of a failed step: up to its last error, without the runner's decoration."""
    end = next((at for at in range(len(lines) - 1, -1, -1) if lines[at].startswith("##[error]")), len(lines) - 1)
    kept = [line for line in lines[: end + 1] if line.strip() and not line.startswith(_DRESS)]
    shown = [line.removeprefix("##[error]") for line in kept[-SHOWN:]]
    # "Process completed with exit code 1." says less than the line before it.
    if len(shown) > 1 and shown[-1].startswith("Process completed with exit code"):
        shown = [*shown[:-2], shown[-1], shown[-2]]
    return shown


def _file_name(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in text).strip("._")[:100] or "job"
