"""The places where a check's command runs: a container, or this host."""

from __future__ import annotations

from seatrial.preflight.job import Executor, Job


def executor_for(job: Job, *, host: bool) -> Executor:
    """The executor for a job; `host`: everything runs on this host, even checks with images."""
    from seatrial.preflight.executors.container import Container
    from seatrial.preflight.executors.host import Host

    return Host() if host or not (job.image or job.build) else Container()
