"""Runs and their attempts: listing, looking, cancelling, running again."""

from __future__ import annotations

from datetime import UTC, datetime

from seatrial_stand_ins.github.answer import Answer
from seatrial_stand_ins.github.asked import Asked, Endpoint, Refused, not_found
from seatrial_stand_ins.github.records import Attempt, RunRecord
from seatrial_stand_ins.github.seam import Conclusion

REPOSITORY = "/repos/{owner}/{repo}"
HERE = f"{REPOSITORY}/actions/runs"
ONE = f"{HERE}/{{run_id}}"


async def runs(asked: Asked) -> Answer:
    """The visible ones, newest first, as the query wants them."""
    return _listed(asked, asked.repository.runs)


async def runs_of_workflow(asked: Asked) -> Answer:
    """Those of one workflow."""
    workflow = await asked.repository.workflow(asked.variables["workflow_id"])
    if workflow is None:
        raise not_found()
    return _listed(asked, [run for run in asked.repository.runs if run.workflow is workflow])


def _listed(asked: Asked, among: list[RunRecord]) -> Answer:
    matching = [run for run in reversed(among) if _matches(asked, run)]
    visible = [run for run in matching if asked.forge.seen(run)]
    return asked.page(visible, lambda run: asked.shapes.run(asked.repository, run), "workflow_runs")


def _matches(asked: Asked, run: RunRecord) -> bool:
    equal = {
        "actor": run.actor, "branch": run.branch, "event": run.event, "head_sha": run.sha,
        "check_suite_id": str(run.check_suite_id),
    }  # fmt: skip
    for name, value in equal.items():
        if asked.query.get(name, value) != value:
            return False
    status = asked.query.get("status", "")
    if status and status not in (run.status, run.conclusion):
        return False
    created = asked.query.get("created", "")
    return not created or within(run.created_at, created)


def within(when: datetime, wanted: str) -> bool:
    """Whether a time is as a search wants it: `>=2026-01-01T00:00:00Z`, `2026-01-01..2026-01-31`, `*..…`, a day."""
    if ".." in wanted:
        low, _, high = wanted.partition("..")
        return (low == "*" or when >= _time(low)) and (high == "*" or when <= _time(high, end=True))
    for sign in (">=", "<=", ">", "<"):
        if wanted.startswith(sign):
            bound = _time(wanted[len(sign) :], end=sign in ("<=", ">"))
            return {">=": when >= bound, "<=": when <= bound, ">": when > bound, "<": when < bound}[sign]
    return _time(wanted) <= when <= _time(wanted, end=True)


def _time(text: str, *, end: bool = False) -> datetime:
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(422, f"Validation Failed: {text!r} is not a recognized date/time format") from error
    if len(text) == len("2026-01-01") and end:
        read = read.replace(hour=23, minute=59, second=59)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


async def run(asked: Asked) -> Answer:
    """One."""
    return Answer(json=asked.shapes.run(asked.repository, asked.run()))


async def delete(asked: Asked) -> Answer:
    """Remove it from the lists; rejected while it runs."""
    found = asked.run()
    if not found.last.over:
        raise Refused(403, "Could not delete the workflow run")
    asked.repository.runs.remove(found)
    return Answer(status=204)


def an_attempt(asked: Asked, found: RunRecord) -> Attempt:
    """The attempt in the path."""
    wanted = asked.number("attempt_number")
    if not 1 <= wanted <= len(found.attempts):
        raise not_found()
    return found.attempts[wanted - 1]


async def attempt(asked: Asked) -> Answer:
    """The run as it was at an attempt."""
    found = asked.run()
    return Answer(json=asked.shapes.run(asked.repository, found, an_attempt(asked, found)))


async def cancel(asked: Asked) -> Answer:
    """Ask it to end."""
    found = asked.run()
    if found.last.over:
        raise Refused(409, "Cannot cancel a workflow run that is completed.")
    asked.forge.scheduler.cancel(found, by=asked.login)
    return Answer(status=202, json={})


async def force_cancel(asked: Asked) -> Answer:
    """End it, whatever its steps would still do."""
    found = asked.run()
    if found.last.over:
        raise Refused(409, "Cannot cancel a workflow run that is completed.")
    asked.forge.scheduler.cancel(found, by=asked.login, force=True)
    return Answer(status=202, json={})


async def rerun(asked: Asked) -> Answer:
    """All of it once more."""
    return _again(asked, {})


async def rerun_failed(asked: Asked) -> Answer:
    """Rerun only the failed jobs."""
    jobs = asked.run().last.jobs
    kept: dict[str, Conclusion] = {
        job.key: job.conclusion for job in jobs if job.conclusion is not None and job.conclusion == "success"
    }
    return _again(asked, kept)


def _again(asked: Asked, kept: dict[str, Conclusion]) -> Answer:
    found = asked.run()
    if not found.last.over:
        raise Refused(403, f"The workflow run containing this job is already running: {found.run_id}")
    asked.forge.scheduler.queue(asked.repository, found, actor=asked.login, kept=kept)
    return Answer(status=201, json={})


ENDPOINTS = (
    Endpoint("GET", HERE, runs, "actions:read"),
    Endpoint("GET", f"{REPOSITORY}/actions/workflows/{{workflow_id}}/runs", runs_of_workflow, "actions:read"),
    Endpoint("GET", ONE, run, "actions:read"),
    Endpoint("DELETE", ONE, delete, "actions:write", signed_in=True),
    Endpoint("GET", f"{ONE}/attempts/{{attempt_number}}", attempt, "actions:read"),
    Endpoint("POST", f"{ONE}/cancel", cancel, "actions:write", signed_in=True),
    Endpoint("POST", f"{ONE}/force-cancel", force_cancel, "actions:write", signed_in=True),
    Endpoint("POST", f"{ONE}/rerun", rerun, "actions:write", signed_in=True),
    Endpoint("POST", f"{ONE}/rerun-failed-jobs", rerun_failed, "actions:write", signed_in=True),
)
