"""A runner without execution: it reports the results of a script, for tests of clients and for plants."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from seatrial_stand_ins.github.reading import job_name, read, step_name
from seatrial_stand_ins.github.seam import Conclusion, Job, Run

Files: TypeAlias = Mapping[str, object]
"""Names to texts, bytes, or values to write as JSON."""


def archive(files: Files) -> bytes:
    """A zip archive of these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content if isinstance(content, str | bytes) else json.dumps(content))
    return made.getvalue()


class Gate:
    """A gate for scripted runs: they wait until the test opens it, from any thread."""

    def __init__(self) -> None:
        self._opened = threading.Event()

    def open(self) -> None:
        """Let every run continue, later ones too."""
        self._opened.set()

    async def passed(self, cancelled: asyncio.Event) -> None:
        """Wait until it is open, or the run is cancelled."""
        # The test is in another thread, and sets no event of this loop.
        while not self._opened.is_set() and not cancelled.is_set():
            await asyncio.sleep(0.005)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The course of a run. Its jobs and steps are those of the workflow file; by default, each passes at once."""

    conclusion: Conclusion = "success"
    artifacts: Mapping[str, Files] | Callable[[Run], Mapping[str, Files]] = field(default_factory=dict)
    """Name to its files: `{"provision-output": {"outputs.json": {"web_ip": "127.0.0.1"}}}`."""
    job: str = ""
    """Key of the failing job; empty: the last one."""
    step: str = ""
    """The failing step; empty: the job's last one. Steps after it are skipped."""
    message: str = "Process completed with exit code 1."
    """The last line of the failing step, also an annotation."""
    log: tuple[str, ...] = ("done",)
    """The output of every step."""
    gate: Gate | None = None
    """The run waits here, in its first step."""
    seconds: float = 0.0
    """Then it waits for this time, in seconds."""
    begins: bool = True
    """False: it stays queued, because no machine takes it."""
    ends: bool = True
    """False: it stays in progress."""


@dataclass(kw_only=True)
class Scripted:
    """A `Runner` by the name of the workflow's file: `Scripted(scripts={"deploy.yml": Script(…)})`."""

    scripts: Mapping[str, Script] = field(default_factory=dict)
    default: Script = field(default_factory=Script)

    async def run(self, run: Run) -> Conclusion:
        """Play the whole script."""
        script = self.scripts.get(run.workflow.path.rpartition("/")[2], self.default)
        return await Play(script).run(run)


@dataclass(frozen=True, slots=True)
class Play:
    """A `Runner` of one script."""

    script: Script

    @property
    def begins(self) -> bool:
        """Whether the run is in progress with this runner."""
        return self.script.begins

    async def run(self, run: Run) -> Conclusion:
        """Play the whole script."""
        script = self.script
        if not script.begins:
            await run.cancelled.wait()
            return "cancelled"
        names = {"inputs": run.inputs, "vars": run.variables}
        workflow = read(run.workflow.text, run.workflow.path)
        jobs = {
            key: (job_name(job, names), [step_name(step, names) for step in job.steps])
            for key, job in workflow.jobs.items()
            if key not in run.kept
        }
        bad = script.job or (list(jobs)[-1] if jobs else "")
        over: Conclusion | None = None
        for place, (key, (name, steps)) in enumerate(jobs.items()):
            if over is not None:
                run.skip_job(key, name)
                continue
            job = run.begin_job(key, name, labels=("ubuntu-latest",))
            if await self._job(run, job, steps or ["Run"], bad=key == bad, first=place == 0):
                job.end("success")
            else:
                over = "cancelled" if run.cancelled.is_set() else script.conclusion
                job.end(over)
        if over is None:
            artifacts = script.artifacts(run) if callable(script.artifacts) else script.artifacts
            for artifact, files in artifacts.items():
                run.add_artifact(artifact, archive(files))
        return over or "success"

    async def _job(self, run: Run, job: Job, names: Sequence[str], *, bad: bool, first: bool) -> bool:
        script = self.script
        failing = script.step if script.step in names else names[-1]
        well = True
        for place, name in enumerate(names):
            if not well or run.cancelled.is_set():
                job.skip_step(name)
                continue
            job.begin_step(name)
            if first and place == 0:
                await self._wait(run)
            for line in script.log:
                job.log(line)
            if run.cancelled.is_set():
                job.log("##[error]The operation was canceled.")
                job.end_step("cancelled")
            elif bad and name == failing and script.conclusion != "success":
                well = False
                job.log(f"##[error]{script.message}")
                job.annotate("failure", script.message)
                job.end_step("failure" if script.conclusion == "timed_out" else script.conclusion)
            else:
                job.end_step("success")
        return well and not run.cancelled.is_set()

    async def _wait(self, run: Run) -> None:
        script = self.script
        if script.gate is not None:
            await script.gate.passed(run.cancelled)
        if not script.ends:
            await run.cancelled.wait()
        elif script.seconds:
            try:
                await asyncio.wait_for(run.cancelled.wait(), script.seconds)
            except TimeoutError:
                return
