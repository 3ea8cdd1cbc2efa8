"""A check with artifacts runs once at a time in one source: two writers of the same files would mix them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from seatrial.engine.leases import Leases
from seatrial.errors import LeaseTaken
from seatrial.preflight.cache.hashes import digest
from seatrial.preflight.job import Job
from seatrial.spi import Context

PAUSE = 0.1
"""Seconds between two looks at a lease of another run."""


@asynccontextmanager
async def alone(ctx: Context, job: Job) -> AsyncIterator[None]:
    """Hold the lease of a check with artifacts in the source; wait for another run of it, and name that run."""
    if job.contained or not job.check.artifacts:
        yield
        return
    leases = Leases()
    name = "preflight-" + digest(f"{job.source}\n{job.name}".encode())
    labels = ctx.labels()
    holder = {"run": labels["seatrial.run"], "pid": os.getpid(), "project": labels["seatrial.project"],
              "trial": ctx.trial_id}  # fmt: skip
    waiting = False
    while True:
        try:
            leases.lock(name, holder)
            break
        except LeaseTaken:
            if not waiting:
                other = leases.holder("exclusive", name)
                ctx.log(f"{job.name} is running already in this source, in {other}; it waits for its end", "warning")
                waiting = True
            await asyncio.sleep(PAUSE)
    try:
        yield
    finally:
        leases.release("exclusive", name, ctx.trial_id)
