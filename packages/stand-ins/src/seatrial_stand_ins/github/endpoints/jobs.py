"""Jobs, their logs and annotations."""

from __future__ import annotations

import io
import zipfile

from seatrial_stand_ins.github.answer import Answer
from seatrial_stand_ins.github.asked import Asked, Endpoint, Refused, not_found
from seatrial_stand_ins.github.endpoints.runs import an_attempt
from seatrial_stand_ins.github.records import Attempt, JobRecord, RunRecord

REPOSITORY = "/repos/{owner}/{repo}"
RUN = f"{REPOSITORY}/actions/runs/{{run_id}}"
JOB = f"{REPOSITORY}/actions/jobs/{{job_id}}"
CHECK = f"{REPOSITORY}/check-runs/{{check_run_id}}"


async def jobs(asked: Asked) -> Answer:
    """Of the newest attempt, or of all."""
    found = asked.run()
    attempts = found.attempts if asked.query.get("filter") == "all" else [found.last]
    return _listed(asked, found, [job for attempt in attempts for job in attempt.jobs])


async def jobs_of_attempt(asked: Asked) -> Answer:
    """Of one attempt."""
    found = asked.run()
    return _listed(asked, found, an_attempt(asked, found).jobs)


def _listed(asked: Asked, run: RunRecord, listed: list[JobRecord]) -> Answer:
    return asked.page(listed, lambda job: asked.shapes.job(run, job), "jobs")


def _one(asked: Asked, name: str) -> tuple[RunRecord, JobRecord]:
    wanted = asked.number(name)
    for run in asked.repository.runs:
        for attempt in run.attempts:
            for job in attempt.jobs:
                if job.job_id == wanted:
                    return run, job
    raise not_found()


async def job(asked: Asked) -> Answer:
    """One."""
    return Answer(json=asked.shapes.job(*_one(asked, "job_id")))


async def job_log(asked: Asked) -> Answer:
    """Where its log is; there is none before it has ended."""
    _, found = _one(asked, "job_id")
    if found.status != "completed" or not found.steps:
        raise not_found()
    return _elsewhere(asked, f"job-{found.job_id}.txt", text(found).encode())


async def run_log(asked: Asked) -> Answer:
    """Where the archive of all logs of the newest attempt is."""
    found = asked.run()
    return _archive(asked, found, found.last)


async def attempt_log(asked: Asked) -> Answer:
    """The same of an attempt."""
    found = asked.run()
    return _archive(asked, found, an_attempt(asked, found))


def _archive(asked: Asked, run: RunRecord, attempt: Attempt) -> Answer:
    if not attempt.over:
        raise not_found()
    return _elsewhere(asked, f"logs-{run.run_id}-{attempt.number}.zip", logs(attempt))


def _elsewhere(asked: Asked, name: str, content: bytes) -> Answer:
    return Answer(status=302, headers={"location": asked.forge.storage.put(name, content)})


def text(job: JobRecord) -> str:
    """The log of a job: the logs of its steps."""
    return "".join(f"{line}\n" for step in job.steps for line in step.lines)


def logs(attempt: Attempt) -> bytes:
    """One text for each job, and one for each of its steps, as the archive has them."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as zipped:
        for place, job in enumerate(one for one in attempt.jobs if one.steps):
            name = _plain(job.name)
            zipped.writestr(f"{place}_{name}.txt", text(job))
            for step in job.steps:
                if step.lines:
                    lines = "".join(f"{line}\n" for line in step.lines)
                    zipped.writestr(f"{name}/{step.number}_{_plain(step.name)}.txt", lines)
    return made.getvalue()


def _plain(name: str) -> str:
    return "".join(char for char in name if char not in '/\\:<>|*?"')[:90].strip()


async def rerun_job(asked: Asked) -> Answer:
    """One job once more; the others stay as they are."""
    run, found = _one(asked, "job_id")
    if not run.last.over:
        raise Refused(403, f"The workflow run containing this job is already running: {run.run_id}")
    kept = {one.key: one.conclusion for one in run.last.jobs if one.key != found.key and one.conclusion is not None}
    asked.forge.scheduler.queue(asked.repository, run, actor=asked.login, kept=kept)
    return Answer(status=201, json={})


async def check_run(asked: Asked) -> Answer:
    """A job as the checks have it."""
    return Answer(json=asked.shapes.check_run(*_one(asked, "check_run_id")))


async def remarks(asked: Asked) -> Answer:
    """The remarks on it."""
    run, found = _one(asked, "check_run_id")
    return asked.page(found.annotations, lambda one: asked.shapes.annotation(run.repository, run.sha, one))


ENDPOINTS = (
    Endpoint("GET", f"{RUN}/jobs", jobs, "actions:read"),
    Endpoint("GET", f"{RUN}/attempts/{{attempt_number}}/jobs", jobs_of_attempt, "actions:read"),
    Endpoint("GET", f"{RUN}/logs", run_log, "actions:read", signed_in=True),
    Endpoint("GET", f"{RUN}/attempts/{{attempt_number}}/logs", attempt_log, "actions:read", signed_in=True),
    Endpoint("GET", JOB, job, "actions:read"),
    Endpoint("GET", f"{JOB}/logs", job_log, "actions:read", signed_in=True),
    Endpoint("POST", f"{JOB}/rerun", rerun_job, "actions:write", signed_in=True),
    Endpoint("GET", CHECK, check_run, "checks:read"),
    Endpoint("GET", f"{CHECK}/annotations", remarks, "checks:read"),
)
