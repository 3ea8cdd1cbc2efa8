"""The host: a program in the source folder, recorded in the ledger, ended with all its children."""

from __future__ import annotations

import platform

from seatrial.errors import CannotTell
from seatrial.links.git import repository_of
from seatrial.links.process.spawned import spawn
from seatrial.preflight.executors.images import services_id
from seatrial.preflight.job import Job
from seatrial.preflight.services import Services, filled
from seatrial.preflight.system import pipeline_of
from seatrial.spi import Context, Finished


async def identity(ctx: Context, job: Job) -> str:
    """This host, the folder in its repository (work trees share results), and the digests of the services."""
    services = await services_id(ctx, job.services, host=job.host)
    where = repository_of(job.source) or job.source
    return f"host {platform.system()} {platform.machine()} {where} {services}".rstrip()


async def run(ctx: Context, job: Job) -> Finished:
    """See Executor."""
    if not job.folder.is_relative_to(job.source):
        raise CannotTell(f"the folder {job.check.cwd!r} leads out of the source {job.source}")
    argv, env = job.argv, {**job.env, **job.secrets}
    if job.services:
        running = await pipeline_of(ctx).part(Services).up(ctx, job.services, host=job.host)
        argv, env = filled(ctx, job, {name: service.outside for name, service in running.items()})
    return await spawn(ctx, argv, cwd=job.folder, env=env, timeout=job.check.timeout, whole=job.log, output=job.output)
