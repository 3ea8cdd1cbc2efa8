"""Containers of an image; not written yet."""

from __future__ import annotations

from seatrial.errors import CannotTell
from seatrial.pipeline.executors import Job
from seatrial.spi import Context, Finished


class Container:
    """Runs jobs in containers."""

    async def identity(self, ctx: Context, job: Job) -> str:
        """Not to be told yet."""
        return ""

    async def run(self, ctx: Context, job: Job) -> Finished:
        """CannotTell: there is no way yet."""
        what = f"the image {job.image}" if job.image else "an image of its own"
        raise CannotTell(f"containers are not supported yet, and {job.name} runs in {what}; --host runs it here")
