"""A running job: the shared state of its steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seatrial.links.forge.workflows.expressions import Function, render
from seatrial.links.forge.workflows.values import as_text
from seatrial.links.forge.workflows.workflow import Defaults, Job
from seatrial_stand_ins.github.runner.machine import Machine
from seatrial_stand_ins.github.runner.settings import Settings
from seatrial_stand_ins.github.runner.stopping import Stop
from seatrial_stand_ins.github.seam import Conclusion, Run
from seatrial_stand_ins.github.seam import Job as SeamJob


@dataclass(kw_only=True)
class JobRun:
    """A running job: the shared state of its steps."""

    settings: Settings
    run: Run
    job: Job
    seam: SeamJob
    machine: Machine
    stop: Stop
    contexts: Mapping[str, Any]
    """`github`, `needs`, `vars`, `secrets`, `inputs`, `matrix`, `strategy`."""
    defaults: Defaults
    stays: Callable[[], bool]
    """Whether its `if` lets the job continue although the run was cancelled."""
    env: dict[str, str] = field(default_factory=dict)
    """`env` of workflow and job, and variables from GITHUB_ENV."""
    failed: bool = False
    inside: bool = False
    """A step is running, so there is a log to write to."""
    masks: list[str] = field(default_factory=list)
    posts: list[tuple[str, Callable[[], Awaitable[None]]]] = field(default_factory=list)

    @property
    def status(self) -> str:
        """`job.status`."""
        return "cancelled" if self.stop.asked.is_set() else "failure" if self.failed else "success"

    def fail(self, message: str) -> None:
        """Say why in the log, and as an annotation."""
        if self.inside:
            self.seam.log(f"##[error]{message}")
        self.seam.annotate("failure", message, path=".github", line=1)

    def begin(self, name: str) -> None:
        """A step begins, as the API shows it."""
        self.seam.begin_step(self.masked(name))
        self.inside = True

    def end(self, conclusion: Conclusion) -> None:
        """The step has ended."""
        self.inside = False
        self.seam.end_step(conclusion)

    def mask(self, text: str) -> None:
        """Hide it from now on, and each line of it."""
        for one in (text, *text.splitlines()):
            if one.strip():
                self.masks.append(one)
                self.run.mask(one)

    def masked(self, text: str) -> str:
        """The text without secrets, for use outside logs: the names of steps."""
        for one in sorted(self.masks, key=len, reverse=True):
            text = text.replace(one, "***")
        return text

    def filled(
        self, env: Mapping[str, Any], contexts: Mapping[str, Any], functions: Mapping[str, Function] | None = None
    ) -> dict[str, str]:
        """An `env` of a workflow file, filled in; one variable of it does not see another."""
        return {name: render(as_text(one), contexts, functions) for name, one in env.items()}
