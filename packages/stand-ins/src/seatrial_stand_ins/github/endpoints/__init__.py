"""The supported operations of the API, one module for each kind of resource."""

from seatrial_stand_ins.github.asked import Endpoint
from seatrial_stand_ins.github.endpoints import artifacts, deployments, groups, jobs, repositories, runs, workflows

ENDPOINTS: tuple[Endpoint, ...] = (
    *repositories.ENDPOINTS,
    *workflows.ENDPOINTS,
    *runs.ENDPOINTS,
    *jobs.ENDPOINTS,
    *groups.ENDPOINTS,
    *artifacts.ENDPOINTS,
    *deployments.ENDPOINTS,
)
