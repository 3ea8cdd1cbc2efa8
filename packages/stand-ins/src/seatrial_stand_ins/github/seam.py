"""Between the server, which queues runs and tells of them, and whoever executes their jobs.

The server decides *when* a run begins (concurrency groups, queues) and keeps what became of it; a `Runner` decides
*what* happens in it. All of this runs on the server's event loop, in the server's thread: what blocks belongs into a
subprocess of asyncio or into `asyncio.to_thread`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, runtime_checkable

Conclusion: TypeAlias = Literal[
    "success", "failure", "cancelled", "timed_out", "skipped", "neutral", "action_required", "startup_failure"
]
"""What became of a run, a job or a step, in GitHub's words."""

Level: TypeAlias = Literal["notice", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class WorkflowFile:
    """A workflow as it is at the run's commit."""

    path: str
    """From the repository's root: `.github/workflows/deploy.yml`."""
    text: str


class Job(Protocol):
    """One job of a run, as the API shows it. Steps come one after another; each `begin_step` has its `end_step`.

    `Set up job` and `Complete job`, which GitHub shows around the steps of every job, are the server's own.
    """

    job_id: int
    key: str
    name: str
    cancelled: asyncio.Event
    """Set when this job shall end: the run was cancelled, or a newer one took its concurrency group."""

    async def hold(self, group: str, *, cancel_in_progress: bool = False) -> bool:
        """Wait for a concurrency group of the job's own; `end` lets it go. False: it was cancelled meanwhile, and
        has to `end("cancelled")`. Only on a job that was made with `waiting=True`, before `begin`."""

    def begin(self) -> None:
        """A job that was made with `waiting=True` is in progress from now on."""

    def deploy_to(self, environment: str, url: str = "") -> None:
        """The job names an environment: the server has a deployment of it, whose last status follows from `end`."""

    def begin_step(self, name: str) -> None:
        """The next step is in progress."""

    def log(self, line: str) -> None:
        """A line (or several) of the log of the step that runs; secrets of the repository and masks are hidden."""

    def annotate(self, level: Level, message: str, *, path: str = "", line: int = 0, title: str = "") -> None:
        """An annotation of the job's check run, as `::error file=…::` makes one."""

    def summarise(self, markdown: str) -> None:
        """Add to the step summary of the step that runs."""

    def end_step(self, conclusion: Conclusion) -> None:
        """The step that runs has ended."""

    def skip_step(self, name: str) -> None:
        """A step that is not run at all."""

    def end(self, conclusion: Conclusion) -> None:
        """The job has ended, and so has a step of it that still runs."""


class Run(Protocol):
    """One attempt of a run, as a runner is given it."""

    workflow: WorkflowFile
    inputs: Mapping[str, object]
    """As `inputs` has them in expressions: booleans and numbers typed by the workflow's inputs, defaults filled in."""
    repository: str
    """`acme/notes`."""
    ref: str
    """`refs/heads/main`."""
    sha: str
    event: str
    run_id: int
    run_number: int
    attempt: int
    actor: str
    secrets: Mapping[str, str]
    """Of the repository; `GITHUB_TOKEN` is among them, and is a token of this server."""
    variables: Mapping[str, str]
    kept: Mapping[str, Conclusion]
    """When only failed jobs are run again: key of each job that shall not be, with what became of it. The server shows
    these in the new attempt by itself."""
    cancelled: asyncio.Event
    """Set when somebody cancels the run; steps under `if: always()` still have their turn. What does not end then is
    cancelled as a task by a forced cancellation, or when the server stops."""

    server_url: str
    """`GITHUB_SERVER_URL`: `http://127.0.0.1:P`."""
    api_url: str
    """`GITHUB_API_URL`."""
    graphql_url: str
    """`GITHUB_GRAPHQL_URL`."""
    ca_file: Path | None
    """What has to be trusted to speak to the server, when it speaks TLS."""

    def environment_secrets(self, environment: str) -> Mapping[str, str]:
        """`secrets` as a job in this environment has them."""

    def environment_variables(self, environment: str) -> Mapping[str, str]:
        """`variables` as a job in this environment has them."""

    async def read(self, path: str) -> bytes | None:
        """A file of the repository at the run's commit; None: it is not there."""

    async def checkout(self, folder: Path, ref: str = "") -> str:
        """Put the repository at `ref` (else the run's commit) into an empty folder, as a clone; the commit's sha."""

    def begin_job(self, key: str, name: str, *, labels: tuple[str, ...] = (), waiting: bool = False) -> Job:
        """A job appears: in progress, or `queued` when it is `waiting` (then `Job.begin`)."""

    def skip_job(self, key: str, name: str) -> None:
        """A job that is not run, by its `if` or its `needs`."""

    def mask(self, value: str) -> None:
        """Hide this text in every log of the run from now on."""

    def add_artifact(self, name: str, content: bytes) -> int:
        """Keep a zip archive as an artifact of the run; its id."""

    def read_artifact(self, name: str) -> bytes:
        """The archive; KeyError when there is none."""

    def artifact_names(self) -> tuple[str, ...]:
        """The artifacts that this run has."""


@runtime_checkable
class Runner(Protocol):
    """Whoever executes runs."""

    async def run(self, run: Run) -> Conclusion:
        """Execute one attempt, and say what became of it. An exception is a fault of the runner: the server ends the
        run as `startup_failure` and tells the test of it."""
