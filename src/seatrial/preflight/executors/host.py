"""The host: a program in the source folder, recorded in the ledger, ended with all its children."""

from __future__ import annotations

import platform
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.links.process.spawned import spawn
from seatrial.preflight.executors.service_identity import identity
from seatrial.preflight.job import Job
from seatrial.preflight.services import Services, bound, filled
from seatrial.spi import Context, Finished


class Host:
    """Runs jobs as programs of this host."""

    async def identity(self, ctx: Context, job: Job) -> str:
        """This host, the folder (commands can see it), and the digests of the services."""
        services = await identity(ctx, job.services, host=job.host)
        return f"host {platform.system()} {platform.machine()} {job.source} {services}".rstrip()

    async def run(self, ctx: Context, job: Job) -> Finished:
        """See Executor."""
        folder = _folder(job)
        if not job.services:
            return await spawn(ctx, job.argv, cwd=folder, env=job.env, timeout=job.timeout, whole=job.log)
        standing = await Services.of(ctx).up(ctx, job.services, host=job.host)
        views = {name: one.outside for name, one in standing.items()}
        given = {name: filled(ctx, value, views) for name, value in job.env.items()}
        env = {**bound(ctx, job.services, views), **given}
        argv = [filled(ctx, word, views) for word in job.argv]
        return await spawn(ctx, argv, cwd=folder, env=env, timeout=job.timeout, whole=job.log)


def _folder(job: Job) -> Path:
    folder = (job.source / job.cwd).resolve()
    if not folder.is_relative_to(job.source):
        raise CannotTell(f"the folder {job.cwd!r} leads out of the source {job.source}")
    return folder
