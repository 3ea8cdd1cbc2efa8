"""The host: a program in the source's folder, known to the ledger, ended with all that it started."""

from __future__ import annotations

import platform
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.links.spawned import spawn
from seatrial.pipeline.executors import Job
from seatrial.spi import Context, Finished


class Host:
    """Runs jobs as programs of this host."""

    async def identity(self, ctx: Context, job: Job) -> str:
        """This host and the folder, since commands can see it; what services are, nobody can say yet."""
        return "" if job.services else f"host {platform.system()} {platform.machine()} {job.source}"

    async def run(self, ctx: Context, job: Job) -> Finished:
        """See Executor."""
        if job.services:
            raise CannotTell(f"services are not supported yet, and it names {', '.join(job.services)}")
        return await spawn(ctx, job.argv, cwd=_folder(job), env=job.env, timeout=job.timeout, whole=job.log)


def _folder(job: Job) -> Path:
    folder = (job.source / job.cwd).resolve()
    if not folder.is_relative_to(job.source):
        raise CannotTell(f"the folder {job.cwd!r} leads out of the source {job.source}")
    return folder
