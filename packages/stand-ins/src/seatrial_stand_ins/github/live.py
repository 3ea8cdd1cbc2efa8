"""The run and its jobs for a runner: `seam.Run` and `seam.Job` over the server's records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from seatrial_stand_ins.github import git
from seatrial_stand_ins.github.records import Annotation, Artifact, Attempt, Deployment, JobRecord, RunRecord, Step, now
from seatrial_stand_ins.github.repository import Repository
from seatrial_stand_ins.github.seam import Conclusion, Level, WorkflowFile

Adding = Callable[[RunRecord, Artifact], list[Artifact]]
"""The artifact to store for an added one: itself, unless a fault applies."""

DEADLOCK = (
    "Canceling since a deadlock for concurrency group '{group}' was detected between 'top level workflow' and '{job}'"
)
PENDING = "Canceling since a higher priority waiting request for {group} exists"

_STATES: Mapping[Conclusion, str] = {"success": "success", "cancelled": "inactive", "skipped": "inactive"}


@dataclass(eq=False, kw_only=True)
class LiveJob:
    """A job in the hands of a runner."""

    record: JobRecord
    run: LiveRun
    key: str
    name: str
    job_id: int
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    group: str = ""
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it has its group, or will never have it."""
    deployment: Deployment | None = None

    async def hold(self, group: str, *, cancel_in_progress: bool = False) -> bool:
        """Wait for a group of the job's own."""
        if group.casefold() == self.run.ongoing.group.casefold():
            self.annotate("failure", DEADLOCK.format(group=group, job=self.name))
            self.cancelled.set()
            return False
        groups = self.run.of.groups
        entered = groups.ask(group, self, cancel_in_progress=cancel_in_progress)
        self.group = self.record.group = group
        if entered.displaced is not None:
            self.run.displace(entered.displaced, group)
        if entered.in_progress is not None:
            self.run.displace(entered.in_progress, group)
        if entered.holds:
            return True
        self.record.status = "pending"
        stopped = asyncio.ensure_future(self.cancelled.wait())
        turn = asyncio.ensure_future(self.turn.wait())
        try:
            await asyncio.wait({stopped, turn}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            turn.cancel()
        return not self.cancelled.is_set()

    def begin(self) -> None:
        """In progress from now on."""
        self.record.status = "in_progress"
        self.record.started_at = now()
        self.record.steps.append(
            Step(number=1, name="Set up job", status="completed", conclusion="success", completed_at=now())
        )
        self._write(self.record.steps[0], "Current runner version: '2.330.0'")
        self.run.touch()

    def deploy_to(self, environment: str, url: str = "") -> None:
        """Have a deployment."""
        self.run.of.environment(environment)
        record = self.run.record
        made = Deployment(
            environment=environment,
            sha=record.sha,
            ref=record.branch,
            creator=record.actor,
            run_id=record.run_id,
            job=self.record,
            url=url,
        )
        made.reach("in_progress" if self.record.started_at else "queued")
        self.run.of.deployments.append(made)
        self.deployment = made

    def begin_step(self, name: str) -> None:
        """The next step."""
        assert self._running() is None, f"step {name!r} begins while another one of {self.name!r} runs"
        self.record.steps.append(Step(number=len(self.record.steps) + 1, name=name))
        self.run.touch()

    def log(self, line: str) -> None:
        """Write to the log of the running step, else of the last one."""
        self._write(self._running() or self.record.steps[-1], line)

    def _write(self, step: Step, text: str) -> None:
        when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
        step.lines += [f"{when} {line}" for line in self.run.masked(text).split("\n")]

    def annotate(self, level: Level, message: str, *, path: str = "", line: int = 0, title: str = "") -> None:
        """A remark."""
        said = Annotation(
            level=level, message=self.run.masked(message), path=path or ".github", line=max(line, 1), title=title
        )
        self.record.annotations.append(said)

    def summarise(self, markdown: str) -> None:
        """More of the step's summary."""
        step = self._running() or self.record.steps[-1]
        step.summary += self.run.masked(markdown)

    def end_step(self, conclusion: Conclusion) -> None:
        """End the running step."""
        step = self._running()
        assert step is not None, f"no step of {self.name!r} runs"
        step.status, step.conclusion, step.completed_at = "completed", conclusion, now()
        self.run.touch()

    def skip_step(self, name: str) -> None:
        """Record a skipped step."""
        self.begin_step(name)
        self.end_step("skipped")

    def end(self, conclusion: Conclusion) -> None:
        """The job is over."""
        if self.record.status == "completed":
            return
        if self._running() is not None:
            self.end_step(conclusion)
        if self.record.steps:
            self.record.steps.append(
                Step(
                    number=len(self.record.steps) + 1,
                    name="Complete job",
                    status="completed",
                    conclusion="success",
                    completed_at=now(),
                )
            )
            self._write(self.record.steps[-1], "Cleaning up orphan processes")
        self.record.status, self.record.conclusion, self.record.completed_at = "completed", conclusion, now()
        if self.deployment is not None:
            self.deployment.reach(_STATES.get(conclusion, "failure"))
        if self.group:
            self.run.leave(self.group, self)
        self.run.touch()

    def _running(self) -> Step | None:
        last = self.record.steps[-1] if self.record.steps else None
        return last if last is not None and last.status == "in_progress" else None


@dataclass(eq=False, kw_only=True)
class LiveRun:
    """An attempt in the hands of a runner."""

    of: Repository
    record: RunRecord
    ongoing: Attempt
    adding: Adding
    leave: Callable[[str, object], None]
    """Leave a group, for the next waiting member."""
    displace: Callable[[object, str], None]
    """Cancel a run or job for the sake of another one of its group."""
    secrets: Mapping[str, str]
    server_url: str
    api_url: str
    graphql_url: str
    ca_file: Path | None
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    jobs: list[LiveJob] = field(default_factory=list)
    _masks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        record = self.record
        self.workflow = WorkflowFile(record.workflow.path, record.text)
        self.inputs, self.repository, self.ref, self.sha = record.inputs, record.repository, record.ref, record.sha
        self.event, self.run_id, self.run_number = record.event, record.run_id, record.number
        self.attempt = self.ongoing.number
        self.actor, self.kept, self.cancelled = self.ongoing.actor, self.ongoing.kept, self.ongoing.cancelled
        self.variables: Mapping[str, str] = dict(self.of.variables)
        for value in self.secrets.values():
            self.mask(value)

    def environment_secrets(self, environment: str) -> Mapping[str, str]:
        """With those of the environment."""
        own = self.of.environments[environment].secrets if environment in self.of.environments else {}
        for value in own.values():
            self.mask(value)
        return {**self.secrets, **own}

    def environment_variables(self, environment: str) -> Mapping[str, str]:
        """With those of the environment."""
        own = self.of.environments[environment].variables if environment in self.of.environments else {}
        return {**self.variables, **own}

    async def read(self, path: str) -> bytes | None:
        """A file at the commit."""
        return await self.of.read(self.sha, path)

    async def checkout(self, folder: Path, ref: str = "") -> str:
        """A clone, with HEAD on the branch when it is a branch's."""
        folder.mkdir(parents=True, exist_ok=True)
        await git.call(folder, "clone", "--quiet", "--no-checkout", "--no-hardlinks", str(self.of.bare), ".")
        sha = self.sha if not ref else (await self.of.resolve(ref) or "")
        if not sha:
            raise git.GitFailed(f"{self.repository} has no ref {ref!r}")
        branch = (ref or self.ref).removeprefix("refs/heads/")
        named = branch if f"refs/heads/{branch}" in await self.of.refs(look=False) else None
        await git.call(folder, "checkout", "--quiet", *(["-B", named, sha] if named else ["--detach", sha]))
        return sha

    def begin_job(self, key: str, name: str, *, labels: tuple[str, ...] = (), waiting: bool = False) -> LiveJob:
        """A job appears."""
        record = JobRecord(key=key, name=name, attempt=self.ongoing.number, labels=labels)
        self.ongoing.jobs.append(record)
        job = LiveJob(record=record, run=self, key=key, name=name, job_id=record.job_id)
        self.jobs.append(job)
        if self.cancelled.is_set():
            job.cancelled.set()
        if not waiting:
            job.begin()
        return job

    def skip_job(self, key: str, name: str) -> None:
        """Record a skipped job."""
        when = now()
        self.ongoing.jobs.append(
            JobRecord(
                key=key,
                name=name,
                attempt=self.ongoing.number,
                status="completed",
                conclusion="skipped",
                started_at=when,
                completed_at=when,
            )
        )

    def cancel(self, by: str = "") -> None:
        """Notify the runner and every job."""
        self.ongoing.cancelled_by = self.ongoing.cancelled_by or by
        self.cancelled.set()
        for job in self.jobs:
            job.cancelled.set()

    def mask(self, value: str) -> None:
        """Hide it from now on."""
        # As GitHub's runner does, each line of a text of several lines is hidden too.
        for one in (value, *value.splitlines()):
            if one.strip() and one not in self._masks:
                self._masks.append(one)
        self._masks.sort(key=len, reverse=True)

    def masked(self, text: str) -> str:
        """The text without masked values."""
        for value in self._masks:
            text = text.replace(value, "***")
        return text

    def add_artifact(self, name: str, content: bytes) -> int:
        """Keep an archive."""
        made = Artifact(name=name, run_id=self.run_id, content=content, size=len(content))
        self.record.artifacts += self.adding(self.record, made)
        return made.artifact_id

    def read_artifact(self, name: str) -> bytes:
        """The newest one of this name."""
        for artifact in reversed(self.record.artifacts):
            if artifact.name == name:
                return artifact.content
        raise KeyError(name)

    def artifact_names(self) -> tuple[str, ...]:
        """Of all attempts."""
        return tuple(dict.fromkeys(artifact.name for artifact in self.record.artifacts))

    def touch(self) -> None:
        """Something has changed."""
        self.ongoing.updated_at = now()
