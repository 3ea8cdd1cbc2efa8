"""A run without a server: it keeps in memory what the runner tells it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial_stand_ins.github.git import GitFailed
from seatrial_stand_ins.github.seam import Conclusion, Level, WorkflowFile

SECRET = "hunter2-and-more"


@dataclass
class FakeStep:
    name: str
    lines: list[str] = field(default_factory=list)
    summary: str = ""
    conclusion: str = ""


@dataclass
class FakeJob:
    run: FakeRun
    key: str
    name: str
    labels: tuple[str, ...] = ()
    job_id: int = 1
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    steps: list[FakeStep] = field(default_factory=list)
    annotations: list[tuple[str, str, str, int]] = field(default_factory=list)
    conclusion: str = ""
    held: str = ""
    environment: str = ""
    begun: bool = True

    async def hold(self, group: str, *, cancel_in_progress: bool = False) -> bool:
        self.held = f"{group}{' cancels' if cancel_in_progress else ''}"
        return group != "taken"

    def begin(self) -> None:
        self.begun = True

    def deploy_to(self, environment: str, url: str = "") -> None:
        self.environment = f"{environment} {url}".strip()

    def begin_step(self, name: str) -> None:
        assert not self.steps or self.steps[-1].conclusion, "the step before has not ended"
        self.steps.append(FakeStep(name))

    def log(self, line: str) -> None:
        self.steps[-1].lines += self.run.masked(line).split("\n")
        self.run.logged.set()

    def annotate(self, level: Level, message: str, *, path: str = "", line: int = 0, title: str = "") -> None:
        self.annotations.append((level, self.run.masked(message), path, line))

    def summarise(self, markdown: str) -> None:
        self.steps[-1].summary += self.run.masked(markdown)

    def end_step(self, conclusion: Conclusion) -> None:
        assert not self.steps[-1].conclusion
        self.steps[-1].conclusion = conclusion

    def skip_step(self, name: str) -> None:
        self.steps.append(FakeStep(name, conclusion="skipped"))

    def end(self, conclusion: Conclusion) -> None:
        assert not self.conclusion, "the job ended twice"
        self.conclusion = conclusion

    @property
    def log_text(self) -> str:
        return "\n".join(line for step in self.steps for line in step.lines)

    @property
    def outcome(self) -> dict[str, str]:
        """Name of each step to what became of it."""
        return {step.name: step.conclusion for step in self.steps}


class FakeRun:
    """One run of a workflow; `files` is the repository."""

    def __init__(
        self,
        folder: Path,
        workflow: str,
        *,
        files: Mapping[str, str] | None = None,
        inputs: Mapping[str, object] | None = None,
        secrets: Mapping[str, str] | None = None,
        kept: Mapping[str, Conclusion] | None = None,
    ) -> None:
        self.folder = folder
        self.workflow = WorkflowFile(".github/workflows/w.yml", workflow)
        for name, text in {self.workflow.path: workflow, **(files or {})}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        self.inputs: Mapping[str, object] = dict(inputs or {})
        self.repository, self.ref, self.sha = "acme/notes", "refs/heads/main", "a" * 40
        self.event, self.actor = "workflow_dispatch", "mona"
        self.run_id, self.run_number, self.attempt = 42, 7, 1
        self.secrets: Mapping[str, str] = {
            "GITHUB_TOKEN": "ghs_token-of-the-run",
            "MY_SECRET": SECRET,
            **(secrets or {}),
        }
        self.variables: Mapping[str, str] = {"ZONE": "north"}
        self.kept: Mapping[str, Conclusion] = kept or {}
        self.cancelled = asyncio.Event()
        self.server_url, self.api_url = "http://127.0.0.1:1", "http://127.0.0.1:1/api/v3"
        self.graphql_url = "http://127.0.0.1:1/api/graphql"
        self.ca_file: Path | None = None
        self.jobs: dict[str, FakeJob] = {}
        self.skipped: list[str] = []
        self.artifacts: dict[str, bytes] = {}
        self.masks: list[str] = list(self.secrets.values())
        self.logged = asyncio.Event()

    def masked(self, text: str) -> str:
        for one in self.masks:
            text = text.replace(one, "***")
        return text

    def environment_secrets(self, environment: str) -> Mapping[str, str]:
        return {**self.secrets, "MY_SECRET": f"of-{environment}"}

    def environment_variables(self, environment: str) -> Mapping[str, str]:
        return {"ZONE": environment}

    async def read(self, path: str) -> bytes | None:
        file = self.folder / path
        return file.read_bytes() if file.is_file() else None

    async def checkout(self, folder: Path, ref: str = "") -> str:
        if ref == "nowhere":
            raise GitFailed(f"there is no {ref}")
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return self.sha

    def begin_job(self, key: str, name: str, *, labels: tuple[str, ...] = (), waiting: bool = False) -> FakeJob:
        assert key not in self.jobs
        self.jobs[key] = FakeJob(self, key, name, labels, begun=not waiting)
        return self.jobs[key]

    def skip_job(self, key: str, name: str) -> None:
        self.skipped.append(key)

    def mask(self, value: str) -> None:
        self.masks.append(value)

    def add_artifact(self, name: str, content: bytes) -> int:
        self.artifacts[name] = content
        return len(self.artifacts)

    def read_artifact(self, name: str) -> bytes:
        return self.artifacts[name]

    def artifact_names(self) -> tuple[str, ...]:
        return tuple(self.artifacts)

    def cancel(self) -> None:
        """Somebody cancels the run."""
        self.cancelled.set()
        for job in self.jobs.values():
            job.cancelled.set()

    async def until(self, text: str) -> None:
        """Wait until something is in a log."""
        async with asyncio.timeout(60):
            while not any(text in job.log_text for job in self.jobs.values()):
                self.logged.clear()
                await self.logged.wait()


def workflow(steps: str, *, job: str = "", more: str = "") -> str:
    """A workflow of one job `a` with these steps."""
    indented = "".join(f"      {line}\n" for line in steps.splitlines())
    about = "".join(f"    {line}\n" for line in job.splitlines())
    return f"on: workflow_dispatch\n{more}\njobs:\n  a:\n    runs-on: ubuntu-latest\n{about}    steps:\n{indented}"


def jobs(text: str, more: str = "") -> str:
    """A workflow with these jobs."""
    return f"on: workflow_dispatch\n{more}\njobs:\n" + "".join(f"  {line}\n" for line in text.splitlines())


def only(run: FakeRun) -> Any:
    """The one job of a run."""
    (job,) = run.jobs.values()
    return job
