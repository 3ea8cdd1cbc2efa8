"""The start and end of runs: one task per attempt, concurrency groups, cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from seatrial.links.forge.workflows.expressions import ExpressionError, render, value
from seatrial.links.forge.workflows.yaml_tree import WorkflowError
from seatrial_stand_ins.github.live import PENDING, LiveJob, LiveRun
from seatrial_stand_ins.github.reading import read
from seatrial_stand_ins.github.records import Attempt, JobRecord, RunRecord, now
from seatrial_stand_ins.github.repository import Repository
from seatrial_stand_ins.github.seam import Conclusion, Runner

Preparing = Callable[[Repository, RunRecord, Attempt], LiveRun]
Choosing = Callable[[RunRecord], Runner]


@dataclass(kw_only=True)
class Scheduler:
    """Lives on the server's loop."""

    tasks: asyncio.TaskGroup
    prepare: Preparing
    choose: Choosing
    """The runner of this run: the test's own, unless a fault is planted."""
    problem: Callable[[str], None]
    ended: Callable[[LiveRun], None]
    """An attempt is over: its token expires."""
    live: dict[int, LiveRun] = field(default_factory=dict)
    """By the run's id, until its attempt is over."""

    def queue(self, repository: Repository, run: RunRecord, *, actor: str, kept: Mapping[str, Conclusion]) -> Attempt:
        """A new attempt; it begins when it may."""
        attempt = Attempt(number=len(run.attempts) + 1, actor=actor, kept=kept)
        if kept:
            attempt.jobs = [_again(job, attempt.number) for job in run.last.jobs if job.key in kept]
        run.attempts.append(attempt)
        live = self.prepare(repository, run, attempt)
        self.live[run.run_id] = live
        attempt.task = self.tasks.create_task(self._life(live))
        return attempt

    async def _life(self, live: LiveRun) -> None:
        attempt = live.ongoing
        conclusion: Conclusion = "cancelled"
        try:
            runner = self.choose(live.record)
            if await self._turn(live):
                if getattr(runner, "begins", True):
                    attempt.status = "in_progress"
                    live.touch()
                conclusion = await runner.run(live)
                if live.cancelled.is_set() and conclusion == "success":
                    conclusion = "cancelled"
        except (WorkflowError, ExpressionError) as error:
            conclusion = "startup_failure"
            self._remark(live, f"Invalid workflow file: {error}")
        except Exception as error:  # noqa: BLE001 - the runner's fault, whatever it is, is told to the test
            conclusion = "startup_failure"
            self.problem(f"the runner broke at {live.repository} run {live.run_id}: {error!r}")
        finally:
            self._end(live, conclusion)

    async def _turn(self, live: LiveRun) -> bool:
        asked = self._group(live)
        if asked is None:
            return True
        group, cancel = asked
        live.ongoing.group = group
        entered = live.of.groups.ask(group, live, cancel_in_progress=cancel)
        if entered.displaced is not None:
            self.displace(entered.displaced, group)
        if entered.in_progress is not None:
            self.displace(entered.in_progress, group)
        if entered.holds:
            return not live.cancelled.is_set()
        live.ongoing.status = "pending"
        waits = [asyncio.ensure_future(event.wait()) for event in (live.turn, live.cancelled)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return not live.cancelled.is_set()

    def _group(self, live: LiveRun) -> tuple[str, bool] | None:
        said = read(live.record.text, live.record.workflow.path).concurrency
        if said is None:
            return None
        names = contexts(live)
        group = render(said.group, names)
        return (group, value(said.cancel_in_progress, names) is True) if group else None

    def leave(self, repository: Repository, group: str, member: object) -> None:
        """Release a group; the next in its queue begins."""
        following = repository.groups.leave(group, member)
        if isinstance(following, LiveRun | LiveJob):
            following.turn.set()

    def displace(self, member: object, group: str) -> None:
        """Cancel a run or job because another one takes its group, or its place in the queue."""
        if isinstance(member, LiveRun):
            self._remark(member, PENDING.format(group=group))
            member.cancel("a newer run of its concurrency group")
        elif isinstance(member, LiveJob):
            member.annotate("failure", PENDING.format(group=group))
            member.cancelled.set()

    def cancel(self, run: RunRecord, *, by: str, force: bool = False) -> None:
        """Ask it to end; by force: abandon its runner at once."""
        live = self.live.get(run.run_id)
        if live is None:
            return
        live.cancel(by)
        if force and run.last.task is not None:
            run.last.task.cancel()

    @staticmethod
    def _remark(live: LiveRun, message: str) -> None:
        # GitHub puts such annotations on a job without a runner.
        job = JobRecord(key="", name=live.record.workflow.name, attempt=live.ongoing.number, labels=())
        job.status, job.conclusion, job.started_at, job.completed_at = "completed", "cancelled", now(), now()
        live.ongoing.jobs.append(job)
        LiveJob(record=job, run=live, key="", name=job.name, job_id=job.job_id).annotate("failure", message)

    def _end(self, live: LiveRun, conclusion: Conclusion) -> None:
        for job in live.jobs:
            job.end("cancelled" if live.cancelled.is_set() else conclusion)
        attempt = live.ongoing
        attempt.status, attempt.conclusion = "completed", conclusion
        live.touch()
        self.ended(live)
        if self.live.get(live.run_id) is live:
            del self.live[live.run_id]
        if attempt.group:
            self.leave(live.of, attempt.group, live)


def contexts(live: LiveRun) -> Mapping[str, object]:
    """The names in expressions of `run-name` and `concurrency`."""
    record = live.record
    github = {
        "repository": record.repository,
        "repository_owner": record.repository.partition("/")[0],
        "ref": record.ref,
        "ref_name": record.branch,
        "sha": record.sha,
        "event_name": record.event,
        "actor": record.actor,
        "triggering_actor": live.ongoing.actor,
        "run_id": str(record.run_id),
        "run_number": str(record.number),
        "run_attempt": str(live.ongoing.number),
        "workflow": record.workflow.name,
        "event": {"inputs": record.inputs},
    }
    return {"github": github, "inputs": record.inputs, "vars": live.variables}


def _again(job: JobRecord, attempt: int) -> JobRecord:
    """A job of an earlier attempt, as the new attempt shows it without running it again."""
    return JobRecord(
        key=job.key, name=job.name, attempt=attempt, labels=job.labels, status=job.status, conclusion=job.conclusion,
        created_at=job.created_at, started_at=job.started_at, completed_at=job.completed_at, steps=job.steps,
        annotations=job.annotations,
    )  # fmt: skip
