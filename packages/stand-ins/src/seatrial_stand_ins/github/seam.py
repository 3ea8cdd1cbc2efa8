"""The seam between the server (queues and reports runs) and a runner (executes their jobs).

The server decides *when* a run begins (concurrency groups, queues) and keeps its result; a `Runner` decides *what*
happens in it. All of this runs on the server's event loop, in the server's thread: put blocking work into a subprocess
of asyncio or into `asyncio.to_thread`.
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
"""The result of a run, a job or a step, in GitHub's words."""

Level: TypeAlias = Literal["notice", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class WorkflowFile:
    """A workflow as it is at the run's commit."""

    path: str
    """From the repository's root: `.github/workflows/deploy.yml`."""
    text: str


class Job(Protocol):
    """One job of a run, as the API shows it. Steps follow one another; each `begin_step` has its `end_step`.

    The server adds `Set up job` and `Complete job`, as GitHub does for every job.
    """

    job_id: int
    key: str
    name: str
    cancelled: asyncio.Event
    """Set to end this job: the run was cancelled, or a newer one took its concurrency group."""

    async def hold(self, group: str, *, cancel_in_progress: bool = False) -> bool:
        """Wait for a concurrency group of the job's own; `end` releases it. False: it was cancelled meanwhile, and must
        call `end("cancelled")`. Only for a job made with `waiting=True`, before `begin`."""

    def begin(self) -> None:
        """A job made with `waiting=True` is in progress from now on."""

    def deploy_to(self, environment: str, url: str = "") -> None:
        """The job names an environment: the server adds a deployment of it; its last status follows from `end`."""

    def begin_step(self, name: str) -> None:
        """The next step is in progress."""

    def log(self, line: str) -> None:
        """A line (or several) of the running step's log; secrets of the repository and masks are hidden."""

    def annotate(self, level: Level, message: str, *, path: str = "", line: int = 0, title: str = "") -> None:
        """An annotation of the job's check run, as `::error file=…::` makes one."""

    def summarise(self, markdown: str) -> None:
        """Add to the running step's summary."""

    def end_step(self, conclusion: Conclusion) -> None:
        """The running step has ended."""

    def skip_step(self, name: str) -> None:
        """A skipped step."""

    def end(self, conclusion: Conclusion) -> None:
        """The job has ended, and its running step with it."""


class Run(Protocol):
    """One attempt of a run, for a runner."""

    workflow: WorkflowFile
    inputs: Mapping[str, object]
    """The expressions' `inputs`: booleans and numbers typed by the workflow's inputs, defaults filled in."""
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
    """If only failed jobs run again: the key of each other job, with its earlier result. The server itself shows these
    in the new attempt."""
    cancelled: asyncio.Event
    """Set when somebody cancels the run; steps under `if: always()` still run. A forced cancellation, or the end of the
    server, cancels the remaining task."""

    server_url: str
    """`GITHUB_SERVER_URL`: `http://127.0.0.1:P`."""
    api_url: str
    """`GITHUB_API_URL`."""
    graphql_url: str
    """`GITHUB_GRAPHQL_URL`."""
    ca_file: Path | None
    """The authority to trust if the server speaks TLS."""

    def environment_secrets(self, environment: str) -> Mapping[str, str]:
        """`secrets` for a job in this environment."""

    def environment_variables(self, environment: str) -> Mapping[str, str]:
        """`variables` for a job in this environment."""

    async def read(self, path: str) -> bytes | None:
        """A file of the repository at the run's commit; None: it does not exist."""

    async def checkout(self, folder: Path, ref: str = "") -> str:
        """Put the repository at `ref` (else the run's commit) into an empty folder, as a clone; the commit's sha."""

    def begin_job(self, key: str, name: str, *, labels: tuple[str, ...] = (), waiting: bool = False) -> Job:
        """A new job: in progress, or `queued` if it is `waiting` (then `Job.begin`)."""

    def skip_job(self, key: str, name: str) -> None:
        """A job skipped by its `if` or its `needs`."""

    def mask(self, value: str) -> None:
        """Hide this text in every log of the run from now on."""

    def add_artifact(self, name: str, content: bytes) -> int:
        """Keep a zip archive as an artifact of the run; its id."""

    def read_artifact(self, name: str) -> bytes:
        """The archive; KeyError when there is none."""

    def artifact_names(self) -> tuple[str, ...]:
        """The artifacts of this run."""


@runtime_checkable
class Runner(Protocol):
    """Executes runs."""

    async def run(self, run: Run) -> Conclusion:
        """Execute one attempt; its conclusion. An exception is a fault of the runner: the server ends the run as
        `startup_failure` and reports it to the test."""
