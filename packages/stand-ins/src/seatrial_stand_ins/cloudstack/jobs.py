"""Asynchronous jobs: a command answers with a job's id, and the client polls the job until it ends."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from seatrial_stand_ins.cloudstack.cloud import TIME
from seatrial_stand_ins.cloudstack.plants import Plants
from seatrial_stand_ins.cloudstack.refusals import INTERNAL, Refused
from seatrial_stand_ins.machines import MachineFailed

PENDING, DONE, FAILED = 0, 1, 2

Work = Callable[[], Coroutine[Any, Any, dict[str, object]]]
"""The work of a job; its return value is the job's result."""


@dataclass(slots=True, kw_only=True)
class Job:
    """One job."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    command: str
    status: int = PENDING
    code: int = 0
    result: dict[str, object] | None = None
    created: str = field(default_factory=lambda: datetime.now(UTC).strftime(TIME))

    def told(self) -> dict[str, object]:
        """The answer of queryAsyncJobResult."""
        told: dict[str, object] = {
            "jobid": self.id, "cmd": f"org.apache.cloudstack.api.command.user.{self.command}Cmd",
            "created": self.created, "jobstatus": self.status, "jobprocstatus": 0, "jobresultcode": self.code,
        }  # fmt: skip
        if self.result is not None:
            told |= {"jobresulttype": "object", "jobresult": self.result}
        return told


class Jobs:
    """All jobs of a server, run in its event loop."""

    def __init__(self, plants: Plants) -> None:
        self._plants = plants
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, command: str, work: Work) -> Job:
        """Start it."""
        job = Job(command=command)
        self._jobs[job.id] = job
        task = asyncio.get_running_loop().create_task(self._done(job, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def get(self, id: str) -> Job | None:
        """The job of this id."""
        return self._jobs.get(id)

    def all(self) -> list[Job]:
        """Every job, newest first."""
        return list(reversed(self._jobs.values()))

    async def settled(self) -> None:
        """Wait for running jobs."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def cancel(self) -> None:
        """Cancel running jobs."""
        for task in self._tasks:
            task.cancel()
        await self.settled()

    async def _done(self, job: Job, work: Work) -> None:
        status, code, result = await self._ended(job.command, work)
        if job.command in self._plants.job_never_ends:
            return
        job.code, job.result, job.status = code, result, status

    async def _ended(self, command: str, work: Work) -> tuple[int, int, dict[str, object]]:
        try:
            if self._plants.slow:
                await asyncio.sleep(self._plants.slow)
            if command in self._plants.job_fails:
                raise Refused(INTERNAL, self._plants.job_fails[command])
            return DONE, 0, await work()
        except Refused as error:
            return FAILED, INTERNAL, {"errorcode": error.code, "errortext": error.text}
        except MachineFailed as error:
            return FAILED, INTERNAL, {"errorcode": INTERNAL, "errortext": str(error)}
        except Exception as error:  # noqa: BLE001  whoever asks for the job has to be told
            return FAILED, INTERNAL, {"errorcode": INTERNAL, "errortext": f"{type(error).__name__}: {error}"}
