"""One job: its machine, its steps, its outputs, and its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.links.forge.workflows.expressions import ExpressionError, value
from seatrial.links.forge.workflows.values import CaseSensitive, as_number
from seatrial.links.forge.workflows.workflow import Defaults, Job
from seatrial_stand_ins.github.runner.calls import ActionFailed
from seatrial_stand_ins.github.runner.contexts import event_of
from seatrial_stand_ins.github.runner.job_run import JobRun
from seatrial_stand_ins.github.runner.machine import Machine
from seatrial_stand_ins.github.runner.settings import Settings
from seatrial_stand_ins.github.runner.steps import Steps
from seatrial_stand_ins.github.runner.stopping import Stop
from seatrial_stand_ins.github.seam import Conclusion, Run
from seatrial_stand_ins.github.seam import Job as SeamJob

MINUTES = 360.0
"""A job's default `timeout-minutes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A job's result, for its dependents."""

    result: Conclusion
    outputs: Mapping[str, str] = field(default_factory=dict)
    excused: bool = False
    """It failed, but `continue-on-error` ignores the failure."""

    @property
    def counts(self) -> Conclusion:
        """`needs.….result`."""
        return "success" if self.excused else self.result


async def execute(
    *,
    settings: Settings,
    run: Run,
    job: Job,
    seam: SeamJob,
    contexts: Mapping[str, Any],
    workflow_env: Mapping[str, Any],
    defaults: Defaults,
    stopped: Sequence[asyncio.Event],
    stays: Callable[[], bool],
) -> Result:
    """Run a job to its end, whatever happens; another failed job of the matrix sets one of `stopped`."""
    machine = Machine(settings, run.repository, event_of(run))
    stop = Stop(settings.grace.always)
    about = {
        **contexts["github"],
        "job": job.id,
        "workspace": str(machine.workspace),
        "event_path": str(machine.event),
        "retention_days": "90",
    }
    here = JobRun(
        settings=settings,
        run=run,
        job=job,
        seam=seam,
        machine=machine,
        stop=stop,
        contexts={**contexts, "github": about, "runner": machine.runner()},
        defaults=Defaults(
            shell=job.defaults.shell or defaults.shell,
            working_directory=job.defaults.working_directory or defaults.working_directory,
        ),
        stays=stays,
        masks=[one for one in contexts["secrets"].values() if one],
    )
    watching = [
        asyncio.ensure_future(_watch(seam.cancelled, stop, "cancelled", here)),
        *(asyncio.ensure_future(_watch(one, stop, "another job of the matrix failed", None)) for one in stopped),
    ]
    try:
        outputs: dict[str, str] = {}
        try:
            here.env.update(here.filled(workflow_env, here.contexts))
            here.env.update(here.filled(job.env, {**here.contexts, "env": CaseSensitive(here.env)}))
            minutes = value(job.timeout_minutes, here.contexts)
            limit = MINUTES if minutes is None else as_number(minutes)
            stop.later(limit * 60, _overdue, here, limit)
            if job.container is not None or job.services:
                raise ActionFailed("this runner has no containers: `container:` and `services:` of a job do not work")
            steps = Steps(here)
            await steps.all()
            outputs = steps.outputs()
        except (ActionFailed, ExpressionError) as error:
            here.failed = True
            here.fail(str(error))
        result: Conclusion = "cancelled" if stop.asked.is_set() else "failure" if here.failed else "success"
        excused = result == "failure" and value(job.continue_on_error, here.contexts) is True
        return Result(result=result, outputs=outputs, excused=excused)
    finally:
        for task in watching:
            task.cancel()
        stop.close()
        machine.close()


async def _watch(event: asyncio.Event, stop: Stop, why: str, here: JobRun | None) -> None:
    await event.wait()
    if here is None or not here.stays():
        stop.ask(why)


def _overdue(here: JobRun, minutes: float) -> None:
    here.fail(f"The job has exceeded the maximum execution time of {minutes:g} minutes.")
    here.stop.ask("the job's time is over")
